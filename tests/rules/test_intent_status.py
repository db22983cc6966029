"""Where an attempt and an intent stand in the words of the payments API."""

from typing import Any

import pytest
from msgspec.structs import replace

from actors.intent_status import intent_status, result_of, told_result
from contracts.attempt import Opened
from contracts.intents import Intent
from contracts.states import AttemptResult, AttemptState, IntentEnd, IntentStatus, OrderStatus
from tests.rules.builders import NOW, PRICE, an_attempt, an_order


def an_intent(**changes: Any) -> Intent:  # noqa: ANN401
    """Build an intent of the order."""
    fields: dict[str, Any] = {
        "id": 7,
        "order_id": 1,
        "provider": "mock",
        "amount": PRICE,
        "created_at": NOW,
    }
    return Intent(**(fields | changes))


class TestAnAttempt:
    @pytest.mark.parametrize(
        ("state", "result"),
        [
            (AttemptState.OPENING, AttemptResult.PROCESSING),
            (AttemptState.UNKNOWN, AttemptResult.PROCESSING),
            (AttemptState.OPEN, AttemptResult.REQUIRES_ACTION),
            (AttemptState.PAID, AttemptResult.SUCCEEDED),
            (AttemptState.CLOSED, AttemptResult.FAILED),
            (AttemptState.REFUSED, AttemptResult.FAILED),
        ],
    )
    def test_is_told_by_its_state(self, state: AttemptState, result: AttemptResult) -> None:
        assert result_of(an_attempt(state=state)) is result

    def test_is_processing_where_nobody_waits_for_the_payer(self) -> None:
        by_itself = an_attempt(opened=Opened(reference="txn_1", needs_payer=False))

        assert result_of(by_itself) is AttemptResult.PROCESSING

    def test_that_was_declined_has_failed_and_can_be_paid_all_the_same(self) -> None:
        declined = an_attempt(opened=Opened(reference="pi_1", is_declined=True))

        assert told_result(declined) is AttemptResult.FAILED
        assert result_of(declined) is AttemptResult.REQUIRES_ACTION
        assert told_result(replace(declined, state=AttemptState.PAID)) is AttemptResult.SUCCEEDED


class TestAnIntent:
    def test_wants_to_be_confirmed_first(self) -> None:
        assert intent_status(an_intent(), [], an_order()) is IntentStatus.REQUIRES_CONFIRMATION

    def test_wants_to_be_confirmed_again_after_a_failure(self) -> None:
        failed = [an_attempt(state=AttemptState.REFUSED)]

        status = intent_status(an_intent(), failed, an_order())

        assert status is IntentStatus.REQUIRES_CONFIRMATION

    def test_stands_as_its_newest_attempt(self) -> None:
        attempts = [an_attempt(1, AttemptState.CLOSED), an_attempt(2)]

        assert intent_status(an_intent(), attempts, an_order()) is IntentStatus.REQUIRES_ACTION

    def test_has_succeeded_once_any_was_paid(self) -> None:
        attempts = [an_attempt(1, AttemptState.PAID), an_attempt(2, AttemptState.CLOSED)]
        paid = replace(an_order(), status=OrderStatus.PAID)

        assert intent_status(an_intent(), attempts, paid) is IntentStatus.SUCCEEDED

    @pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.PAID])
    def test_has_failed_when_its_order_went_elsewhere(self, status: OrderStatus) -> None:
        gone = replace(an_order(), status=status)

        assert intent_status(an_intent(), [], gone) is IntentStatus.FAILED

    def test_has_failed_when_it_was_ended(self) -> None:
        ended = an_intent(ended_at=NOW, end=IntentEnd.EXPIRED)

        assert intent_status(ended, [an_attempt()], an_order()) is IntentStatus.FAILED
