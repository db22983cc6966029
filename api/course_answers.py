"""Orders and what pays them, as the course shop's clients read them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import asdict

from actors.cashier import Charge
from actors.pay_channels import STRIPE
from api.course_details import stripe_names, way_of
from contracts.attempt import ClientSecret, CodeToScan, PayerParameters, Redirect, SignedCall
from contracts.catalogue import Offer
from contracts.order import Attempt, Order
from contracts.states import Channel, OrderStatus
from contracts.wire import course_orders as wire
from contracts.wire.payments import JsapiParams
from models.evidence import KeptEvidence

_MINOR_PER_MAJOR: Final = 100
_INIT, _SUCCESS, _REFUND, _TO_BE_PAID, _TIMEOUT = 501, 502, 503, 504, 505
_DESCRIBED: Final = {
    _INIT: "New",
    _SUCCESS: "Paid",
    _REFUND: "Refunded",
    _TO_BE_PAID: "Waiting for payment",
    _TIMEOUT: "Out of time",
}
_OF_ORDER: Final = {
    OrderStatus.PAID: _SUCCESS,
    OrderStatus.REFUNDED: _REFUND,
    OrderStatus.CLOSING: _TIMEOUT,
    OrderStatus.EXPIRED: _TIMEOUT,
    OrderStatus.CANCELLED: _TIMEOUT,
}


def decimal(amount_minor: int) -> str:
    """Write an amount as this shop's clients read it: 19900 is 199.00."""
    whole, rest = divmod(amount_minor, _MINOR_PER_MAJOR)
    return f"{whole}.{rest:02d}"


def course_order(order: Order, now: datetime) -> wire.CourseOrder:
    """Describe how an order stands."""
    discount = order.coupon.discount_minor if order.coupon else 0
    full = decimal(order.total.amount_minor + discount)
    items = [_item(order.event_title, "Ticket", full)]
    if discount:
        items.append(_item("Coupon", "Discount", decimal(discount), is_discount=True))
    status = _status(order, now)
    return wire.CourseOrder(
        order_id=order.order_no,
        user_id=str(order.user_id),
        course_id=str(order.ticket_type_id),
        price=full,
        status=status,
        status_desc=_DESCRIBED[status],
        discount=decimal(discount),
        value_to_pay=decimal(order.total.amount_minor),
        price_item=tuple(items),
    )


def given_course(offer: Offer, user_id: int) -> wire.CourseOrder:
    """Describe a free course that somebody has now."""
    nothing = decimal(0)
    return wire.CourseOrder(
        order_id=None,
        user_id=str(user_id),
        course_id=str(offer.ticket_type_id),
        price=nothing,
        status=_SUCCESS,
        status_desc=_DESCRIBED[_SUCCESS],
        discount=nothing,
        value_to_pay=nothing,
        price_item=(_item(offer.event_title, "Ticket", nothing),),
    )


def course_charge(charge: Charge, evidence: Sequence[KeptEvidence]) -> wire.CourseCharge:
    """Describe what an order is paid with."""
    order, attempt = charge.order, charge.attempt
    provider, channel = way_of(order, attempt, charge.way)
    about: dict[str, Any] = {
        "order_id": order.order_no,
        "user_id": str(order.user_id),
        "price": decimal(order.total.amount_minor),
        "channel": channel,
        "qr_url": _shown(charge.parameters),
        "payment_channel": provider,
    }
    if provider == STRIPE:
        payload = _nothing_to_pay(channel)
        if attempt is not None:
            payload = _stripe_payload(attempt, charge.parameters, evidence)
        return wire.StripeCharge(payment_payload=payload, **about)
    return wire.ChannelCharge(payment_payload=_payload(channel, charge.parameters), **about)


def _status(order: Order, now: datetime) -> int:
    if order.status is OrderStatus.PENDING:
        if now >= order.expired_at:
            return _TIMEOUT
        return _TO_BE_PAID if order.attempts else _INIT
    return _OF_ORDER[order.status]


def _item(name: str, price_name: str, price: str, *, is_discount: bool = False) -> wire.PriceItem:
    return wire.PriceItem(name=name, price_name=price_name, price=price, is_discount=is_discount)


def _shown(parameters: PayerParameters | None) -> str:
    match parameters:
        case CodeToScan(code_url=code_url):
            return code_url
        case Redirect(url=url):
            return url
        case ClientSecret(client_secret=client_secret):
            # Where older pages look for it.
            return client_secret
        case _:
            return ""


def _payload(channel: str, parameters: PayerParameters | None) -> wire.ChargePayload:
    shown = _shown(parameters)
    match parameters:
        case None:
            return wire.ChargePayload(qr_url="", credential=None)
        case SignedCall():
            call = JsapiParams(**asdict(parameters))
            return wire.ChargePayload(qr_url="", credential={channel: call})
        case _:
            is_redirect = isinstance(parameters, Redirect)
            return wire.ChargePayload(
                qr_url=shown,
                credential={channel: shown},
                redirect_url=shown if is_redirect else UNSET,
            )


def _nothing_to_pay(channel: str) -> wire.StripePayload:
    return wire.StripePayload(
        mode=_mode(is_session=channel == Channel.STRIPE_CHECKOUT),
        client_secret=None,
        checkout_session_url=None,
        checkout_session_id=None,
        payment_intent_id=None,
        latest_charge_id=None,
    )


def _mode(*, is_session: bool) -> str:
    return "checkout_session" if is_session else "payment_intent"


def _stripe_payload(
    attempt: Attempt, parameters: PayerParameters | None, evidence: Sequence[KeptEvidence]
) -> wire.StripePayload:
    is_session = attempt.request.channel is Channel.STRIPE_CHECKOUT
    names = stripe_names(attempt, evidence)
    secret = parameters.client_secret if isinstance(parameters, ClientSecret) else None
    return wire.StripePayload(
        mode=_mode(is_session=is_session),
        client_secret=secret,
        checkout_session_url=parameters.url if isinstance(parameters, Redirect) else None,
        checkout_session_id=names.checkout_session_id,
        payment_intent_id=names.payment_intent_id,
        latest_charge_id=names.latest_charge_id,
    )
