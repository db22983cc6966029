"""Answers about orders, built in one place: create, its repeat, and pending say the same."""

from collections.abc import Mapping

from litestar import Response
from msgspec import UNSET

from contracts.errors import InvalidState
from contracts.order import Order
from contracts.states import Channel, OrderStatus
from contracts.wire.orders import (
    FreeRegistration,
    OrderPage,
    OrderStatusOnly,
    OrderToPay,
    OrderView,
    PrepareError,
    Registration,
)
from models.order_views import OrderOverview, Place

# The bridge pays by JSAPI inside the shell, and is recorded as that.
_METHODS: Mapping[str, str] = {
    Channel.WECHAT_NATIVE: "WECHAT_NATIVE",
    Channel.WECHAT_JSAPI: "WECHAT_JSAPI",
    Channel.MINIPROGRAM_BRIDGE: "WECHAT_JSAPI",
}
_ENDED_BY_CANCEL = {OrderStatus.CANCELLED: 200, OrderStatus.CLOSING: 202}


def order_to_pay(
    order: Order,
    *,
    channel: Channel | None,
    is_existing: bool,
    legacy: bool,
    prepare_error: str | None = None,
) -> OrderToPay:
    """Describe an order to who pays it by *channel*; *legacy* repeats what older clients read."""
    code_url = _code_url(order)
    return OrderToPay(
        order_id=order.id,
        order_no=order.order_no,
        status=order.status.value,
        payment_method=None if channel is None else _METHODS[channel],
        quantity=order.quantity,
        total_amount=order.total.amount_minor,
        currency=order.total.currency,
        expired_at=order.expired_at,
        channel=None if channel is None else channel.value,
        pay_payload=None if code_url is None else {"codeUrl": code_url},
        is_existing=is_existing,
        prepare_error=UNSET if prepare_error is None else PrepareError(code=prepare_error),
        code_url=code_url if legacy and code_url is not None else UNSET,
    )


def free_registration(place: Place) -> FreeRegistration:
    """Describe a free place."""
    return FreeRegistration(
        order_id=None, registration=Registration(id=place.id, status=place.status)
    )


def order_view(order: OrderOverview) -> OrderView:
    """Describe how an order stands."""
    place = None
    if order.registration_id is not None and order.registration_status is not None:
        place = Registration(id=order.registration_id, status=order.registration_status)
    return OrderView(
        id=order.id,
        order_no=order.order_no,
        status=order.status,
        payment_status=order.payment_status,
        last_payment_attempt_status=order.last_payment_attempt_status,
        refund_status=order.refund_status,
        channel=order.channel,
        quantity=order.quantity,
        total_amount=order.total_minor,
        currency=order.currency,
        paid_at=order.paid_at,
        expired_at=order.expired_at,
        registration=place,
    )


def order_page(orders: list[OrderOverview], next_cursor: str | None) -> OrderPage:
    """Describe some orders."""
    return OrderPage(items=tuple(order_view(order) for order in orders), next_cursor=next_cursor)


def cancelled(order: Order) -> Response[OrderStatusOnly]:
    """Say how far a cancel has come.

    :raises InvalidState: the order ended another way.
    """
    if order.status not in _ENDED_BY_CANCEL:
        raise InvalidState(orderStatus=order.status.value)
    content = OrderStatusOnly(status=order.status.value)
    return Response(content, status_code=_ENDED_BY_CANCEL[order.status])


def _code_url(order: Order) -> str | None:
    attempt = order.current_attempt
    if order.status is not OrderStatus.PENDING or attempt is None or attempt.opened is None:
        return None
    return attempt.opened.code_url
