"""What a provider said, verified: from a signed notice, our own query, or a bill row."""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from contracts.money import Money
from contracts.states import RefundKind


class FactSource(StrEnum):
    """How we came to know."""

    NOTICE = "notice"
    QUERY = "query"
    BILL = "bill"
    MANUAL = "manual"
    FREE = "free"  # a coupon left nothing to pay


class PaymentSucceeded(msgspec.Struct, frozen=True, kw_only=True, tag="payment_succeeded"):
    """Money moved to the merchant."""

    provider: str
    attempt_no: str
    provider_txn_id: str
    paid: Money
    merchant_id: str
    appid: str
    paid_at: datetime
    source: FactSource


class PaymentNotPaid(msgspec.Struct, frozen=True, kw_only=True, tag="payment_not_paid"):
    """The provider knows the attempt and had taken no money when it was asked."""

    provider: str
    attempt_no: str
    asked_at: datetime


class AttemptNotFound(msgspec.Struct, frozen=True, kw_only=True, tag="attempt_not_found"):
    """The provider had never heard of the attempt when it was asked."""

    provider: str
    attempt_no: str
    asked_at: datetime


class AttemptClosedAtProvider(
    msgspec.Struct, frozen=True, kw_only=True, tag="attempt_closed_at_provider"
):
    """The provider will never take money for the attempt."""

    provider: str
    attempt_no: str


class PaymentFailed(msgspec.Struct, frozen=True, kw_only=True, tag="payment_failed"):
    """The provider tried and took no money; of this attempt nothing more will come."""

    provider: str
    attempt_no: str
    code: str


class PaymentDeclined(msgspec.Struct, frozen=True, kw_only=True, tag="payment_declined"):
    """A try of the payer's failed; the attempt takes another one, as long as it is open."""

    provider: str
    attempt_no: str
    code: str


class PayerAwaited(msgspec.Struct, frozen=True, kw_only=True, tag="payer_awaited"):
    """The provider goes on with an attempt when its payer has done something."""

    provider: str
    attempt_no: str


class RefundOutcome(StrEnum):
    """What a provider says of a refund."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"  # final, nothing moved: the next try needs a new number
    ABNORMAL = "ABNORMAL"  # stuck at the payer's bank; a person must act


class RefundMoved(msgspec.Struct, frozen=True, kw_only=True, tag="refund_moved"):
    """A refund's state at the provider.

    Without an *attempt_no* its provider knows only *provider_txn_id*, the payment it belongs to.
    """

    provider: str
    attempt_no: str
    refund_no: str
    provider_refund_id: str
    refunded: Money
    outcome: RefundOutcome
    source: FactSource
    kind: RefundKind = RefundKind.OURS
    provider_txn_id: str | None = None


class RefundSpotted(msgspec.Struct, frozen=True, kw_only=True, tag="refund_spotted"):
    """Word of a refund that says too little of it: its provider must be asked."""

    provider: str
    attempt_no: str
    refund_no: str
    provider_txn_id: str


_NAMELESS = "attempt:"


def nameless_txn(attempt_no: str) -> str:
    """Name a payment whose provider told no number of its own for it."""
    return f"{_NAMELESS}{attempt_no}"


def is_nameless(provider_txn_id: str) -> bool:
    """Tell whether the number is ours, for want of the provider's."""
    return provider_txn_id.startswith(_NAMELESS)


QueryFact: TypeAlias = PaymentSucceeded | PaymentNotPaid | AttemptNotFound | AttemptClosedAtProvider
AttemptFact: TypeAlias = (
    PaymentNotPaid
    | AttemptNotFound
    | AttemptClosedAtProvider
    | PaymentFailed
    | PaymentDeclined
    | PayerAwaited
)
WholeFact: TypeAlias = QueryFact | RefundMoved | PaymentFailed | PaymentDeclined | PayerAwaited
Fact: TypeAlias = WholeFact | RefundSpotted
