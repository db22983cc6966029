"""The doors of the course shop, in its clients' own words.

Here alone prices are decimal text, and an order's ``order_id`` is its number.
"""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.wire.fields import Id, ShortText
from contracts.wire.payments import JsapiParams

_NAME_MAX = 64
# As a session of Stripe's is called, and some more.
_SESSION_MAX = 255

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=_NAME_MAX)]
Digits: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,16}$(?!\n)")]
Price: TypeAlias = Annotated[str, Meta(description="Decimal, such as 199.00")]


class InitOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to buy: a ticket type's id, as a number or in digits."""

    course_id: Id | Digits


class RequireToPay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which order is to be paid, and how: *payment_channel* names a provider.

    *channel* names one of its channels, alone or behind the provider's name and a colon.
    """

    order_id: Id | Name
    payment_channel: Name | None = None
    channel: Name | None = None


class NamedOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which order: its number, or its id."""

    order_id: Id | Name


class ApplyDiscount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which coupon to use for which order."""

    discount_code: ShortText
    order_id: Id | Name


class SyncStripe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which order to ask Stripe about; *session_id* as the page that came back has it."""

    order_id: Id | Name
    session_id: Annotated[str, Meta(min_length=1, max_length=_SESSION_MAX)] | None = None


class PriceItem(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a price."""

    name: str
    price_name: str
    price: Price
    is_discount: bool


class CourseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands; without an *order_id* where the course is free and simply given."""

    order_id: str | None
    user_id: str
    course_id: str
    price: Price
    status: Annotated[
        int,
        Meta(description="501 new, 502 paid, 503 refunded, 504 waits to be paid, 505 out of time"),
    ]
    status_desc: str
    discount: Price
    value_to_pay: Price
    price_item: tuple[PriceItem, ...]


class StripePayload(msgspec.Struct, frozen=True, kw_only=True):
    """What Stripe's page needs; null where there is none, or none yet."""

    mode: Annotated[str, Meta(description="payment_intent or checkout_session")]
    client_secret: str | None
    checkout_session_url: str | None
    checkout_session_id: str | None
    payment_intent_id: str | None
    latest_charge_id: str | None


class ChargePayload(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody else is paid with; *credential* holds it under the channel's name."""

    qr_url: str
    credential: dict[str, str | JsapiParams] | None
    redirect_url: str | UnsetType = UNSET


class _Charge(msgspec.Struct, frozen=True, kw_only=True):
    order_id: str
    user_id: str
    price: Price
    channel: str
    qr_url: Annotated[str, Meta(description="A code to show, or an address to go to")]
    payment_channel: str


class StripeCharge(_Charge, frozen=True, kw_only=True):
    """What an order is paid with at Stripe; with nothing left to pay, *qr_url* is empty."""

    payment_payload: StripePayload


class ChannelCharge(_Charge, frozen=True, kw_only=True):
    """What an order is paid with elsewhere; with nothing left to pay, *qr_url* is empty."""

    payment_payload: ChargePayload


CourseCharge: TypeAlias = StripeCharge | ChannelCharge


_ChargeState: TypeAlias = Annotated[
    int, Meta(description="0 pending, 1 paid, 2 refunded, 3 closed, 4 refused")
]


class StripeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an order's payment at Stripe, with Stripe's objects as it sent them."""

    payment_channel: str
    course_id: str
    order_bid: str
    payment_intent_id: str | None
    checkout_session_id: str | None
    latest_charge_id: str | None
    status: _ChargeState
    receipt_url: str | None
    payment_method: str | None
    metadata: dict[str, Any] | None
    payment_intent_object: dict[str, Any] | None
    checkout_session_object: dict[str, Any] | None


class ChargeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an order's payment elsewhere, with the provider's object as it sent it."""

    payment_channel: str
    course_id: str
    order_bid: str
    charge_id: str | None
    transaction_no: str | None
    status: _ChargeState
    amount: Annotated[int, Meta(description="Minor units")]
    currency: str
    channel: str
    extra: dict[str, Any] | None
    charge_object: dict[str, Any] | None


PaymentDetail: TypeAlias = StripeDetail | ChargeDetail
