"""What has become true of an order."""

from datetime import datetime
from typing import TypeAlias

import msgspec

from contracts.attempt import Opened
from contracts.facts import PaymentSucceeded
from contracts.money import Money
from contracts.order import Attempt, Payment, Refund
from contracts.states import ClosingReason, RefundStatus


class AttemptStarted(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_started"):
    """An attempt's number and words are committed; its opener may call the provider."""

    attempt: Attempt


class AttemptReclaimed(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_reclaimed"):
    """Another opener takes over an attempt whose opener is gone."""

    attempt_no: str
    claim_until: datetime


class AttemptOpened(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_opened"):
    """The payer can pay."""

    attempt_no: str
    opened: Opened
    at: datetime


class AttemptRefused(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_refused"):
    """The provider will never open this number."""

    attempt_no: str


class AttemptOutcomeLost(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_outcome_lost"):
    """Nobody knows whether the provider opened it; only a query can tell."""

    attempt_no: str


class AttemptDeclined(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_declined"):
    """The payer's first try that failed; they may try again."""

    attempt_no: str
    code: str


class AttemptCloseOwed(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_close_owed"):
    """The provider must be told to take no money for it."""

    attempt_no: str


class AttemptClosed(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_closed"):
    """The provider will never take money for it."""

    attempt_no: str


class OrderClosing(msgspec.Struct, frozen=True, kw_only=True, tag="order_closing"):
    """The order is on its way out; its seats wait until every attempt is closed."""

    reason: ClosingReason


class OrderExpired(msgspec.Struct, frozen=True, kw_only=True, tag="order_expired"):
    """Time was up and nobody can pay any more; the seats go back."""


class OrderCancelled(msgspec.Struct, frozen=True, kw_only=True, tag="order_cancelled"):
    """The buyer left and nobody can pay any more; the seats go back."""


class OrderPaid(msgspec.Struct, frozen=True, kw_only=True, tag="order_paid"):
    """The one settlement; *late* when the seats had gone back and were taken again.

    A settlement by hand says who recorded it, and why.
    """

    payment: Payment
    late: bool = False
    reason: str | None = None
    by_user_id: int | None = None


class SettlementRepaired(msgspec.Struct, frozen=True, kw_only=True, tag="settlement_repaired"):
    """The order kept *payment* before, and is paid by it only now."""

    payment: Payment


class OrderRefunded(msgspec.Struct, frozen=True, kw_only=True, tag="order_refunded"):
    """All of the settlement has gone back; seats and places go with it.

    Where there was no money to send back it says who ended the order, and why.
    """

    reason: str | None = None
    by_user_id: int | None = None


class OrderRefundReturned(msgspec.Struct, frozen=True, kw_only=True, tag="order_refund_returned"):
    """Money that had ended the order is ours again; seats and places stay gone."""


class SurplusReceived(msgspec.Struct, frozen=True, kw_only=True, tag="surplus_received"):
    """Verified money the order cannot keep; *refund* sends all of it back."""

    payment: Payment
    refund: Refund


class PaymentQuarantined(msgspec.Struct, frozen=True, kw_only=True, tag="payment_quarantined"):
    """Verified money that contradicts its attempt; a person must decide."""

    fact: PaymentSucceeded
    reason: str


class RefundAdvanced(msgspec.Struct, frozen=True, kw_only=True, tag="refund_advanced"):
    """A refund's status moved on."""

    refund_no: str
    status: RefundStatus
    provider_refund_id: str | None = None


class RefundRequested(msgspec.Struct, frozen=True, kw_only=True, tag="refund_requested"):
    """Money is owed back under a new number; the named seats are nobody's to use meanwhile."""

    refund: Refund
    invite_ids: tuple[int, ...] = ()
    registration_ids: tuple[int, ...] = ()
    by_user_id: int | None = None


class ExternalRefund(msgspec.Struct, frozen=True, kw_only=True, tag="external_refund"):
    """Money went back that nobody here sent back."""

    refund: Refund


class DisputeMoved(msgspec.Struct, frozen=True, kw_only=True, tag="dispute_moved"):
    """A payer's bank wants money back, has it, or has given up; *refund* is how it stands."""

    refund: Refund


class RefundStuck(msgspec.Struct, frozen=True, kw_only=True, tag="refund_stuck"):
    """A refund will not move by itself; a person must act.

    *is_refusal* where the provider would not make it, which is no word about one that was made.
    """

    refund_no: str
    reason: str
    is_refusal: bool = False


class InviteRedeemed(msgspec.Struct, frozen=True, kw_only=True, tag="invite_redeemed"):
    """A guest took a gift seat and has a place for it."""

    position: int
    generation: int
    user_id: int
    at: datetime


class InviteReissued(msgspec.Struct, frozen=True, kw_only=True, tag="invite_reissued"):
    """A gift seat has a new code; codes of earlier generations are worthless."""

    position: int
    generation: int


class PlaceApproved(msgspec.Struct, frozen=True, kw_only=True, tag="place_approved"):
    """An organizer let a person in."""

    registration_id: int
    by_user_id: int


class PlaceRejected(msgspec.Struct, frozen=True, kw_only=True, tag="place_rejected"):
    """An organizer did not let a person in; a guest's seat goes back to the buyer as a gift."""

    registration_id: int
    by_user_id: int


class CouponApplied(msgspec.Struct, frozen=True, kw_only=True, tag="coupon_applied"):
    """A coupon lowered the price; *total* is what is left to pay."""

    coupon_id: int
    code: str
    discount_minor: int
    total: Money


OrderEvent: TypeAlias = (
    AttemptStarted
    | AttemptReclaimed
    | AttemptOpened
    | AttemptRefused
    | AttemptOutcomeLost
    | AttemptDeclined
    | AttemptCloseOwed
    | AttemptClosed
    | OrderClosing
    | OrderExpired
    | OrderCancelled
    | OrderPaid
    | SettlementRepaired
    | OrderRefunded
    | OrderRefundReturned
    | SurplusReceived
    | PaymentQuarantined
    | RefundAdvanced
    | RefundRequested
    | RefundStuck
    | ExternalRefund
    | DisputeMoved
    | InviteRedeemed
    | InviteReissued
    | PlaceApproved
    | PlaceRejected
    | CouponApplied
)
