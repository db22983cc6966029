"""What may be asked of an order."""

from typing import TypeAlias

import msgspec

from contracts.attempt import Opened
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundMoved,
)
from contracts.states import Channel


class AttemptWords(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt is to be: the same words find the same attempt again."""

    provider: str
    channel: Channel
    merchant_id: str
    appid: str
    notify_url: str
    openid: str | None = None


class CreateOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Take seats of one ticket type for a buyer; a free type makes a registration only.

    *order_no* is made by the caller before the insert, so that a repeat after a lost answer
    finds the order it already made. *body_hash* belongs to *idempotency_key*. With
    *first_attempt* the order comes with the right to open that attempt. *answers* are the
    buyer's to the organizer's questions.
    """

    order_no: str
    event_id: int
    ticket_type_id: int
    user_id: int
    quantity: int
    payment_channel: str
    idempotency_key: str | None = None
    body_hash: str | None = None
    trace_ctx: str | None = None
    first_attempt: AttemptWords | None = None
    coupon_code: str | None = None
    answers: dict[str, str] | None = None


class StartAttempt(AttemptWords, frozen=True, kw_only=True, tag="start_attempt"):
    """Claim the right to open an attempt on a channel, or find the one that is open."""

    order_id: int


class RecordOpened(msgspec.Struct, frozen=True, kw_only=True, tag="record_opened"):
    """The provider opened an attempt."""

    order_id: int
    attempt_no: str
    opened: Opened


class RecordOpenFailed(msgspec.Struct, frozen=True, kw_only=True, tag="record_open_failed"):
    """The provider did not open an attempt; *burnt* means its number can never be used."""

    order_id: int
    attempt_no: str
    burnt: bool


class RecordPayment(msgspec.Struct, frozen=True, kw_only=True, tag="record_payment"):
    """Verified money arrived. Repeating a fact changes nothing."""

    order_id: int
    fact: PaymentSucceeded
    notice_id: int | None = None


class RecordAttempt(msgspec.Struct, frozen=True, kw_only=True, tag="record_attempt"):
    """The provider said of an attempt that no money was taken, or never will be."""

    order_id: int
    fact: PaymentNotPaid | AttemptNotFound | AttemptClosedAtProvider


class RecordRefund(msgspec.Struct, frozen=True, kw_only=True, tag="record_refund"):
    """A refund moved on at the provider."""

    order_id: int
    fact: RefundMoved
    notice_id: int | None = None


class RecordRefundRefused(msgspec.Struct, frozen=True, kw_only=True, tag="record_refund_refused"):
    """The provider gave a definite no to a refund."""

    order_id: int
    refund_no: str
    code: str


class Expire(msgspec.Struct, frozen=True, kw_only=True, tag="expire"):
    """Time is up, if it is."""

    order_id: int


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    """The buyer leaves."""

    order_id: int


class ApplyCoupon(msgspec.Struct, frozen=True, kw_only=True, tag="apply_coupon"):
    """Lower the price of an order that waits; *code* is as the buyer wrote it."""

    order_id: int
    code: str


OrderCommand: TypeAlias = (
    StartAttempt
    | RecordOpened
    | RecordOpenFailed
    | RecordPayment
    | RecordAttempt
    | RecordRefund
    | RecordRefundRefused
    | Expire
    | Cancel
    | ApplyCoupon
)
