"""Where normalized events come in: verify, store, then ``{"ok": true}``; all else happens after.

1. Whatever carries a good signature is stored before it is answered, readable or not.
2. Whatever does not is counted and forgotten, its body unread; the answer does not say why.
3. An event that comes again is answered the same; if it was not finished, it is now.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast

import msgspec
import structlog
from litestar import Request, Response, post
from litestar.exceptions import HTTPException
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.types import HTTPScope

from actors.normalized import identify
from api import metrics
from api.auth import PUBLIC
from api.problems import documented, refuse
from api.rooms import Anybody, house_of
from api.tracing import mark_provider, trace_context
from contracts.errors import BadSignature, ProviderNotConfigured
from contracts.normalized import EventData, NormalizedEvent
from contracts.wire.webhooks import Taken
from providers import webhook_signature
from providers.provider import NoticeRefused, RefusalReason

EVENTS_PATH = "/payments/webhook"

# Until its signature holds nobody knows whose an event is.
_ANYBODYS = "unknown"
_ENCODING = b"content-encoding"
_SIGNED = frozenset(name.encode() for name in webhook_signature.HEADERS)

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.webhook")


@dataclass
class _EventOperation(Operation):
    """The body is read by hand, so what it is must be told by hand."""

    def __post_init__(self) -> None:
        _, parts = msgspec.json.schema_components([NormalizedEvent], ref_template="{name}")
        event = dict(parts[NormalizedEvent.__name__])
        # Whole: the document's own parts are only those the framework found by itself.
        event["properties"] = event["properties"] | {"data": parts[EventData.__name__]}
        body = OpenAPIMediaType(schema=cast("Schema", event))
        self.request_body = RequestBody(content={"application/json": body}, required=True)


def turn_away(_request: Request[Any, Any, Any], refused: NoticeRefused) -> Response[Any]:
    """Answer an event that proves nothing."""
    _count(_ANYBODYS, refused.reason.value)
    log.info("payments.webhook.refused", provider=_ANYBODYS, reason=refused.reason.value)
    return refuse(BadSignature())


@post(
    EVENTS_PATH,
    opt=PUBLIC,
    status_code=200,
    exception_handlers={NoticeRefused: turn_away},
    operation_class=_EventOperation,
    responses=documented(401, 413, 415),
)
async def receive_event(request: Anybody) -> Taken:
    """Take an event about a payment or a refund, signed as Standard Webhooks lays it out.

    `webhook-id`, `webhook-timestamp` and `webhook-signature` (or `x-signature`) are needed.
    Answered once it is stored; the same event may come any number of times.
    """
    house = house_of(request)
    secret = house.settings.payment_webhook_secret
    if secret is None:
        raise ProviderNotConfigured
    headers = _signed_headers(request.scope)
    body = await request.body()
    message_id = webhook_signature.verify(secret, headers, body, datetime.now(UTC))
    verified = identify(body, message_id)
    mark_provider(verified.provider)
    received = await house.inbox.store(verified, headers, body, trace_context())
    if received is None:
        _count(verified.provider, "duplicate")
        log.debug("payments.webhook.duplicate", provider=verified.provider)
        house.inbox.resume_soon(verified)
        return Taken()
    _count(verified.provider, "stored")
    log.debug("payments.webhook.stored", provider=verified.provider, notice_id=received.notice.id)
    house.inbox.process_soon(received)
    return Taken()


def _signed_headers(scope: HTTPScope) -> dict[str, str]:
    """Collect what the signature is made of; a name twice could be read two ways."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        lowered = name.lower()
        if lowered == _ENCODING:
            _count(_ANYBODYS, "encoded")
            raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if lowered not in _SIGNED:
            continue
        if lowered.decode() in found:
            raise NoticeRefused(RefusalReason.MALFORMED)
        found[lowered.decode()] = value.decode("latin-1")
    return found


def _count(provider: str, outcome: str) -> None:
    metrics.NOTICES.labels(provider, outcome).inc()
