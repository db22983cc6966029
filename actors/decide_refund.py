"""What becomes of money on its way back. Pure.

A card's bank may send back days later what had gone through. Notices come in any order, and seats
that went with the money do not come back: so success absorbs failure whichever is told first, and
where a provider says both a person is asked, for the buyer may be without the money.
"""

from msgspec.structs import replace

from actors.decide_payment import SURPLUS_REASON
from actors.decide_places import REJECTED_REASON, refund_of_rejected
from actors.evolve import (
    FAILED_AFTER_SUCCESS,
    REFUNDED_TWICE,
    case_subject_of,
    evolve,
    evolve_all,
)
from actors.refund_marks import marked_by
from actors.refund_numbers import next_refund_no, stem_of
from contracts.commands import RecordRefundRefused
from contracts.events import (
    ExternalRefund,
    OrderEvent,
    OrderRefunded,
    RefundAdvanced,
    RefundRequested,
    RefundStuck,
)
from contracts.facts import RefundMoved, RefundOutcome
from contracts.order import Order, Payment, Refund
from contracts.states import (
    REFUNDS_UNDER_WAY,
    OrderStatus,
    PaymentStatus,
    RefundKind,
    RefundStatus,
)

# A refund that its provider closes again and again needs a person, not another number.
MAX_NUMBERS = 5
EXTERNAL_REASON = "external"
# We owe these whether anybody asks or not: they name why in their key.
_OWED_ANYWAY = (f"{SURPLUS_REASON}:", f"{REJECTED_REASON}:")


def record_refund(order: Order, fact: RefundMoved) -> list[OrderEvent]:
    """Move a refund on. Success absorbs everything, whatever arrives after or before it."""
    refund = order.refund(fact.refund_no)
    if refund is None:
        return _not_ours(order, fact)
    if fact.refunded != refund.amount:
        return [*_processing(refund, fact), *_stuck(order, fact.refund_no, "amount")]
    if _names_another(refund, fact):
        return _made_twice(order, refund, fact)
    return _moved(order, refund, fact)


