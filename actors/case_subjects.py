"""What the cases are called that events open, so that a repeated fact opens no second one. Pure."""

from contracts.events import PaymentQuarantined, RefundStuck
from contracts.facts import PaymentSucceeded

DISPUTE_WON = "dispute_won"
DISPUTE_AMOUNT = "dispute_amount"
REFUNDED_TWICE = "twice"
FAILED_AFTER_SUCCESS = "failed_after_success"
# A person has been asked about the refund itself before, and may have settled that.
_FURTHER_QUESTIONS = frozenset({DISPUTE_WON, DISPUTE_AMOUNT, REFUNDED_TWICE, FAILED_AFTER_SUCCESS})


def case_subject_of(event: PaymentQuarantined | RefundStuck) -> str:
    """Name the case an event opens."""
    if isinstance(event, PaymentQuarantined):
        return payment_subject(event.fact)
    if event.is_refusal:
        return refusal_subject(event.refund_no)
    if event.reason in _FURTHER_QUESTIONS:
        return f"{event.reason}:{event.refund_no}"
    return f"refund:{event.refund_no}"


def refusal_subject(refund_no: str) -> str:
    """Name the case of a refund that its provider would not make."""
    return f"refused:{refund_no}"


def payment_subject(fact: PaymentSucceeded) -> str:
    """Name a transaction as one attempt's: a notice may name two attempts for it."""
    return f"{fact.provider}:{fact.provider_txn_id}:{fact.attempt_no}"
