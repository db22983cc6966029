"""The doors of the course shop: an order, what pays it, and what became of that.

A body says which order, by its number or its id; someone else's is not there.
"""

from datetime import UTC, datetime

from litestar import post
from litestar.params import JSONBody

from actors.biz_types import finder_of
from actors.pay_channels import FALLBACK
from api.course_answers import course_charge, course_order, given_course
from api.course_details import payment_detail
from api.problems import documented
from api.references import id_of
from api.rooms import Visitor, house_of
from api.tracing import mark_order, trace_context
from contracts.commands import CreateOrder
from contracts.errors import NotFound
from contracts.numbers import new_order_no
from contracts.order import Order
from contracts.wire import course_orders as wire
from models.catalogue import load_offers
from models.evidence import KeptEvidence, latest_evidence
from models.orders import Seen
from runtime.house import House

_COURSE = "EVENT_TICKET"


@post("/api/order/init-order", status_code=200, responses=documented(401, 404, 409, 413, 415, 422))
async def init_course_order(request: Visitor, data: JSONBody[wire.InitOrder]) -> wire.CourseOrder:
    """Order one seat of a ticket type, or find your order of it that waits to be paid.

    A free one is simply given: then there is no order, and nothing to pay.
    """
    house, course_id = house_of(request), id_of(str(data.course_id))
    offer = (await load_offers(house.database, [course_id])).get(course_id)
    if offer is None:
        raise NotFound
    command = CreateOrder(
        order_no=new_order_no(),
        event_id=offer.event_id,
        ticket_type_id=course_id,
        user_id=request.user.user_id,
        quantity=1,
        payment_channel=_untold_provider(house),
        trace_ctx=trace_context(),
    )
    sale = await house.checkout.buy(command)
    if sale.order_id is None:
        return given_course(offer, request.user.user_id)
    order = sale.order or await house.actor.load(sale.order_id)
    mark_order(order)
    return course_order(order, datetime.now(UTC))


@post(
    ["/api/order/reqiure-to-pay", "/api/order/require-to-pay"],
    status_code=200,
    responses=documented(401, 404, 409, 413, 415, 422),
)
async def require_to_pay(request: Visitor, data: JSONBody[wire.RequireToPay]) -> wire.CourseCharge:
    """Open what an order of your own is paid with, or find it open.

    Another channel than before is another charge, and the one before is closed.
    """
    house, seen = house_of(request), await _own(request, data.order_id)
    charge = await house.cashier.charge(
        seen, payment_channel=data.payment_channel, channel=data.channel
    )
    mark_order(charge.order)
    return course_charge(charge, await _evidence(house, charge.order))


@post("/api/order/query-order", status_code=200, responses=documented(401, 404, 413, 415))
async def query_course_order(request: Visitor, data: JSONBody[wire.NamedOrder]) -> wire.CourseOrder:
    """Tell how an order of your own stands; ask as often as you like."""
    seen = await _own(request, data.order_id)
    mark_order(seen.order)
    return course_order(seen.order, seen.now)


@post(
    "/api/order/apply-discount",
    status_code=200,
    responses=documented(401, 404, 409, 413, 415, 422),
)
async def apply_discount(request: Visitor, data: JSONBody[wire.ApplyDiscount]) -> wire.CourseOrder:
    """Lower the price of an order of your own that waits to be paid.

    What was opened for the old price is closed; require to pay again.
    """
    seen = await _own(request, data.order_id)
    order = await house_of(request).checkout.apply_coupon(seen.order.id, data.discount_code)
    mark_order(order)
    return course_order(order, datetime.now(UTC))


@post("/api/order/payment-detail", status_code=200, responses=documented(401, 404, 413, 415))
async def get_payment_detail(
    request: Visitor, data: JSONBody[wire.NamedOrder]
) -> wire.PaymentDetail:
    """Tell what is known of the payment of an order of your own, with what its provider sent."""
    seen = await _own(request, data.order_id)
    mark_order(seen.order)
    return payment_detail(seen.order, await _evidence(house_of(request), seen.order))


@post("/api/order/stripe/sync", status_code=200, responses=documented(401, 404, 413, 415))
async def sync_stripe_payment(
    request: Visitor, data: JSONBody[wire.SyncStripe]
) -> wire.PaymentDetail:
    """Have Stripe asked what became of an order of your own; only its answer settles anything."""
    house, seen = house_of(request), await _own(request, data.order_id)
    order = await house.cashier.sync(seen.order, data.session_id)
    mark_order(order)
    return payment_detail(order, await _evidence(house, order))


async def _own(request: Visitor, reference: int | str) -> Seen:
    find = finder_of(_COURSE)
    return await find(house_of(request).own_orders, request.user.user_id, str(reference))


def _untold_provider(house: House) -> str:
    is_offered = FALLBACK in house.payers.offers
    return FALLBACK if is_offered else house.settings.payment_provider


async def _evidence(house: House, order: Order) -> list[KeptEvidence]:
    return await latest_evidence(house.database, [one.attempt_no for one in order.attempts])
