"""What may be asked of an order."""

from typing import TypeAlias

import msgspec

from contracts.attempt import Confirmation, Opened
from contracts.facts import AttemptFact, PaymentSucceeded, RefundMoved
from contracts.money import Money
from contracts.order import Order
from contracts.states import Channel


class AttemptWords(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt is to be: the same words find the same attempt again.

    So does the key of a *confirmation*, whatever has become of that attempt and its order.
    *agreed* is what the payer means to pay, where they said so.
    """

    provider: str
    channel: Channel
    merchant_id: str
    appid: str
    notify_url: str
    openid: str | None = None
    confirmation: Confirmation | None = None
    return_url: str | None = None
    cancel_url: str | None = None
    agreed: Money | None = None


class CreateOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Take seats of one ticket type for a buyer; a free type makes a registration only.

    *order_no* is made by the caller before the insert, so that a repeat after a lost answer
    finds the order it already made. *body_hash* belongs to *idempotency_key*. With
    *first_attempt* the order comes with the right to open that attempt. *is_free* insists on a
    ticket without a price. *answers* are the buyer's to the organizer's questions.
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
    is_free: bool = False


class StartAttempt(AttemptWords, frozen=True, kw_only=True, tag="start_attempt"):
    """Claim the right to open an attempt on a channel, or find the one that is open."""

    order_id: int


class RecordOpened(msgspec.Struct, frozen=True, kw_only=True, tag="record_opened"):
    """The provider opened an attempt.

    *seen* is the order as its claimant itself committed it. Where nothing has moved since, that
    saves loading it; where something has, the order is loaded all the same.
    """

    order_id: int
    attempt_no: str
    opened: Opened
    seen: Order | None = None


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
    """The provider said of an attempt something else than that it took money."""

    order_id: int
    fact: AttemptFact
    notice_id: int | None = None


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


class RequestRefund(msgspec.Struct, frozen=True, kw_only=True, tag="request_refund"):
    """Send money of a paid order back; *amount_minor* None means all that is left.

    The named gift seats and places are freed when the money has gone back, all of them with a
    refund of all that is left. The same *idempotency_key* finds the same refund again. *again*
    names a refund that failed and whose money is asked for anew, of whichever payment it was.
    """

    order_id: int
    reason: str
    by_user_id: int
    amount_minor: int | None = None
    idempotency_key: str | None = None
    invite_ids: tuple[int, ...] = ()
    registration_ids: tuple[int, ...] = ()
    again: str | None = None


class MarkPaid(msgspec.Struct, frozen=True, kw_only=True, tag="mark_paid"):
    """Record that the money came past every provider. Safe to repeat."""

    order_id: int
    reason: str
    by_user_id: int


class RepairSettlement(msgspec.Struct, frozen=True, kw_only=True, tag="repair_settlement"):
    """Make an order what its honoured payment says it is. Safe to repeat."""

    order_id: int


class RedeemInvite(msgspec.Struct, frozen=True, kw_only=True, tag="redeem_invite"):
    """A guest takes a gift seat with a code of that *generation*; *answers* go with the place."""

    order_id: int
    invite_id: int
    generation: int
    user_id: int
    answers: dict[str, str] | None = None


class ReissueInvite(msgspec.Struct, frozen=True, kw_only=True, tag="reissue_invite"):
    """The buyer wants another code for a gift seat; the old one is worthless at once."""

    order_id: int
    invite_id: int


class DecidePlace(msgspec.Struct, frozen=True, kw_only=True, tag="decide_place"):
    """An organizer lets a person in, or does not. Repeating an answer changes nothing."""

    order_id: int
    registration_id: int
    approve: bool
    by_user_id: int


class ApplyCoupon(msgspec.Struct, frozen=True, kw_only=True, tag="apply_coupon"):
    """Lower the price of an order that waits; *code* is as the buyer wrote it.

    *unclosed* names attempts of the old price that their providers could not close just now: one
    that closes none, one that has not heard of the payer yet. Their money would go back.
    """

    order_id: int
    code: str
    unclosed: frozenset[str] = frozenset()


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
    | RequestRefund
    | MarkPaid
    | RepairSettlement
    | RedeemInvite
    | ReissueInvite
    | DecidePlace
    | ApplyCoupon
)
