"""Where an attempt and an intent stand, in the words of the payments API. Pure."""

from collections.abc import Sequence
from typing import Final

from contracts.intents import Intent
from contracts.order import Attempt, Order
from contracts.states import OPEN_ORDERS, AttemptResult, AttemptState, IntentStatus

_OF_RESULT: Final = {
    AttemptResult.PROCESSING: IntentStatus.PROCESSING,
    AttemptResult.REQUIRES_ACTION: IntentStatus.REQUIRES_ACTION,
    AttemptResult.SUCCEEDED: IntentStatus.SUCCEEDED,
    # The next attempt is the payer's to confirm.
    AttemptResult.FAILED: IntentStatus.REQUIRES_CONFIRMATION,
}


def result_of(attempt: Attempt) -> AttemptResult:
    """Say how one attempt went."""
    match attempt.state:
        case AttemptState.PAID:
            return AttemptResult.SUCCEEDED
        case AttemptState.OPENING | AttemptState.UNKNOWN:
            return AttemptResult.PROCESSING
        case AttemptState.OPEN if not attempt.needs_payer:
            return AttemptResult.PROCESSING
        case AttemptState.OPEN:
            return AttemptResult.REQUIRES_ACTION
        case AttemptState.CLOSED | AttemptState.REFUSED:
            return AttemptResult.FAILED


def told_result(attempt: Attempt) -> AttemptResult:
    """Say how one attempt went so far: declined it has failed, though it can still be paid."""
    return AttemptResult.FAILED if attempt.is_declined else result_of(attempt)


def intent_status(intent: Intent, attempts: Sequence[Attempt], order: Order) -> IntentStatus:
    """Say where an intent of *order* stands, whose attempts are *attempts*, oldest first.

    It has succeeded when one of them was paid, and failed when no attempt can follow any more.
    """
    results = [result_of(attempt) for attempt in attempts]
    if AttemptResult.SUCCEEDED in results:
        return IntentStatus.SUCCEEDED
    if intent.ended_at is not None or order.status not in OPEN_ORDERS:
        return IntentStatus.FAILED
    return _OF_RESULT[results[-1]] if results else IntentStatus.REQUIRES_CONFIRMATION
