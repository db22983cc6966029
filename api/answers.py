"""Answers about orders, built in one place: create, its repeat, and pending say the same."""

from collections.abc import Mapping
from typing import Any

from litestar import Response
from msgspec import UNSET
from msgspec.structs import asdict

from contracts import coupons
from contracts.attempt import ClientSecret, CodeToScan, PayerParameters, Redirect, SignedCall
from contracts.errors import InvalidState
from contracts.order import Order
from contracts.states import Channel, OrderStatus
from contracts.wire.coupons import Coupon, DiscountedOrder
from contracts.wire.intents import ActionData
from contracts.wire.orders import (
    FreeRegistration,
    OrderPage,
    OrderStatusOnly,
    OrderView,
    Registration,
)
from contracts.wire.payments import (
    BridgeOrderToPay,
    BridgePayload,
    ChannelOrderToPay,
    JsapiOrderToPay,
    JsapiParams,
    JsapiPayload,
    NativeOrderToPay,
    NativePayload,
    OrderToPay,
    OrderWithoutChannel,
    PrepareError,
    RequestPaymentParams,
)
from models.order_views import OrderOverview, Place

_ANSWER_BY: Mapping[Channel, type[ChannelOrderToPay]] = {
    Channel.WECHAT_NATIVE: NativeOrderToPay,
    Channel.WECHAT_JSAPI: JsapiOrderToPay,
    Channel.MINIPROGRAM_BRIDGE: BridgeOrderToPay,
}
_ENDED_BY_CANCEL = {OrderStatus.CANCELLED: 200, OrderStatus.CLOSING: 202}


def order_to_pay(
    order: Order,
    channel: Channel | None,
    parameters: PayerParameters | None,
    *,
    is_existing: bool,
    legacy: bool,
    prepare_error: str | None = None,
) -> OrderToPay:
    """Describe an order to who pays it by *channel*; *legacy* repeats what older clients read.

    Without *parameters* there is nothing to pay with yet.
    """
    about: dict[str, Any] = {
        "order_id": order.id,
        "order_no": order.order_no,
        "status": order.status.value,
        "quantity": order.quantity,
        "total_amount": order.total.amount_minor,
        "currency": order.total.currency,
        "expired_at": order.expired_at,
        "is_existing": is_existing,
        "prepare_error": UNSET if prepare_error is None else PrepareError(code=prepare_error),
    }
    match channel, parameters:
        case None, _:
            return OrderWithoutChannel(**about)
        case Channel.WECHAT_NATIVE, CodeToScan(code_url=code_url):
            return NativeOrderToPay(
                pay_payload=NativePayload(code_url=code_url),
                code_url=code_url if legacy else UNSET,
                **about,
            )
        case Channel.WECHAT_JSAPI, SignedCall() as call:
            params = JsapiParams(**asdict(call))
            return JsapiOrderToPay(
                pay_payload=JsapiPayload(jsapi_params=params),
                jsapi_params=params if legacy else UNSET,
                **about,
            )
        case Channel.MINIPROGRAM_BRIDGE, SignedCall() as call:
            return BridgeOrderToPay(
                pay_payload=BridgePayload(
                    request_payment_params=request_payment_params(order.order_no, call)
                ),
                jsapi_params=JsapiParams(**asdict(call)) if legacy else UNSET,
                **about,
            )
        case _:
            return _ANSWER_BY[channel](pay_payload=None, **about)


def action_data(order_no: str, channel: Channel, parameters: PayerParameters) -> ActionData:
    """Describe what a payer's client goes on with, whatever else is said of the order."""
    match parameters:
        case CodeToScan(code_url=code_url):
            return ActionData(code_url=code_url)
        case SignedCall() if channel is Channel.MINIPROGRAM_BRIDGE:
            return ActionData(request_payment_params=request_payment_params(order_no, parameters))
        case SignedCall():
            return ActionData(jsapi_params=JsapiParams(**asdict(parameters)))
        case Redirect(url=url):
            return ActionData(redirect_url=url)
        case ClientSecret(client_secret=client_secret):
            return ActionData(client_secret=client_secret)


def request_payment_params(order_no: str, call: SignedCall) -> RequestPaymentParams:
    """Write down what the Mini Program hands to wx.requestPayment."""
    return RequestPaymentParams(order_no=order_no, **asdict(call))


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


def discounted(found: OrderOverview, order: Order) -> DiscountedOrder:
    """Describe how an order stands after a coupon."""
    assert order.coupon is not None
    view = {name: getattr(order_view(found), name) for name in OrderView.__struct_fields__}
    return DiscountedOrder(**view, discount_amount=order.coupon.discount_minor)


def coupon(found: coupons.Coupon) -> Coupon:
    """Describe a coupon to who manages it."""
    fields = asdict(found) | {"kind": found.kind.value.lower()}
    return Coupon(**fields)


def cancelled(order: Order) -> Response[OrderStatusOnly]:
    """Say how far a cancel has come.

    :raises InvalidState: the order ended another way.
    """
    if order.status not in _ENDED_BY_CANCEL:
        raise InvalidState(orderStatus=order.status.value)
    content = OrderStatusOnly(status=order.status.value)
    return Response(content, status_code=_ENDED_BY_CANCEL[order.status])
