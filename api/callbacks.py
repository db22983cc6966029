"""Where the notices of Ping++ and Alipay come in, each answered in its sender's own word.

Any other answer than that word means "not stored": its sender will come again.
"""

from http import HTTPStatus
from typing import Any, Final

from litestar import MediaType, Request, Response, post

from api.auth import PUBLIC
from api.notices import note_refusal, take
from api.problems import also, documented, refuse
from api.rooms import Anybody, house_of
from contracts.errors import BadSignature
from providers.provider import NoticeRefused

PINGXX_PATH = "/api/callback/pingxx-callback"
ALIPAY_PATH = "/api/callback/alipay-notify"

_PINGXX: Final = "pingxx"
_ALIPAY: Final = "alipay"
_PINGXX_TAKEN: Final = "pingxx callback success"
# Alipay, asynchronous notification: the bare word, no more and no less (read 2026-11).
_ALIPAY_TAKEN: Final = "success"
_ALIPAY_REFUSED: Final = "failure"
_PINGXX_SIGNED: Final = frozenset({b"x-pingplusplus-signature"})
# Alipay signs what is in the body, and puts the signature there as well.
_ALIPAY_SIGNED: Final = frozenset[bytes]()


def turn_pingxx_away(_request: Request[Any, Any, Any], refused: NoticeRefused) -> Response[Any]:
    """Answer an event that proves nothing."""
    note_refusal(_PINGXX, refused)
    return refuse(BadSignature())


def turn_alipay_away(_request: Request[Any, Any, Any], refused: NoticeRefused) -> Response[str]:
    """Answer a notice that proves nothing."""
    note_refusal(_ALIPAY, refused)
    return Response(_ALIPAY_REFUSED, status_code=HTTPStatus.UNAUTHORIZED, media_type=MediaType.TEXT)


@post(
    PINGXX_PATH,
    opt=PUBLIC,
    status_code=200,
    media_type=MediaType.TEXT,
    exception_handlers={NoticeRefused: turn_pingxx_away},
    responses=documented(401, 413, 415),
)
async def receive_pingxx_event(request: Anybody) -> str:
    """Take an event of Ping++, signed in `x-pingplusplus-signature`; 200: it is stored."""
    body = await request.body()
    await take(
        house_of(request), _PINGXX, request.scope, body, is_signed=_PINGXX_SIGNED.__contains__
    )
    return _PINGXX_TAKEN


@post(
    ALIPAY_PATH,
    opt=PUBLIC,
    status_code=200,
    media_type=MediaType.TEXT,
    exception_handlers={NoticeRefused: turn_alipay_away},
    responses={
        **also(401, str, "It proves nothing", MediaType.TEXT),
        **documented(413, 415),
    },
)
async def receive_alipay_notice(request: Anybody) -> str:
    """Take a notice of Alipay, a form that carries its signature; `success` means it is stored."""
    body = await request.body()
    await take(
        house_of(request), _ALIPAY, request.scope, body, is_signed=_ALIPAY_SIGNED.__contains__
    )
    return _ALIPAY_TAKEN
