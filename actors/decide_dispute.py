"""What becomes of money that its payer's bank wants back. Pure.

1. Until it is decided it counts as gone and ends nothing, withdrawn or not; lost it is gone, won it
   is ours again.
2. The last word about a dispute is that it is over, whenever the words before that arrive.
3. A person is told of each at once while it can be answered, for a bank waits some days and no
   longer; and once more when what was lost came back, for nobody's seat comes back with it.
"""

from msgspec.structs import replace

from actors.case_subjects import DISPUTE_AMOUNT, DISPUTE_WON, case_subject_of
from actors.decide_refund import with_status
from actors.refunds_past_us import payment_with_room
from contracts import errors
from contracts.events import DisputeMoved, OrderEvent, RefundStuck
from contracts.facts import RefundMoved, RefundOutcome
from contracts.order import Order, Payment, Refund
from contracts.states import RefundKind, RefundStatus

DISPUTE_REASON = "dispute"
_STATUS = {
    RefundOutcome.PROCESSING: RefundStatus.PROCESSING,
    RefundOutcome.ABNORMAL: RefundStatus.PROCESSING,
    RefundOutcome.SUCCESS: RefundStatus.SUCCEEDED,
    RefundOutcome.CLOSED: RefundStatus.FAILED,
}
# A dispute goes up this list and never down.
_COURSE = (RefundStatus.PROCESSING, RefundStatus.SUCCEEDED, RefundStatus.FAILED)


def record_dispute(order: Order, fact: RefundMoved) -> list[OrderEvent]:
    """Move a dispute on; of what is not known yet as far as there is money to be taken."""
    asked = _asked(order, fact.refund_no, DISPUTE_REASON)
    known = order.refund(fact.refund_no)
    status = _STATUS[fact.outcome]
    if known is None:
        payment = _payment(order, fact, status)
        begun = [] if payment is None else [DisputeMoved(refund=_begun(fact, payment, status))]
        return with_status(order, [*begun, *asked])
    if known.amount != fact.refunded:
        return [*asked, *_asked(order, fact.refund_no, DISPUTE_AMOUNT)]
    won = _asked(order, fact.refund_no, DISPUTE_WON) if _came_back(known.status, status) else []
    if _COURSE.index(status) <= _COURSE.index(known.status):
        return [*asked, *won]
    moved = DisputeMoved(refund=replace(known, status=status))
    return with_status(order, [moved, *asked, *won])


def _came_back(before: RefundStatus, told: RefundStatus) -> bool:
    return {before, told} == {RefundStatus.SUCCEEDED, RefundStatus.FAILED}


def _payment(order: Order, fact: RefundMoved, status: RefundStatus) -> Payment | None:
    """Find the payment that is disputed; what is over already takes nothing of it."""
    takes_minor = 0 if status is RefundStatus.FAILED else fact.refunded.amount_minor
    try:
        return payment_with_room(order, fact, takes_minor=takes_minor)
    except errors.RefundUnderWay:
        if status is RefundStatus.SUCCEEDED:
            raise
        # A person must hear of it while it can be answered; how it ends is told in any case.
        return None


def _begun(fact: RefundMoved, payment: Payment, status: RefundStatus) -> Refund:
    return Refund(
        refund_no=fact.refund_no,
        provider=payment.provider,
        provider_txn_id=payment.provider_txn_id,
        attempt_no=payment.attempt_no,
        amount=fact.refunded,
        status=status,
        reason=DISPUTE_REASON,
        idempotency_key=f"dispute:{fact.refund_no}",
        kind=RefundKind.DISPUTE,
        provider_refund_id=fact.provider_refund_id,
    )


def _asked(order: Order, number: str, reason: str) -> list[OrderEvent]:
    event = RefundStuck(refund_no=number, reason=reason)
    return [] if case_subject_of(event) in order.case_subjects else [event]
