"""Where normalized events come in: verify, store, then ``{"ok": true}``; all else happens after.

The body of an event that proves nothing is not looked at.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from litestar import Request, Response, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema

from actors.normalized import identify
from api.auth import PUBLIC
from api.notices import keep, note_refusal, signed_headers
from api.problems import documented, refuse
from api.rooms import Anybody, house_of
from api.tracing import mark_provider
from contracts.errors import BadSignature, ProviderNotConfigured
from contracts.normalized import EventData, NormalizedEvent
from contracts.wire.webhooks import Taken
from providers import webhook_signature
from providers.provider import NoticeRefused

EVENTS_PATH = "/payments/webhook"

# Until its signature holds nobody knows whose an event is.
_ANYBODYS = "unknown"
_SIGNED = frozenset(name.encode() for name in webhook_signature.HEADERS)


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
    note_refusal(_ANYBODYS, refused)
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
    headers = signed_headers(request.scope, _ANYBODYS, _SIGNED.__contains__)
    body = await request.body()
    message_id = webhook_signature.verify(secret, headers, body, datetime.now(UTC))
    verified = identify(body, message_id)
    mark_provider(verified.provider)
    await keep(house, verified, headers, body)
    return Taken()
