"""Where WeChat Pay's notices come in: verify, store, then 204; everything else happens after."""

from http import HTTPStatus
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.types import HTTPScope

from api.auth import PUBLIC
from api.notices import note_refusal, take
from api.problems import also, documented
from api.rooms import Anybody, house_in, house_of
from api.side_doors import SideDoor, raise_failure
from contracts.wire.problems import WebhookRefusal
from providers.provider import NoticeRefused
from runtime.house import House

WECHAT_PATH = "/api/webhooks/wechatpay"

_WECHAT = "wechat"
_SIGNED_HEADERS = b"wechatpay-"
_REFUSAL = WebhookRefusal(code="FAIL", message="The notice could not be verified.")


def turn_away(_request: Request[Any, Any, Any], refused: NoticeRefused) -> Response[WebhookRefusal]:
    """Answer a notice that proves nothing."""
    note_refusal(_WECHAT, refused)
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

    async def receive(scope: HTTPScope, body: bytes) -> None:
        await _take(house_in(app), scope, body)

    return receive


async def _take(house: House, scope: HTTPScope, body: bytes) -> None:
    await take(house, _WECHAT, scope, body, is_signed=_is_signed)


def _is_signed(header: bytes) -> bool:
    return header.startswith(_SIGNED_HEADERS)
