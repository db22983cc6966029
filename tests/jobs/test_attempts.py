# ruff: noqa: S608 - the pieces put together here are the test's own words
"""Which questions and closes providers get, and how soon again."""

from datetime import datetime, timedelta
from typing import cast

import pytest

from actors.attempt_calls import AttemptCalls
from actors.refund_calls import RefundCalls
from jobs.attempts import Attempts
from jobs.batch import Batch
from jobs.refunds import Refunds
from models.engine import Database
from models.sweeps import claim_closes, claim_looks, claim_refunds
from tests.jobs.rows import a_payment, a_refund, an_attempt


class SilentCalls:
    """Calls to a provider that never answers, so that every row stays as it was."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def look(self, _order_id: int, _attempt_no: str) -> None:
        self.asked.append("look")

    async def close(self, _order_id: int, _attempt_no: str) -> None:
        self.asked.append("close")

    async def pursue(self, _order_id: int, _refund_no: str) -> None:
        self.asked.append("refund")


@pytest.fixture
def calls() -> SilentCalls:
    return SilentCalls()


@pytest.fixture
def attempts(database: Database, calls: SilentCalls) -> Attempts:
    return Attempts(database=database, attempts=cast("AttemptCalls", calls), grace_seconds=60)


async def _pause_seconds(database: Database, table: str) -> int:
    """Tell how far off the only row of *table* was put, and make it due again."""
    pause: timedelta = await database.fetchval(f"SELECT due_at - now() FROM {table}")
    await database.execute(f"UPDATE {table} SET due_at = now()")
    return round(pause.total_seconds())


class TestACloseThatDoesNotCome:
    async def _rounds(self, database: Database, attempts: Attempts, number: int) -> list[int]:
        batch = Batch(
            job="close",
            noun="attempt",
            size=10,
            claim=lambda limit: claim_closes(database, limit),
            handle=attempts.close,
            let_go=attempts.close_later,
        )
        pauses = []
        for _ in range(number):
            await batch.do_round()
            pauses.append(await _pause_seconds(database, "payment_attempts"))
        return pauses

    async def test_is_asked_for_ever_more_patiently(
        self, database: Database, attempts: Attempts, calls: SilentCalls
    ) -> None:
        await an_attempt(database, close_owed=True)

        pauses = await self._rounds(database, attempts, 8)

        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
        assert set(calls.asked) == {"close"}

    async def test_alternates_with_questions_when_nobody_can_pay_any_more(
        self, database: Database, attempts: Attempts, calls: SilentCalls
    ) -> None:
        await an_attempt(database, close_owed=True, payable_until="now() - interval '61 s'")

        await self._rounds(database, attempts, 4)

        assert calls.asked == ["look", "close", "look", "close"]


class TestAnUnpaidAttempt:
    @pytest.mark.parametrize(
        ("age", "next_age"), [("6 s", 30), ("31 s", 60), ("61 s", 180), ("601 s", 1800)]
    )
    async def test_is_asked_about_at_its_ages(
        self, database: Database, attempts: Attempts, age: str, next_age: int
    ) -> None:
        await an_attempt(database, opened=f"now() - interval '{age}'")
        batch = Batch(
            job="reconcile",
            noun="attempt",
            size=10,
            claim=lambda limit: claim_looks(database, limit),
            handle=attempts.look,
            let_go=attempts.look_later,
        )

        await batch.do_round()

        at: datetime = await database.fetchval("SELECT due_at FROM payment_attempts")
        opened_at: datetime = await database.fetchval("SELECT opened_at FROM payment_attempts")
        assert (at - opened_at).total_seconds() == next_age


class TestARefundUnderWay:
    @pytest.mark.parametrize(("status", "longest"), [("requested", 60), ("processing", 600)])
    async def test_is_pursued_ever_more_patiently(
        self, database: Database, calls: SilentCalls, status: str, longest: int
    ) -> None:
        await a_refund(database, await a_payment(database), status=status)
        refunds = Refunds(database=database, refunds=cast("RefundCalls", calls))
        batch = Batch(
            job="refunds",
            noun="refund",
            size=10,
            claim=lambda limit: claim_refunds(database, limit),
            handle=refunds.pursue,
            let_go=refunds.pursue_later,
        )
        pauses = []
        for _ in range(12):
            await batch.do_round()
            pauses.append(await _pause_seconds(database, "refunds"))

        assert pauses[:4] == [1, 2, 4, 8]
        assert pauses[-1] == longest
        assert calls.asked == ["refund"] * 12