def _moved(order: Order, refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    match fact.outcome:
        case RefundOutcome.PROCESSING:
            return _processing(refund, fact)
        case RefundOutcome.SUCCESS:
            return _succeeded(order, refund, fact)
        case RefundOutcome.CLOSED:
            return _closed(order, refund, fact)
        case RefundOutcome.ABNORMAL:
            return _abnormal(order, refund, fact)


def record_refund_refused(order: Order, command: RecordRefundRefused) -> list[OrderEvent]:
    """Give up a refund its provider will never make, and tell a person."""
    refund = order.refund(command.refund_no)
    if refund is None or refund.status not in REFUNDS_UNDER_WAY:
        return []
    failed = RefundAdvanced(refund_no=refund.refund_no, status=RefundStatus.FAILED)
    stuck = _stuck(order, refund.refund_no, command.code)
    if refund.idempotency_key.startswith(_OWED_ANYWAY):
        return [failed, *stuck]
    return [failed, *stuck, *refund_of_rejected(evolve(order, failed))]


def with_end(order: Order, events: list[OrderEvent]) -> list[OrderEvent]:
    """End a paid order with the event that sends the last of its money back."""
    after = evolve_all(order, events)
    if after.status is OrderStatus.PAID and after.payment_status is PaymentStatus.REFUNDED:
        return [*events, OrderRefunded()]
    return events


def _not_ours(order: Order, fact: RefundMoved) -> list[OrderEvent]:
    """Believe the provider that money went back, as far as there is money, and ask a person."""
    if fact.outcome is RefundOutcome.PROCESSING:
        return []
    stuck = _stuck(order, fact.refund_no, "not_ours")
    payment = _payment_with_room(order, fact)
    if fact.outcome is not RefundOutcome.SUCCESS or payment is None:
        return stuck
    return with_end(order, [ExternalRefund(refund=_external(fact, payment)), *stuck])


def _payment_with_room(order: Order, fact: RefundMoved) -> Payment | None:
    return next(
        (
            payment
            for payment in order.payments
            if (payment.provider, payment.attempt_no) == (fact.provider, fact.attempt_no)
            and payment.paid.currency == fact.refunded.currency
            and fact.refunded.amount_minor <= order.left_minor(payment)
        ),
        None,
    )


def _external(fact: RefundMoved, payment: Payment) -> Refund:
    return Refund(
        refund_no=fact.refund_no,
        provider=payment.provider,
        provider_txn_id=payment.provider_txn_id,
        attempt_no=payment.attempt_no,
        amount=fact.refunded,
        status=RefundStatus.SUCCEEDED,
        reason=EXTERNAL_REASON,
        idempotency_key=f"external:{fact.refund_no}",
        kind=RefundKind.EXTERNAL,
        provider_refund_id=fact.provider_refund_id,
    )


def _processing(refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    if refund.status is not RefundStatus.REQUESTED:
        return []
    return [_advanced(fact, RefundStatus.PROCESSING)]


def _succeeded(order: Order, refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    if refund.status is RefundStatus.SUCCEEDED:
        return []
    if refund.status is RefundStatus.FAILED and _has_no_room(order, refund):
        # It was closed, and another number took its place: both cannot be.
        return _stuck(order, refund.refund_no, "contradiction")
    succeeded = with_end(order, [_advanced(fact, RefundStatus.SUCCEEDED)])
    has_failed = refund.status is RefundStatus.FAILED
    return [*succeeded, *_failed_too(order, refund)] if has_failed else succeeded


def _failed_too(order: Order, refund: Refund) -> list[OrderEvent]:
    if refund.kind is not RefundKind.OURS:
        # Who made it at the console hears of it there.
        return []
    return _stuck(order, refund.refund_no, FAILED_AFTER_SUCCESS)


def _names_another(refund: Refund, fact: RefundMoved) -> bool:
    """Tell whether the provider calls it by two numbers; who names none contradicts none."""
    known, told = refund.provider_refund_id, fact.provider_refund_id
    return bool(known and told) and known != told


def _made_twice(order: Order, refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    # Of the second one only that it went through matters: the first speaks for itself.
    is_back = fact.outcome is RefundOutcome.SUCCESS and refund.status in REFUNDS_UNDER_WAY
    moved = _succeeded(order, refund, fact) if is_back else []
    return [*moved, *_stuck(order, refund.refund_no, REFUNDED_TWICE)]


def _has_no_room(order: Order, refund: Refund) -> bool:
    paid = order.payment_of(refund)
    return order.left_minor(paid) < refund.amount.amount_minor


def _closed(order: Order, refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    if refund.status is RefundStatus.FAILED:
        return []
    if refund.status is RefundStatus.SUCCEEDED:
        return _failed_too(order, refund)
    failed = _advanced(fact, RefundStatus.FAILED)
    if not refund.idempotency_key.startswith(_OWED_ANYWAY):
        # What this one leaves is owed all the same to a buyer who was not let in.
        return [failed, *refund_of_rejected(evolve(order, failed))]
    # Nobody asked for the money, so nobody will ask again: the duty goes on under a new number.
    stem = stem_of(refund)
    numbers = sum(stem_of(other) == stem for other in order.refunds)
    if numbers >= MAX_NUMBERS:
        return [failed, *_stuck(order, refund.refund_no, "closed_repeatedly")]
    again = replace(
        refund,
        refund_no=next_refund_no(order, refund.attempt_no),
        status=RefundStatus.REQUESTED,
        provider_refund_id=None,
        idempotency_key=f"{stem}#{numbers + 1}",
    )
    invite_ids, registration_ids = marked_by(order, refund.refund_no)
    anew = RefundRequested(refund=again, invite_ids=invite_ids, registration_ids=registration_ids)
    return [failed, anew]


def _abnormal(order: Order, refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    if refund.status is RefundStatus.FAILED:
        return []
    # The provider has it: later ones need not wait for it to be accepted.
    return [*_processing(refund, fact), *_stuck(order, refund.refund_no, "abnormal")]


def _stuck(order: Order, number: str, reason: str) -> list[OrderEvent]:
    event = RefundStuck(refund_no=number, reason=reason)
    return [] if case_subject_of(event) in order.case_subjects else [event]


def _advanced(fact: RefundMoved, status: RefundStatus) -> RefundAdvanced:
    return RefundAdvanced(
        refund_no=fact.refund_no, status=status, provider_refund_id=fact.provider_refund_id
    )
