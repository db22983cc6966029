"""The three intervals of the payment jobs: 0 switches a job off, a value has it done."""

import pytest

from models.engine import Database
from tests.jobs.conftest import Start
from tests.jobs.rows import (
    ALL_EFFECTS_DONE,
    a_notice,
    a_payment,
    an_attempt,
    an_effect,
    an_order,
    until_found,
)
from tests.storage.stage import keep_legacy_fields

INTERVALS = ("REPLAY", "RECONCILE", "CLEANUP")
# What is true of the rows below as soon as a job was done once.
DONE = {
    "replay": ("REPLAY", "SELECT bool_and(retry_count > 0) FROM webhook_events"),
    "questions": ("RECONCILE", "SELECT bool_and(looks > 0) FROM payment_attempts"),
    "repair": (
        "RECONCILE",
        "SELECT bool_and(o.status = 'PAID') FROM orders o JOIN payments p ON p.order_id = o.id",
    ),
    "intents": ("CLEANUP", "SELECT bool_and(ended_at IS NOT NULL) FROM payment_intents"),
    "fields": ("CLEANUP", "SELECT count(*) = 0 FROM order_legacy_payment_fields"),
}
OLD_INTENT = """INSERT INTO payment_intents (order_id, provider, amount_minor, currency, created_at)
    VALUES ($1, 'wechat', 9900, 'CNY', now() - interval '7 s')"""
OLD = "UPDATE orders SET created_at = now() - interval '31 days'"


@pytest.fixture
async def with_work(database: Database) -> Database:
    """Leave something to do for every job."""
    await a_notice(database)
    await an_attempt(database)
    await a_payment(database, order_id=await an_order(database), honoured=True)
    forgotten = await an_order(database)
    await database.execute(OLD_INTENT, forgotten)
    await keep_legacy_fields(database, forgotten)
    await database.execute(OLD)
    return database


def minutes(**intervals: str) -> dict[str, str]:
    """Say how often each job is done: often, unless a test says otherwise."""
    often = dict.fromkeys(INTERVALS, "0.001") | intervals
    named = {f"PAYMENTS_JOB_{name}_INTERVAL_MIN": often[name] for name in INTERVALS}
    return named | {"PAYMENTS_INTENT_EXPIRE_MIN": "0.1"}


class TestAnInterval:
    async def test_of_some_minutes_has_its_jobs_done(
        self, with_work: Database, start: Start
    ) -> None:
        start(**minutes())

        for _, question in DONE.values():
            await until_found(with_work, question)

    @pytest.mark.parametrize("off", INTERVALS)
    async def test_of_nothing_switches_its_jobs_off_and_no_other(
        self, with_work: Database, start: Start, off: str
    ) -> None:
        start(**minutes(**{off: "0"}))

        for interval, question in DONE.values():
            if interval != off:
                await until_found(with_work, question)
        # Rounds go on meanwhile: what is off has had as many chances as the rest.
        for _ in range(3):
            await an_effect(with_work)
            await until_found(with_work, ALL_EFFECTS_DONE)
        for interval, question in DONE.values():
            if interval == off:
                assert not await with_work.fetchval(question)
