"""Intents that nobody does anything with are ended, and no others."""

import asyncio
from contextvars import Context

import pytest

from actors.actor import Actor
from jobs import cleanup
from jobs.cleanup import IdleIntents
from models.engine import Database
from models.intent_expiry import expire_intents
from tests.storage.stage import OnSale, buy, opened, paid, put_on_sale

AGED = "UPDATE {} SET created_at = created_at - interval '61 min'"
INTENT = """INSERT INTO payment_intents (order_id, provider, amount_minor, currency,
    idempotency_key) VALUES ($1, 'wechat', 9900, 'CNY', 'k')"""


@pytest.fixture
async def sale(database: Database) -> OnSale:
    return await put_on_sale(database)


async def age(database: Database, *tables: str) -> None:
    for table in tables or ("payment_intents", "payment_attempts"):
        await database.execute(AGED.format(table))


async def ended(database: Database, from_id: int = 0, limit: int = 10) -> int:
    expired = await expire_intents(database, from_id=from_id, idle_minutes=60, limit=limit)
    return expired.count


async def an_intent(database: Database, actor: Actor, sale: OnSale, user_id: int = 1) -> int:
    """Make an order that somebody wants to pay and never confirms."""
    order = await buy(actor, sale, user_id)
    await database.execute(INTENT, order.id)
    return order.id


class TestAnIdleIntent:
    async def test_is_ended_with_its_reason(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        await an_intent(database, actor, sale)
        await age(database)

        assert await ended(database) == 1
        assert await ended(database) == 0
        row = await database.fetchrow(
            "SELECT ended_at > created_at, end_reason FROM payment_intents"
        )
        assert row is not None
        assert tuple(row) == (True, "INTENT_EXPIRED")

    async def test_is_ended_when_its_attempts_came_to_nothing(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        await opened(actor, await buy(actor, sale))
        await database.execute("UPDATE payment_attempts SET state = 'CLOSED'")
        await age(database)

        assert await ended(database) == 1

    @pytest.mark.parametrize("status", ["EXPIRED", "CANCELLED"])
    async def test_is_ended_where_the_order_ended_unpaid(
        self, actor: Actor, emptied: Database, status: str
    ) -> None:
        await an_intent(emptied, actor, await put_on_sale(emptied))
        await emptied.execute("UPDATE orders SET status = $1, seats_held = 0", status)
        await age(emptied)

        assert await ended(emptied) == 1

    async def test_leaves_room_for_another(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        order_id = await an_intent(database, actor, sale)
        await age(database)
        await ended(database)

        order = await opened(actor, await actor.load(order_id))

        assert len(order.attempts) == 1
        assert await database.fetchval("SELECT count(*) FROM payment_intents") == 2


class TestAnIntent:
    @pytest.mark.parametrize("state", ["OPENING", "OPEN", "UNKNOWN"])
    async def test_is_kept_by_a_live_attempt(
        self, actor: Actor, database: Database, sale: OnSale, state: str
    ) -> None:
        await opened(actor, await buy(actor, sale))
        await database.execute("UPDATE payment_attempts SET state = $1", state)
        await age(database)

        assert await ended(database) == 0

    async def test_is_kept_while_its_newest_attempt_is_young(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        await opened(actor, await buy(actor, sale))
        await database.execute("UPDATE payment_attempts SET state = 'CLOSED'")
        await age(database, "payment_intents")

        assert await ended(database) == 0

    async def test_is_kept_while_it_is_young(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        await an_intent(database, actor, sale)

        assert await ended(database) == 0

    async def test_is_kept_by_the_money_it_brought(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        await paid(actor, sale)
        await age(database)

        assert await ended(database) == 0

    async def test_is_left_to_who_is_at_work_on_its_order(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        order_id = await an_intent(database, actor, sale)
        await age(database)
        async with database.transaction() as tx:
            await tx.execute("SELECT FROM orders WHERE id = $1 FOR NO KEY UPDATE", order_id)

            # In a context of its own: this one has a transaction already.
            elsewhere = asyncio.create_task(ended(database), context=Context())
            assert await elsewhere == 0

        assert await ended(database) == 1


class TestAnAttemptThatBegins:
    async def test_never_finds_itself_under_an_ended_intent(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        order_ids = [await an_intent(database, actor, sale, user_id) for user_id in range(30)]
        await age(database)
        orders = [await actor.load(order_id) for order_id in order_ids]

        await asyncio.gather(
            *(opened(actor, order) for order in orders),
            *(ended(database, limit=3) for _ in range(20)),
        )

        assert await database.fetchval("SELECT count(*) FROM payment_attempts") == 30
        under_ended = """SELECT count(*) FROM payment_attempts a
            JOIN payment_intents i ON i.id = a.intent_id WHERE i.ended_at IS NOT NULL"""
        assert await database.fetchval(under_ended) == 0


class TestTheSweep:
    async def test_goes_on_while_a_batch_is_full(
        self, actor: Actor, database: Database, sale: OnSale, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cleanup, "BATCH", 2)
        for user_id in range(5):
            await an_intent(database, actor, sale, user_id)
        await age(database)
        sweep = IdleIntents(database=database, idle_minutes=60)

        assert [await sweep.do_round() for _ in range(3)] == [True, True, False]

    async def test_may_run_in_many_processes_at_once(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        for user_id in range(20):
            await an_intent(database, actor, sale, user_id)
        await age(database)

        counts = await asyncio.gather(*(ended(database, limit=5) for _ in range(8)))

        assert sum(counts) + await ended(database, limit=100) == 20

    async def test_looks_at_paid_ones_once_and_at_living_ones_again(
        self, actor: Actor, database: Database, sale: OnSale
    ) -> None:
        await paid(actor, sale, 1)
        await paid(actor, sale, 2)
        await age(database)

        first = await expire_intents(database, from_id=0, idle_minutes=60, limit=10)
        assert (first.count, first.next_id) == (0, 3)

        await an_intent(database, actor, sale, 3)
        await opened(actor, await actor.load(await an_intent(database, actor, sale, 4)))
        await age(database)
        again = await expire_intents(database, from_id=3, idle_minutes=60, limit=10)

        assert (again.count, again.next_id) == (1, 4)
        await database.execute("UPDATE payment_attempts SET state = 'CLOSED' WHERE state = 'OPEN'")
        assert await ended(database, from_id=again.next_id) == 1
