"""The doors to coupons: who manages events makes them, buyers use them."""

from typing import Annotated

from litestar import get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from actors.coupon_desk import change_coupon, make_coupon
from api import answers
from api.auth import role
from api.organizers import managed_event
from api.problems import documented
from api.references import PAGE_SIZE, PAGE_SIZE_MAX, cursor_of, id_of, next_cursor
from api.rooms import Visitor, house_of
from api.tracing import mark_order
from contracts.coupons import CouponChange, NewCoupon
from contracts.states import CouponKind
from contracts.wire import coupons as wire
from contracts.wire.fields import ID_MAX
from models.coupons import list_coupons
from models.order_views import Ownership, own_order, own_order_id

_ADMIN = role("admin")
_Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_SIZE_MAX)]


@post(
    "/api/events/{event_id:str}/orders/{order:str}/coupon",
    status_code=200,
    responses=documented(401, 404, 409, 413, 415, 422),
)
async def apply_coupon(
    request: Visitor,
    event_id: FromPath[str],
    order: FromPath[str],
    data: JSONBody[wire.ApplyCoupon],
) -> wire.DiscountedOrder:
    """Lower the price of an order of your own that waits to be paid.

    What was opened for the old price is closed; prepare the payment again.
    """
    house = house_of(request)
    whose = Ownership(event_id=id_of(event_id), user_id=request.user.user_id, reference=order)
    order_id = await own_order_id(house.database, whose)
    after = await house.checkout.apply_coupon(order_id, data.coupon_code)
    mark_order(after)
    return answers.discounted(await own_order(house.database, whose), after)


@post("/api/events/{event_id:str}/coupons", responses=documented(401, 403, 404, 409, 413, 415))
async def make_event_coupon(
    request: Visitor, event_id: FromPath[str], data: JSONBody[wire.MakeCoupon]
) -> wire.Coupon:
    """Make a coupon for an event you manage."""
    return await _make(request, data, event_id=await managed_event(request, event_id))


@get("/api/events/{event_id:str}/coupons", responses=documented(401, 403, 404))
async def list_event_coupons(
    request: Visitor,
    event_id: FromPath[str],
    cursor: FromQuery[str | None] = None,
    limit: _Limit = PAGE_SIZE,
) -> wire.CouponPage:
    """List the coupons of an event you manage, newest first."""
    managed = await managed_event(request, event_id)
    return await _page(request, event_id=managed, cursor=cursor, limit=limit)


@put(
    "/api/events/{event_id:str}/coupons/{coupon_id:str}",
    responses=documented(401, 403, 404, 409, 413, 415),
)
async def change_event_coupon(
    request: Visitor,
    event_id: FromPath[str],
    coupon_id: FromPath[str],
    data: JSONBody[wire.ChangeCoupon],
) -> wire.Coupon:
    """Change a coupon of an event you manage."""
    managed = await managed_event(request, event_id)
    return await _change(request, coupon_id, data, event_id=managed)


@post("/api/coupons", opt=_ADMIN, responses=documented(401, 403, 409, 413, 415))
async def make_coupon_for_all(request: Visitor, data: JSONBody[wire.MakeCoupon]) -> wire.Coupon:
    """Make a coupon that is good for every event."""
    return await _make(request, data, event_id=None)


@get("/api/coupons", opt=_ADMIN, responses=documented(401, 403))
async def list_coupons_for_all(
    request: Visitor, cursor: FromQuery[str | None] = None, limit: _Limit = PAGE_SIZE
) -> wire.CouponPage:
    """List the coupons that are good for every event, newest first."""
    return await _page(request, event_id=None, cursor=cursor, limit=limit)


@put(
    "/api/coupons/{coupon_id:str}",
    opt=_ADMIN,
    responses=documented(401, 403, 404, 409, 413, 415),
)
async def change_coupon_for_all(
    request: Visitor, coupon_id: FromPath[str], data: JSONBody[wire.ChangeCoupon]
) -> wire.Coupon:
    """Change a coupon that is good for every event."""
    return await _change(request, coupon_id, data, event_id=None)


async def _make(request: Visitor, data: wire.MakeCoupon, *, event_id: int | None) -> wire.Coupon:
    wanted = NewCoupon(
        code=data.code,
        kind=CouponKind(data.kind.upper()),
        value=data.value,
        event_id=event_id,
        starts_at=data.starts_at,
        ends_at=data.ends_at,
        max_uses=data.max_uses,
    )
    database, user_id = house_of(request).database, request.user.user_id
    return answers.coupon(await make_coupon(database, wanted, user_id=user_id))


async def _page(
    request: Visitor, *, event_id: int | None, cursor: str | None, limit: int
) -> wire.CouponPage:
    found = await list_coupons(
        house_of(request).database,
        event_id=event_id,
        before_id=cursor_of(cursor, start=ID_MAX),
        limit=limit,
    )
    return wire.CouponPage(
        items=tuple(answers.coupon(one) for one in found),
        next_cursor=next_cursor([one.id for one in found], asked=limit),
    )


async def _change(
    request: Visitor, coupon_id: str, data: wire.ChangeCoupon, *, event_id: int | None
) -> wire.Coupon:
    change = CouponChange(is_active=data.is_active, max_uses=data.max_uses, ends_at=data.ends_at)
    database = house_of(request).database
    changed = await change_coupon(database, id_of(coupon_id), change, event_id=event_id)
    return answers.coupon(changed)
