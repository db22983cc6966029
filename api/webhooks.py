"""Where providers' notices come in: verify, store, then 2xx; everything else happens after.

1. Whatever carries a valid signature is stored before it is answered, readable or not.
2. Whatever does not is counted and forgotten; the answer says nothing about why.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response, post
from litestar.exceptions import HTTPException

from api import metrics
from api.auth import PUBLIC
from api.problems import also, documented
from api.rooms import Anybody, house_of
from api.tracing import mark_provider, trace_context
from contracts.errors import ProviderNotConfigured
from contracts.wire.problems import WebhookRefusal
from providers.provider import NoticeRefused, RefusalReason

_WECHAT = "wechat"
_SIGNED_HEADERS = b"wechatpay-"
_REFUSAL = WebhookRefusal(code="FAIL", message="The notice could not be verified.")

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.webhook")


def turn_away(_request: Request[Any, Any, Any], refused: NoticeRefused) -> Response[WebhookRefusal]:
    """Answer a notice that proves nothing."""
    _count(refused.reason.value)
    log.info("payments.webhook.refused", provider=_WECHAT, reason=refused.reason.value)
    return Response(_REFUSAL, status_code=HTTPStatus.UNAUTHORIZED)


@post(
    "/api/webhooks/wechatpay",
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
    house = house_of(request)
    mark_provider(_WECHAT)
    provider = house.providers.get(_WECHAT)
    if provider is None:
        raise ProviderNotConfigured
    if "content-encoding" in request.headers:
        _count("encoded")
        raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    headers, body = _signed_headers(request), await request.body()
    verified = provider.verify(headers, body, datetime.now(UTC))
    notice = await house.inbox.store(verified, headers, body, trace_context())
    if notice is None:
        _count("duplicate")
        log.debug("payments.webhook.duplicate", provider=_WECHAT)
        return
    _count("stored")
    log.info("payments.webhook.stored", provider=_WECHAT, notice_id=notice.id)
    house.inbox.process_soon(notice)


def _signed_headers(request: Anybody) -> dict[str, str]:
    """Collect what the signature is made of; a name twice could be read two ways."""
    found: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        lowered = name.lower()
        if not lowered.startswith(_SIGNED_HEADERS):
            continue
        if lowered.decode("latin-1") in found:
            raise NoticeRefused(RefusalReason.MALFORMED)
        found[lowered.decode("latin-1")] = value.decode("latin-1")
    return found


def _count(outcome: str) -> None:
    metrics.NOTICES.labels(_WECHAT, outcome).inc()
