"""What every door for notices does: headers, signature, row; only then does it answer.

1. Whatever carries a valid signature is stored before it is answered, readable or not.
2. Whatever does not is counted and forgotten; the answer says nothing about why.
3. A notice that comes again is answered the same; if it was not finished, it is now.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TypeAlias

import structlog
from litestar.exceptions import HTTPException
from litestar.types import HTTPScope

from actors.inbox import Received
from api import metrics
from api.tracing import mark_provider, trace_context
from contracts.errors import ProviderNotConfigured
from contracts.facts import Fact
from providers.provider import NoticeRefused, RefusalReason, VerifiedNotice
from runtime.house import House

# Asked for what a notice says; None where nobody can read it.
Told: TypeAlias = Callable[[], list[Fact] | None]

_ENCODING = b"content-encoding"

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.webhook")


async def take(
    house: House,
    provider: str,
    scope: HTTPScope,
    body: bytes,
    *,
    is_signed: Callable[[bytes], bool],
) -> Told:
    """Verify and store a provider's notice; *is_signed* names the headers that prove it.

    Return whom to ask what it says: one that comes again is read only for who wants to know.

    :raises contracts.errors.ProviderNotConfigured: nobody here can verify it.
    :raises providers.provider.NoticeRefused: it proves nothing, and is not stored.
    """
    mark_provider(provider)
    adapter = house.providers.get(provider)
    if adapter is None:
        raise ProviderNotConfigured
    headers = signed_headers(scope, provider, is_signed)
    verified = adapter.verify(headers, body, datetime.now(UTC))
    received = await keep(house, verified, headers, body)
    if received is None:
        return partial(house.inbox.facts_of, verified, headers, body)
    facts = received.facts
    return lambda: facts


def signed_headers(
    scope: HTTPScope, provider: str, is_signed: Callable[[bytes], bool]
) -> dict[str, str]:
    """Collect what the signature is made of; a name twice could be read two ways."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        lowered = name.lower()
        if lowered == _ENCODING:
            count(provider, "encoded")
            raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if not is_signed(lowered):
            continue
        if lowered.decode("latin-1") in found:
            raise NoticeRefused(RefusalReason.MALFORMED)
        found[lowered.decode("latin-1")] = value.decode("latin-1")
    return found


async def keep(
    house: House, verified: VerifiedNotice, headers: dict[str, str], body: bytes
) -> Received | None:
    """Store a verified notice and have it processed behind the answer; None if it was there."""
    provider = verified.provider
    received = await house.inbox.store(verified, headers, body, trace_context())
    if received is None:
        count(provider, "duplicate")
        log.debug("payments.webhook.duplicate", provider=provider)
        house.inbox.resume_soon(verified)
        return None
    count(provider, "stored")
    log.debug("payments.webhook.stored", provider=provider, notice_id=received.notice.id)
    house.inbox.process_soon(received)
    return received


def note_refusal(provider: str, refused: NoticeRefused) -> None:
    """Count a notice that proves nothing, and forget it."""
    count(provider, refused.reason.value)
    log.info("payments.webhook.refused", provider=provider, reason=refused.reason.value)


def count(provider: str, outcome: str) -> None:
    """Count what became of a notice at its door."""
    metrics.NOTICES.labels(provider, outcome).inc()
