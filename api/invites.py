"""The doors to gift seats: their buyer hands codes out, their guests come in by them."""

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from actors.places import ShownGift
from api.bodies import refuse_words
from api.problems import also, documented
from api.references import id_of
from api.rooms import Visitor, house_of
from contracts.wire import places as wire
from contracts.wire.orders import Registration
from models.order_views import Ownership

# Most events ask guests nothing, so the body may be left out.
_NO_WORDS = wire.RedeemInvite()


@get(
    "/api/events/{event_id:str}/orders/{order:str}/invites",
    responses=documented(401, 404),
)
async def list_invites(
    request: Visitor, event_id: FromPath[str], order: FromPath[str]
) -> wire.InvitePage:
    """List the gift seats of an order of your own; codes are shown while they are worth a seat."""
    shown = await house_of(request).places.gifts(_whose(request, event_id, order))
    return wire.InvitePage(items=tuple(_invite(request, one) for one in shown))


@post(
    "/api/events/{event_id:str}/orders/{order:str}/invites/{invite:str}/reissue",
    status_code=200,
    responses=documented(401, 404, 409, 413),
)
async def reissue_invite(
    request: Visitor, event_id: FromPath[str], order: FromPath[str], invite: FromPath[str]
) -> wire.Invite:
    """Give a gift seat another code; the old one is worthless at once."""
    await refuse_words(request)
    whose = _whose(request, event_id, order)
    return _invite(request, await house_of(request).places.reissue(whose, id_of(invite)))


@post(
    "/api/events/{event_id:str}/orders/invites/{code:str}/redeem",
    responses={
        **also(200, Registration, "You have redeemed it before"),
        **documented(401, 404, 409, 413, 415, 429),
    },
)
async def redeem_invite(
    request: Visitor,
    event_id: FromPath[str],
    code: FromPath[str],
    data: JSONBody[wire.RedeemInvite] = _NO_WORDS,
) -> Response[Registration]:
    """Take the gift seat that a code is for."""
    redeemed = await house_of(request).places.redeem(
        event_id=id_of(event_id),
        code=code,
        user_id=request.user.user_id,
        answers=data.answers,
    )
    content = Registration(id=redeemed.place.id, status=redeemed.place.status.value)
    return Response(content, status_code=201 if redeemed.is_new else 200)


def _invite(request: Visitor, shown: ShownGift) -> wire.Invite:
    gift, redeemer = shown.gift, None
    if gift.redeemer_id is not None and gift.redeemer_name is not None:
        redeemer = wire.Person(id=gift.redeemer_id, name=gift.redeemer_name)
    app_url = house_of(request).settings.app_url
    link = f"{app_url}/events/{gift.event_id}/register?gift={shown.code}"
    return wire.Invite(
        id=gift.id,
        status=gift.status.value,
        code=shown.code,
        url=None if shown.code is None else link,
        redeemed_at=gift.redeemed_at,
        redeemer=redeemer,
    )


def _whose(request: Visitor, event_id: str, order: str) -> Ownership:
    return Ownership(event_id=id_of(event_id), user_id=request.user.user_id, reference=order)
