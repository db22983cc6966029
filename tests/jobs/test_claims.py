# ruff: noqa: S608 - the pieces put together here are the tests' own words
"""Claims over real rows: held by one, given back by time, let go without harm."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from models import sweeps
from models.backlog import backlog
from models.engine import Connection, Database
from models.repairs import unsettled, unsettled_and_untold
from models.sweeps import Due
from tests.jobs.rows import (
    TRACE_CTX,
    a_notice,
    a_payment,
    a_refund,
    an_attempt,
    an_effect,
    an_order,
)

CLAIMS: dict[str, tuple[Callable[[Connection, int], Awaitable[Sequence[Due]]], str]] = {
    "notices": (sweeps.claim_notices, "webhook_events"),
    "closes": (sweeps.claim_closes, "payment_attempts"),
    "looks": (sweeps.claim_looks, "payment_attempts"),
    "refunds": (sweeps.claim_refunds, "refunds"),
    "effects": (sweeps.claim_effects, "effects"),
}


async def _fill(database: Database, kind: str, number: int) -> None:
    for _ in range(number):
        match kind:
            case "notices":
                await a_notice(database)
            case "closes":
                await an_attempt(database, close_owed=True)
            case "looks":
                await an_attempt(database)
            case "refunds":
                await a_refund(database, await a_payment(database))
            case _:
                await an_effect(database)


@pytest.mark.parametrize("kind", CLAIMS)
class TestEveryClaim:
    async def test_gives_no_row_to_two_claimers(self, database: Database, kind: str) -> None:
        claim, _ = CLAIMS[kind]
        await _fill(database, kind, 30)

        batches = await asyncio.gather(*(claim(database, 5) for _ in range(8)))

        ids = [row.id for batch in batches for row in batch]
        assert len(ids) == len(set(ids))
        assert all(len(batch) <= 5 for batch in batches)
        rest = await claim(database, 100)
        assert len(ids) + len(rest) == 30

    async def test_skips_a_row_somebody_holds(self, database: Database, kind: str) -> None:
        claim, table = CLAIMS[kind]
        await _fill(database, kind, 2)
        async with database.transaction() as tx:
            held = await tx.fetchval(f"SELECT id FROM {table} ORDER BY id LIMIT 1 FOR UPDATE")

            async with asyncio.timeout(15):
                claimed = await claim(database, 10)

        assert held not in {row.id for row in claimed}
        assert len(claimed) == 1

    async def test_ends_by_itself_after_its_time(self, database: Database, kind: str) -> None:
        claim, table = CLAIMS[kind]
        await _fill(database, kind, 1)
        (first,) = await claim(database, 10)

        early = await claim(database, 10)
        left = await database.fetchval(
            f"SELECT due_at - clock_timestamp() FROM {table} WHERE id = $1", first.id
        )
        await database.execute(f"UPDATE {table} SET due_at = due_at - $1::interval", sweeps.CLAIM)
        (second,) = await claim(database, 10)

        assert early == []
        assert timedelta(seconds=25) < left <= timedelta(seconds=30)
        assert second.id == first.id

    async def test_leaves_what_is_not_due(self, database: Database, kind: str) -> None:
        claim, table = CLAIMS[kind]
        await _fill(database, kind, 2)
        await database.execute(f"UPDATE {table} SET due_at = now() + interval '1 h' WHERE id = 1")
        await database.execute(f"UPDATE {table} SET due_at = NULL WHERE id = 2")

        assert await claim(database, 10) == []

    async def test_names_the_span_that_caused_the_row(self, database: Database, kind: str) -> None:
        claim, _ = CLAIMS[kind]
        await _fill(database, kind, 1)

        (row,) = await claim(database, 10)

        assert row.trace_ctx == TRACE_CTX


class TestAClaimedAttempt:
    async def test_is_for_closing_or_for_asking_never_both(self, database: Database) -> None:
        owed = await an_attempt(database, close_owed=True)
        asked = await an_attempt(database)

        closes = await sweeps.claim_closes(database, 10)
        looks = await sweeps.claim_looks(database, 10)

        assert [row.id for row in closes] == [owed]
        assert [row.id for row in looks] == [asked]

    @pytest.mark.parametrize("state", ["OPENING", "OPEN", "UNKNOWN"])
    async def test_is_live(self, database: Database, state: str) -> None:
        live = await an_attempt(database, state=state)

        assert [row.id for row in await sweeps.claim_looks(database, 10)] == [live]

    @pytest.mark.parametrize("state", ["CLOSED", "PAID", "REFUSED"])
    async def test_is_never_settled(self, database: Database, state: str) -> None:
        await an_attempt(database, state=state)
        await an_attempt(database, state=state, close_owed=True)

        assert await sweeps.claim_looks(database, 10) == []
        assert await sweeps.claim_closes(database, 10) == []

    async def test_counts_its_claims(self, database: Database) -> None:
        await an_attempt(database, close_owed=True)

        (first,) = await sweeps.claim_closes(database, 10)
        await database.execute("UPDATE payment_attempts SET due_at = now()")
        (second,) = await sweeps.claim_closes(database, 10)

        assert (first.looks, second.looks) == (1, 2)


class TestLettingGo:
    async def test_makes_the_row_due_when_it_says(self, database: Database) -> None:
        await an_effect(database)
        (row,) = await sweeps.claim_effects(database, 10)
        later = row.claimed_at + timedelta(minutes=5)

        await sweeps.put_off(database, "effects", row, later)

        assert await database.fetchval("SELECT due_at FROM effects") == later

    async def test_is_never_sooner_than_a_second_from_now(self, database: Database) -> None:
        await an_effect(database)
        (row,) = await sweeps.claim_effects(database, 10)

        await sweeps.put_off(database, "effects", row, datetime(2020, 1, 1, tzinfo=UTC))

        assert await sweeps.claim_effects(database, 10) == []

    @pytest.mark.parametrize("moved", ["NULL", "now()"])
    async def test_respects_a_turn_that_moved_the_row_meanwhile(
        self, database: Database, moved: str
    ) -> None:
        await an_attempt(database, close_owed=True)
        (row,) = await sweeps.claim_closes(database, 10)
        turned: datetime | None = await database.fetchval(
            f"UPDATE payment_attempts SET due_at = {moved} RETURNING due_at"
        )

        await sweeps.put_off(database, "payment_attempts", row, row.claimed_at + timedelta(hours=1))

        assert await database.fetchval("SELECT due_at FROM payment_attempts") == turned


class TestPartsOfOneRefund:
    async def test_go_out_one_at_a_time_in_order(self, database: Database) -> None:
        payment = await a_payment(database)
        first = await a_refund(database, payment)
        await a_refund(database, payment)

        assert [row.id for row in await sweeps.claim_refunds(database, 10)] == [first]
        assert await sweeps.claim_refunds(database, 10) == []

    @pytest.mark.parametrize("status", ["processing", "succeeded", "failed"])
    async def test_are_a_minute_apart(self, database: Database, status: str) -> None:
        payment = await a_payment(database)
        await a_refund(
            database,
            payment,
            status=status,
            updated_at="now() - interval '59 s'",
            due_at="now() + interval '1 h'",
        )
        second = await a_refund(database, payment)

        early = await sweeps.claim_refunds(database, 10)
        await database.execute(
            "UPDATE refunds SET updated_at = updated_at - interval '2 s' WHERE status = $1", status
        )
        (claimed,) = await sweeps.claim_refunds(database, 10)

        assert early == []
        assert claimed.id == second

    async def test_follow_each_other_at_once_where_no_provider_wants_a_pause(
        self, database: Database
    ) -> None:
        payment = await a_payment(database)
        await database.execute("UPDATE payments SET provider = 'mock'")
        await a_refund(database, payment, status="processing", due_at="now() + interval '1 h'")
        second, third = [await a_refund(database, payment) for _ in range(2)]

        assert [row.id for row in await sweeps.claim_refunds(database, 10)] == [second]
        await database.execute("UPDATE refunds SET status = 'succeeded' WHERE id = $1", second)
        assert [row.id for row in await sweeps.claim_refunds(database, 10)] == [third]

    async def test_do_not_hold_up_questions_about_each_other(self, database: Database) -> None:
        payment = await a_payment(database)
        asked = {await a_refund(database, payment, status="processing") for _ in range(2)}

        assert {row.id for row in await sweeps.claim_refunds(database, 10)} == asked

    async def test_of_other_payments_do_not_wait(self, database: Database) -> None:
        refunds = {await a_refund(database, await a_payment(database)) for _ in range(3)}

        assert {row.id for row in await sweeps.claim_refunds(database, 10)} == refunds


class TestExpiredOrders:
    async def test_are_those_pending_past_their_time(self, database: Database) -> None:
        late = await an_order(database, expired_at="now() - interval '1 s'")
        later = await an_order(database, expired_at="now()")
        await an_order(database)
        await an_order(database, status="CLOSING", expired_at="now() - interval '1 s'")
        await an_order(database, status="PAID", expired_at="now() - interval '1 s'")

        found = await sweeps.expired_orders(database, 10)

        assert [row.id for row in found] == [late, later]

    async def test_leave_out_those_that_rest(self, database: Database) -> None:
        resting = await an_order(database, expired_at="now() - interval '1 s'")
        other = await an_order(database, expired_at="now()")

        assert [o.id for o in await sweeps.expired_orders(database, 1, [resting])] == [other]


class TestTheBacklog:
    async def test_counts_what_waits(self, database: Database) -> None:
        await a_notice(database)
        await a_notice(database, status="FAILED", due_at="now() + interval '1 h'")
        await a_notice(database, status="DEAD", due_at="NULL")
        await a_notice(database, status="PROCESSED", due_at="NULL")
        await database.execute(
            "UPDATE webhook_events SET received_at = now() - interval '90 s' WHERE id <> 1"
        )
        await an_effect(database)
        (dead,) = await sweeps.claim_effects(database, 10)
        await sweeps.give_up_effect(database, dead)
        await an_effect(database)
        await an_order(database, expired_at="now() - interval '11 min'")
        await an_order(database, expired_at="now() - interval '9 min'")
        stuck = await an_order(database, status="CLOSING")
        moving = await an_order(database, status="CLOSING")
        for order_id, age in ((stuck, "11 min"), (moving, "9 min")):
            await database.execute(
                f"""INSERT INTO order_events (order_id, version, kind, data, created_at)
                    VALUES ($1, 1, 'order_closing', '{{}}', now() - interval '{age}')""",
                order_id,
            )

        waiting = await backlog(database)

        assert 90 <= waiting.inbox_oldest_seconds < 100
        assert (waiting.inbox_pending, waiting.inbox_dead) == (2, 1)
        assert (waiting.effects_pending, waiting.effects_dead) == (1, 1)
        assert (waiting.pending_stuck, waiting.closing_stuck) == (1, 1)

    async def test_is_nothing_in_an_empty_house(self, database: Database) -> None:
        waiting = await backlog(database)

        assert (waiting.inbox_pending, waiting.inbox_oldest_seconds) == (0, 0)


class TestTheSettlementCheck:
    async def test_finds_money_kept_without_a_paid_order(self, database: Database) -> None:
        wrong = await an_order(database)
        await a_payment(database, order_id=wrong, honoured=True)
        await a_payment(database, order_id=await an_order(database, status="PAID"), honoured=True)
        await a_payment(database)

        assert [row.id for row in await unsettled(database, 10)] == [wrong]

    async def test_asks_a_person_once(self, database: Database) -> None:
        wrong = await an_order(database, status="EXPIRED")
        await a_payment(database, order_id=wrong, honoured=True)
        assert [row.id for row in await unsettled_and_untold(database, 10)] == [wrong]

        await database.execute(
            f"""INSERT INTO cases (kind, subject, reason, details)
                VALUES ('PAYMENT_MISMATCH', 'settlement:{wrong}', 'seats_gone', '{{}}')"""
        )

        assert await unsettled_and_untold(database, 10) == []
        assert [row.id for row in await unsettled(database, 10)] == [wrong]
