"""The doors to orders under an event."""

from datetime import datetime

import msgspec

from contracts.wire.fields import Answers, Id, Quantity, ShortText
from contracts.wire.payments import ClientContext


class CreateOrder(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What to buy; *prepare* false leaves opening the payment for later."""

    ticket_type_id: Id
    quantity: Quantity = 1
    coupon_code: ShortText | None = None
    client_context: ClientContext | None = None
    prepare: bool = True
    answers: Answers | None = None


class Registration(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One person's place."""

    id: int
    status: str


class FreeRegistration(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A free ticket: nothing to pay, so no order."""

    order_id: None
    registration: Registration


class OrderView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How an order stands; *registration* is the buyer's own place."""

    id: int
    order_no: str
    status: str
    payment_status: str
    last_payment_attempt_status: str | None
    refund_status: str | None
    channel: str | None
    quantity: int
    total_amount: int
    currency: str
    paid_at: datetime | None
    expired_at: datetime
    registration: Registration | None


class OrderPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some orders, newest first; ask again with *nextCursor* as `cursor` for more."""

    items: tuple[OrderView, ...]
    next_cursor: str | None


class OrderStatusOnly(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the order stands now."""

    status: str


class ProviderView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the order stands, and the provider's word for it."""

    status: str
    provider_status: str | None
