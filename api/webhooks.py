"""Where providers' notices come in: verify, store, then 2xx; everything else happens after.

1. Whatever carries a valid signature is stored before it is answered, readable or not.
2. Whatever does not is counted and forgotten; the answer says nothing about why.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Litestar, Request, Response, post
from litestar.exceptions import HTTPException
from litestar.types import HTTPScope

from api import metrics
from api.auth import PUBLIC
from api.problems import also, documented
from api.rooms import Anybody, house_in, house_of
from api.side_doors import SideDoor, raise_failure
from api.tracing import mark_provider, trace_context
from contracts.errors import ProviderNotConfigured
from contracts.wire.problems import WebhookRefusal
from providers.provider import NoticeRefused, RefusalReason
from runtime.house import House

WECHAT_PATH = "/api/webhooks/wechatpay"

_WECHAT = "wechat"
_SIGNED_HEADERS = b"wechatpay-"
_ENCODING = b"content-encoding"
_REFUSAL = WebhookRefusal(code="FAIL", message="The notice could not be verified.")

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.webhook")


def turn_away(_request: Request[Any, Any, Any], refused: NoticeRefused) -> Response[WebhookRefusal]:
    """Answer a notice that proves nothing."""
    _count(refused.reason.value)
    log.info("payments.webhook.refused", provider=_WECHAT, reason=refused.reason.value)
    return Response(_REFUSAL, status_code=HTTPStatus.UNAUTHORIZED)


@post(
    WECHAT_PATH,
    opt=PUBLIC,
    status_code=204,
    exception_handlers={NoticeRefused: turn_away},
    responses={
        **also(401, WebhookRefusal, "It proves nothing"),
        **documented(413, 415),
    },
)
async def receive_wechat_notice(request: Anybody) -> None:
    """Take a notice of WeChat Pay; 204 means that it is stored, 401 that it proves nothing."""
    raise_failure(request.scope)
    await _take(house_of(request), request.scope, await request.body())


def wechat_side_door(app: Litestar) -> SideDoor:
    """Make the door that notices come through when thousands come at once."""

    async def take(scope: HTTPScope, body: bytes) -> None:
        await _take(house_in(app), scope, body)

    return take


async def _take(house: House, scope: HTTPScope, body: bytes) -> None:
    mark_provider(_WECHAT)
    provider = house.providers.get(_WECHAT)
    if provider is None:
        raise ProviderNotConfigured
    headers = _signed_headers(scope)
    verified = provider.verify(headers, body, datetime.now(UTC))
    received = await house.inbox.store(verified, headers, body, trace_context())
    if received is None:
        _count("duplicate")
        log.debug("payments.webhook.duplicate", provider=_WECHAT)
        return
    _count("stored")
    log.debug("payments.webhook.stored", provider=_WECHAT, notice_id=received.notice.id)
    house.inbox.process_soon(received)


def _signed_headers(scope: HTTPScope) -> dict[str, str]:
    """Collect what the signature is made of; a name twice could be read two ways."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        lowered = name.lower()
        if lowered == _ENCODING:
            _count("encoded")
            raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if not lowered.startswith(_SIGNED_HEADERS):
            continue
        if lowered.decode("latin-1") in found:
            raise NoticeRefused(RefusalReason.MALFORMED)
        found[lowered.decode("latin-1")] = value.decode("latin-1")
    return found


def _count(outcome: str) -> None:
    metrics.NOTICES.labels(_WECHAT, outcome).inc()
