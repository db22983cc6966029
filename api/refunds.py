"""The doors to an order's money, for the organizer of its event and for admins."""

from litestar import Response, post
from litestar.params import FromPath, JSONBody

from actors.manual import mark_paid
from actors.order_refunds import refund_order_payment
from api.bodies import invalid
from api.keys import idempotency_key
from api.organizers import managed_event
from api.problems import also, documented
from api.rooms import Visitor, house_of
from api.tracing import mark_order
from contracts.commands import MarkPaid, RequestRefund
from contracts.wire import refunds as wire
from contracts.wire.orders import OrderStatusOnly
from models.order_views import order_id_at


@post(
    "/api/events/{event_id:str}/orders/{order:str}/refund",
    responses={
        **also(200, wire.RefundView, "The key has made this refund already"),
        **documented(401, 403, 404, 409, 413, 415, 422),
    },
)
async def refund_order(
    request: Visitor,
    event_id: FromPath[str],
    order: FromPath[str],
    data: JSONBody[wire.RefundOrder],
) -> Response[wire.RefundView]:
    """Send money of a paid order back, all that is left or a part, with the seats you name.

    The seats are nobody's to use from now on, and free when the money has gone back; all of them
    go with the last of the money.
    """
    house = house_of(request)
    command = RequestRefund(
        order_id=await _managed_order(request, event_id, order),
        reason=data.reason,
        by_user_id=request.user.user_id,
        amount_minor=data.amount,
        idempotency_key=_key(request, data.idempotency_key),
        invite_ids=data.invite_ids,
        registration_ids=data.registration_ids,
    )
    refund = await refund_order_payment(house.actor, house.database, command)
    mark_order(refund.order)
    view = wire.RefundView(refund_id=refund.refund_id, status=refund.status.value)
    return Response(view, status_code=201 if refund.is_new else 200)


@post(
    "/api/events/{event_id:str}/orders/{order:str}/mark-paid",
    status_code=200,
    responses=documented(401, 403, 404, 409, 413, 415),
)
async def mark_order_paid(
    request: Visitor, event_id: FromPath[str], order: FromPath[str], data: JSONBody[wire.MarkPaid]
) -> OrderStatusOnly:
    """Say that you have the money; every open payment is closed at its provider first."""
    house = house_of(request)
    command = MarkPaid(
        order_id=await _managed_order(request, event_id, order),
        reason=data.reason,
        by_user_id=request.user.user_id,
    )
    paid = await mark_paid(house.actor, house.checkout.attempts, command)
    mark_order(paid)
    return OrderStatusOnly(status=paid.status.value)


async def _managed_order(request: Visitor, event_id: str, order: str) -> int:
    managed = await managed_event(request, event_id)
    return await order_id_at(house_of(request).database, event_id=managed, reference=order)


def _key(request: Visitor, in_body: str | None) -> str | None:
    in_header = idempotency_key(request)
    if in_header is None:
        return in_body
    if in_body not in (None, in_header):
        raise invalid("idempotencyKey", "The header says another key.")
    if len(in_header) > wire.KEY_MAX:
        raise invalid("Idempotency-Key", f"At most {wire.KEY_MAX} characters are kept.")
    return in_header
