"""Rows are locked in order of id, whatever the order in which they lie or are asked for."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import asyncpg
import pytest
from msgspec.structs import replace

from actors.actor import Actor
from contracts.errors import CouponInvalid
from contracts.events import OrderCancelled
from models.engine import Database, Tx
from models.event_plans import raise_versions
from models.orders import load
from models.seats import SeatCount, count_sold, lock_stock
from models.turns import write
from models.written import WrittenTurn
from tests.storage.stage import add_type, buy, make_coupon, put_on_sale, wish

Step = Callable[[Tx], Awaitable[object]]


async def _types(database: Database) -> tuple[int, list[int]]:
    sale = await put_on_sale(database)
    second = await add_type(database, sale.event_id, price_minor=100, max_quantity=100)
    return sale.event_id, [sale.ticket_type_id, second]


async def _sold(database: Database, _actor: Actor) -> tuple[str, list[int], Step]:
    _, ids = await _types(database)
    return "ticket_types", ids, lambda tx: lock_stock(tx, ids)


async def _moved(database: Database, _actor: Actor) -> tuple[str, list[int], Step]:
    event_id, ids = await _types(database)
    # Nought seats, so that every promise about seats is still kept.
    moves = [SeatCount(event_id=event_id, ticket_type_id=n, seats=0) for n in reversed(ids)]
    return "ticket_types", ids, lambda tx: count_sold(tx, moves)


async def _outdated(database: Database, _actor: Actor) -> tuple[str, list[int], Step]:
    event_id, ids = await _types(database)
    return "ticket_types", ids, lambda tx: raise_versions(tx, event_id)


async def _orders(database: Database, actor: Actor) -> tuple[str, list[int], Step]:
    sale = await put_on_sale(database)
    ids = [(await buy(actor, sale, user)).id for user in (1, 2)]
    orders, _ = await load(database, ids)
    turns = [
        WrittenTurn(before=replace(order, version=1), after=order, events=(OrderCancelled(),))
        for order in (orders[n] for n in reversed(ids))
    ]
    return "orders", ids, lambda tx: write(tx, turns, datetime.now(UTC))


async def _until_somebody_waits(database: Database) -> None:
    async with asyncio.timeout(4.5):
        while not await database.fetchval(  # noqa: ASYNC110 - locks set no event
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)


async def _lie_backwards(database: Database, table: str, ids: Sequence[int]) -> None:
    # An updated row moves behind the others, so the rows now lie with the highest id first.
    for row_id in reversed(ids):
        await database.execute(f"UPDATE {table} SET id = id WHERE id = $1", row_id)  # noqa: S608


class TestLocks:
    @pytest.mark.parametrize(
        "prepare",
        [
            pytest.param(_orders, id="orders"),
            pytest.param(_sold, id="types sold"),
            pytest.param(_moved, id="types moved"),
            pytest.param(_outdated, id="types outdated"),
        ],
    )
    async def test_are_taken_in_order_of_id(
        self,
        actor: Actor,
        database: Database,
        prepare: Callable[[Database, Actor], Awaitable[tuple[str, list[int], Step]]],
    ) -> None:
        table, (first, last), step = await prepare(database, actor)
        await _lie_backwards(database, table, (first, last))

        async def take_both() -> None:
            async with database.transaction() as tx:
                await step(tx)
                raise RuntimeError

        async with database.transaction() as holder:
            lock = f"SELECT id FROM {table} WHERE id = $1 FOR NO KEY UPDATE NOWAIT"  # noqa: S608
            await holder.fetchval(lock, first)
            # In a context of its own: it must not find itself inside the holder's transaction.
            loop = asyncio.get_running_loop()
            waiting = loop.create_task(take_both(), context=contextvars.Context())
            await _until_somebody_waits(database)
            # Who waits for the first row must not hold the last one already.
            assert await holder.fetchval(lock, last) == last
        with pytest.raises(RuntimeError):
            await waiting

    async def test_of_a_coupon_come_after_the_attendance_that_is_counted_under_them(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await make_coupon(database)
        async with database.transaction() as holder:
            await holder.fetchval("SELECT 1 FROM event_attendance FOR NO KEY UPDATE NOWAIT")
            loop = asyncio.get_running_loop()
            command = wish(sale, 1, coupon_code="HALF")
            waiting = loop.create_task(actor.create(command), context=contextvars.Context())
            await _until_somebody_waits(database)
            # Who ends an order counts its seats first and gives its coupon back then.
            assert await holder.fetchval("SELECT 1 FROM coupons FOR NO KEY UPDATE NOWAIT") == 1
        assert (await waiting).order is not None

    async def test_keep_others_from_counting_the_same_use_of_a_coupon(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await make_coupon(database, max_uses=1)
        async with database.transaction() as holder:
            await holder.execute("UPDATE coupons SET max_uses = 0")
            loop = asyncio.get_running_loop()
            command = wish(sale, 1, coupon_code="HALF")
            waiting = loop.create_task(actor.create(command), context=contextvars.Context())
            await _until_somebody_waits(database)
        with pytest.raises(CouponInvalid):
            await waiting

    async def test_keep_others_from_counting_the_same_seats(self, database: Database) -> None:
        _, (ticket_type_id, _) = await _types(database)
        async with database.transaction() as tx:
            await lock_stock(tx, [ticket_type_id])

            with pytest.raises(asyncpg.LockNotAvailableError):
                await database.fetch("SELECT 1 FROM ticket_types FOR NO KEY UPDATE NOWAIT")
