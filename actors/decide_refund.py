"""What becomes of money on its way back. Pure."""

from msgspec.structs import replace

from actors.decide_payment import SURPLUS_REASON
from actors.decide_places import REJECTED_REASON
from actors.evolve import case_subject_of, evolve
from contracts.commands import RecordRefundRefused
from contracts.events import (
    OrderEvent,
    OrderRefunded,
    RefundAdvanced,
    RefundRequested,
    RefundStuck,
)
from contracts.facts import RefundMoved, RefundOutcome
from contracts.numbers import refund_no
from contracts.order import Order, Refund
from contracts.states import REFUNDS_UNDER_WAY, OrderStatus, PaymentStatus, RefundStatus

# A refund that its provider closes again and again needs a person, not another number.
MAX_NUMBERS = 5
# We owe these whether anybody asks or not: they name why in their key.
_OWED_ANYWAY = (f"{SURPLUS_REASON}:", f"{REJECTED_REASON}:")


def record_refund(order: Order, fact: RefundMoved) -> list[OrderEvent]:
    """Move a refund on. Success absorbs everything, whatever arrives after or before it."""
    refund = order.refund(fact.refund_no)
    if refund is None:
        return _stuck(order, fact.refund_no, "not_ours")
    if fact.refunded != refund.amount:
        return _stuck(order, fact.refund_no, "amount")
    match fact.outcome:
        case RefundOutcome.PROCESSING:
            return _processing(refund, fact)
        case RefundOutcome.SUCCESS:
            return _succeeded(order, refund, fact)
        case RefundOutcome.CLOSED:
            return _closed(order, refund, fact)
        case RefundOutcome.ABNORMAL:
            return _abnormal(order, refund)


def record_refund_refused(order: Order, command: RecordRefundRefused) -> list[OrderEvent]:
    """Give up a refund its provider will never make, and tell a person."""
    refund = order.refund(command.refund_no)
    if refund is None or refund.status not in REFUNDS_UNDER_WAY:
        return []
    failed = RefundAdvanced(refund_no=refund.refund_no, status=RefundStatus.FAILED)
    return [failed, *_stuck(order, refund.refund_no, command.code)]


def _processing(refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    if refund.status is not RefundStatus.REQUESTED:
        return []
    return [_advanced(fact, RefundStatus.PROCESSING)]


def _succeeded(order: Order, refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    if refund.status is RefundStatus.SUCCEEDED:
        return []
    if (
        refund.status is RefundStatus.FAILED
        and _left_minor(order, refund) < refund.amount.amount_minor
    ):
        # It was closed, and another number took its place: both cannot be.
        return _stuck(order, refund.refund_no, "contradiction")
    advanced = _advanced(fact, RefundStatus.SUCCEEDED)
    after = evolve(order, advanced)
    if after.status is OrderStatus.PAID and after.payment_status is PaymentStatus.REFUNDED:
        return [advanced, OrderRefunded()]
    return [advanced]


def _left_minor(order: Order, refund: Refund) -> int:
    """Count what refunds that are not failed leave of the payment."""
    paid = next(p.paid for p in order.payments if p.provider_txn_id == refund.provider_txn_id)
    return paid.amount_minor - sum(
        other.amount.amount_minor
        for other in order.refunds
        if other.provider_txn_id == refund.provider_txn_id
        and other.status is not RefundStatus.FAILED
    )


def _closed(order: Order, refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    if refund.status not in REFUNDS_UNDER_WAY:
        return []
    failed = _advanced(fact, RefundStatus.FAILED)
    if not refund.idempotency_key.startswith(_OWED_ANYWAY):
        return [failed]
    # Nobody asked for the money, so nobody will ask again: the duty goes on under a new number.
    numbers = sum(1 for other in order.refunds if other.attempt_no == refund.attempt_no)
    if numbers >= MAX_NUMBERS:
        return [failed, *_stuck(order, refund.refund_no, "closed_repeatedly")]
    again = replace(
        refund,
        refund_no=refund_no(refund.attempt_no, numbers + 1),
        status=RefundStatus.REQUESTED,
        provider_refund_id=None,
        idempotency_key=f"{refund.idempotency_key.partition('#')[0]}#{numbers + 1}",
    )
    return [failed, _requested_again(order, refund, again)]


def _requested_again(order: Order, refund: Refund, again: Refund) -> RefundRequested:
    number = refund.refund_no
    return RefundRequested(
        refund=again,
        invite_ids=tuple(i.id for i in order.invites if i.id and i.refund_no == number),
        registration_ids=tuple(r.id for r in order.registrations if r.id and r.refund_no == number),
    )


def _abnormal(order: Order, refund: Refund) -> list[OrderEvent]:
    if refund.status not in REFUNDS_UNDER_WAY:
        return []
    return _stuck(order, refund.refund_no, "abnormal")


def _stuck(order: Order, number: str, reason: str) -> list[OrderEvent]:
    event = RefundStuck(refund_no=number, reason=reason)
    return [] if case_subject_of(event) in order.case_subjects else [event]


def _advanced(fact: RefundMoved, status: RefundStatus) -> RefundAdvanced:
    return RefundAdvanced(
        refund_no=fact.refund_no, status=status, provider_refund_id=fact.provider_refund_id
    )
