"""What becomes of money on its way back. Pure.

A card's bank may send back days later what had gone through, and nothing goes through that failed.
Notices come in any order: so a refund of which its provider says both went and returned, whichever
is told first. The money is ours again, the seats that went with it do not come back, and a person
is asked, for the buyer may be without both.
"""

from msgspec.structs import replace

from actors.case_subjects import (
    FAILED_AFTER_SUCCESS,
    REFUNDED_TWICE,
    case_subject_of,
    refusal_subject,
)
from actors.decide_payment import SURPLUS_REASON
from actors.decide_places import REJECTED_REASON, refund_of_rejected
from actors.evolve import evolve, evolve_all
from actors.refund_marks import marked_by
from actors.refund_numbers import next_refund_no, stem_of
from actors.refunds_past_us import payment_with_room
from contracts.commands import RecordRefundRefused
from contracts.events import (
    ExternalRefund,
    OrderEvent,
    OrderRefunded,
    OrderRefundReturned,
    RefundAdvanced,
    RefundRequested,
    RefundStuck,
)
from contracts.facts import RefundMoved, RefundOutcome
from contracts.order import Order, Payment, Refund
from contracts.states import (
    REFUNDS_IN_VAIN,
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
_PAST_US = {
    RefundOutcome.SUCCESS: RefundStatus.SUCCEEDED,
    RefundOutcome.CLOSED: RefundStatus.FAILED,
}
_HAVE_GONE = frozenset({RefundStatus.SUCCEEDED, RefundStatus.RETURNED})


def record_refund(order: Order, fact: RefundMoved) -> list[OrderEvent]:
    """Move a refund on; where success and failure are told of it, it has returned for good."""
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
    refused = RefundStuck(refund_no=refund.refund_no, reason=command.code, is_refusal=True)
    stuck = _new(order, refused)
    if refund.idempotency_key.startswith(_OWED_ANYWAY):
        return [failed, *stuck]
    return [failed, *stuck, *refund_of_rejected(evolve(order, failed))]


def with_status(order: Order, events: list[OrderEvent]) -> list[OrderEvent]:
    """Have the order's status follow its money: all of it gone back, or not, or not any more."""
    after = evolve_all(order, events)
    is_back = after.payment_status is PaymentStatus.REFUNDED
    if after.status is OrderStatus.PAID and is_back:
        return [*events, OrderRefunded()]
    if after.status is OrderStatus.REFUNDED and not is_back:
        return [*events, OrderRefundReturned()]
    return events


def _not_ours(order: Order, fact: RefundMoved) -> list[OrderEvent]:
    """Believe the provider that money went back, as far as there is money, and ask a person."""
    if fact.outcome is RefundOutcome.PROCESSING:
        return []
    stuck = _stuck(order, fact.refund_no, "not_ours")
    status = _PAST_US.get(fact.outcome)
    if status is None:
        return stuck
    # One that failed took nothing; should it be said to have gone as well, it has returned.
    takes_minor = fact.refunded.amount_minor if status is RefundStatus.SUCCEEDED else 0
    payment = payment_with_room(order, fact, takes_minor=takes_minor)
    if payment is None:
        return stuck
    return with_status(order, [ExternalRefund(refund=_external(fact, payment, status)), *stuck])


def _external(fact: RefundMoved, payment: Payment, status: RefundStatus) -> Refund:
    return Refund(
        refund_no=fact.refund_no,
        provider=payment.provider,
        provider_txn_id=payment.provider_txn_id,
        attempt_no=payment.attempt_no,
        amount=fact.refunded,
        status=status,
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
    if refund.status in _HAVE_GONE:
        return []
    if refund.status is RefundStatus.FAILED and _has_no_room(order, refund):
        # It was closed, and another number took its place: both cannot be.
        return _stuck(order, refund.refund_no, "contradiction")
    succeeded = with_status(order, [_advanced(fact, RefundStatus.SUCCEEDED)])
    if refund.status is not RefundStatus.FAILED:
        return succeeded
    if refusal_subject(refund.refund_no) in order.case_subjects:
        # It was not made as far as its provider told us, and nobody has said that it came back.
        return [*succeeded, *_stuck(order, refund.refund_no, "contradiction")]
    # It went before it failed, though told the other way round: what goes with it goes first.
    return [*succeeded, *_returned(evolve_all(order, succeeded), refund, fact)]


def _returned(order: Order, refund: Refund, fact: RefundMoved) -> list[OrderEvent]:
    returned = with_status(order, [_advanced(fact, RefundStatus.RETURNED)])
    if refund.kind is not RefundKind.OURS:
        # Who made it at the console hears of it there.
        return returned
    return [*returned, *_stuck(order, refund.refund_no, FAILED_AFTER_SUCCESS)]


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
    if refund.status in REFUNDS_IN_VAIN:
        return []
    if refund.status is RefundStatus.SUCCEEDED:
        return _returned(order, refund, fact)
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
    if refund.status in REFUNDS_IN_VAIN:
        return []
    # The provider has it: later ones need not wait for it to be accepted.
    return [*_processing(refund, fact), *_stuck(order, refund.refund_no, "abnormal")]


def _stuck(order: Order, number: str, reason: str) -> list[OrderEvent]:
    return _new(order, RefundStuck(refund_no=number, reason=reason))


def _new(order: Order, event: RefundStuck) -> list[OrderEvent]:
    return [] if case_subject_of(event) in order.case_subjects else [event]


def _advanced(fact: RefundMoved, status: RefundStatus) -> RefundAdvanced:
    return RefundAdvanced(
        refund_no=fact.refund_no, status=status, provider_refund_id=fact.provider_refund_id
    )
