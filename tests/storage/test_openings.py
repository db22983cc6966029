"""What a provider opened, recorded over the order that whoever opened had seen."""

import asyncio
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from actors.actor import Actor
from actors.metrics import LEASE_FALLBACKS, OVERTAKEN
from contracts.attempt import Opened
from contracts.commands import Cancel, RecordOpened
from contracts.order import Order
from contracts.states import AttemptState, OrderStatus
from models.engine import Database, Record, Tx
from tests.storage.stage import (
    POLICY,
    a_start,
    buy,
    payment_of,
    put_on_sale,
    seats_taken,
)

LEGACY = "order_legacy_payment_fields"


class Watched(Database):
    """The same database, which tells what it was sent and may lose an answer."""

    def __init__(self, database: Database) -> None:
        super().__init__(database._engine)  # noqa: SLF001 - another view of the same pool
        self.sent: list[str] = []
        self.answers_to_lose = 0

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """Run a statement, and forget its answer where that is to be lost."""
        self.sent.append(sql)
        rows = await super().fetch(sql, *args)
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise asyncpg.ConnectionDoesNotExistError
        return rows

    def transaction(self) -> Tx:
        """Begin one."""
        self.sent.append("BEGIN")
        return super().transaction()


@pytest.fixture
def watched(database: Database) -> Watched:
    return Watched(database)


@pytest.fixture
async def opener(watched: Watched) -> Any:  # noqa: ANN401 - a generator fixture
    """Stand in for the process that opens."""
    actor = Actor(database=watched, redis=None, policy=POLICY)
    yield actor
    await actor.close()


@pytest.fixture
async def keeper(watched: Watched) -> Any:  # noqa: ANN401 - a generator fixture
    """Stand in for one that keeps what older clients pay with."""
    actor = Actor(database=watched, redis=None, policy=replace(POLICY, legacy_payment_fields=True))
    yield actor
    await actor.close()


async def claimed(actor: Actor, order: Order) -> Order:
    return (await actor.take_turn(a_start(order))).order


def opening(seen: Order, code_url: str = "weixin://1") -> RecordOpened:
    return RecordOpened(
        order_id=seen.id,
        attempt_no=seen.attempts[-1].attempt_no,
        opened=Opened(code_url=code_url),
        seen=seen,
    )


def overtaken() -> float:
    return float(OVERTAKEN._value.get())  # noqa: SLF001 - no public reader


async def openings_told(database: Database) -> int:
    told: int = await database.fetchval(
        "SELECT count(*) FROM order_events WHERE kind = 'attempt_opened'"
    )
    return told


class TestAnOpening:
    async def test_is_recorded_in_one_statement(
        self, opener: Actor, watched: Watched, database: Database
    ) -> None:
        order = await claimed(opener, await buy(opener, await put_on_sale(database)))
        watched.sent.clear()
        fallbacks = LEASE_FALLBACKS._value.get()  # noqa: SLF001 - no public reader

        turn = await opener.take_turn(opening(order))

        assert len(watched.sent) == 1
        assert "UPDATE orders" in watched.sent[0]
        assert LEASE_FALLBACKS._value.get() == fallbacks  # noqa: SLF001 - as above
        assert turn.order.attempts[-1].state is AttemptState.OPEN
        assert await opener.load(order.id) == turn.order
        assert await openings_told(database) == 1
        assert await database.fetchval(
            """SELECT opened_at <= now() AND due_at > opened_at AND claim_until IS NULL
               FROM payment_attempts"""
        )

    async def test_shares_the_statement_with_others(
        self, opener: Actor, watched: Watched, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        orders = [await claimed(opener, await buy(opener, sale, user)) for user in range(1, 10)]
        watched.sent.clear()

        turns = await asyncio.gather(*(opener.take_turn(opening(order)) for order in orders))

        assert len(watched.sent) < len(orders)
        assert {turn.order.attempts[-1].state for turn in turns} == {AttemptState.OPEN}
        assert await openings_told(database) == len(orders)

    async def test_of_an_order_that_came_with_its_claim_leaves_its_places_alone(
        self, opener: Actor, watched: Watched, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={3: 25000})
        order = await claimed(opener, await buy(opener, sale, quantity=3))
        watched.sent.clear()
        as_made = replace(order, invites=tuple(replace(i, id=None) for i in order.invites))

        await opener.take_turn(opening(as_made))

        assert len(watched.sent) == 1
        assert await database.fetchval("SELECT count(*) FROM order_invites") == 2
        assert await seats_taken(database, sale) == 3

    async def test_without_what_was_seen_is_loaded(
        self, opener: Actor, watched: Watched, database: Database
    ) -> None:
        order = await claimed(opener, await buy(opener, await put_on_sale(database)))
        watched.sent.clear()

        turn = await opener.take_turn(replace(opening(order), seen=None))

        assert watched.sent == ["BEGIN"]
        assert turn.order.attempts[-1].state is AttemptState.OPEN


class TestAnOvertakenOpening:
    async def test_is_decided_on_the_order_as_it_is_now(
        self, opener: Actor, other: Actor, watched: Watched, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        seen = await claimed(opener, await buy(opener, sale))
        await other.take_turn(Cancel(order_id=seen.id))
        before = overtaken()
        watched.sent.clear()

        turn = await opener.take_turn(opening(seen))

        assert len(watched.sent) == 2
        assert watched.sent[1] == "BEGIN"
        assert overtaken() == before + 1
        assert turn.order.status is OrderStatus.CLOSING
        assert (turn.order.attempts[-1].state, turn.order.attempts[-1].close_owed) == ("OPEN", True)
        assert await opener.load(seen.id) == turn.order
        assert await seats_taken(database, sale) == 1

    async def test_takes_nothing_from_money_that_came_first(
        self, opener: Actor, other: Actor, database: Database
    ) -> None:
        seen = await claimed(opener, await buy(opener, await put_on_sale(database)))
        await other.take_turn(payment_of(seen))

        turn = await opener.take_turn(opening(seen))

        assert turn.events == ()
        assert turn.order.status is OrderStatus.PAID
        assert turn.order.attempts[-1].state is AttemptState.PAID
        assert await database.fetchval("SELECT status FROM registrations") == "APPROVED"

    async def test_is_alone_in_looking_again(
        self, opener: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        orders = [await claimed(opener, await buy(opener, sale, user)) for user in range(1, 6)]
        await other.take_turn(Cancel(order_id=orders[2].id))
        before = overtaken()

        turns = await asyncio.gather(*(opener.take_turn(opening(order)) for order in orders))

        assert overtaken() == before + 1
        assert [turn.order.status for turn in turns] == [
            *["PENDING"] * 2, "CLOSING", *["PENDING"] * 2
        ]  # fmt: skip
        assert await openings_told(database) == len(orders)

    async def test_whose_answer_was_lost_is_recorded_once(
        self, opener: Actor, watched: Watched, database: Database
    ) -> None:
        seen = await claimed(opener, await buy(opener, await put_on_sale(database)))
        watched.answers_to_lose = 1

        turn = await opener.take_turn(opening(seen))

        assert turn.events == ()
        assert turn.order.attempts[-1].opened == Opened(code_url="weixin://1")
        assert turn.order.version == seen.version + 1
        assert await opener.load(seen.id) == turn.order
        assert await openings_told(database) == 1


class TestAnOpeningThatIsMore:
    async def test_than_the_statement_writes_is_left_to_who_loads(
        self, opener: Actor, watched: Watched, database: Database
    ) -> None:
        order = await claimed(opener, await buy(opener, await put_on_sale(database)))
        seen = (await opener.take_turn(Cancel(order_id=order.id))).order
        watched.sent.clear()

        turn = await opener.take_turn(opening(seen))

        assert watched.sent == ["BEGIN"]
        assert turn.order.attempts[-1].state is AttemptState.OPEN

    async def test_or_nothing_at_all_moves_no_version(
        self, opener: Actor, database: Database
    ) -> None:
        order = await claimed(opener, await buy(opener, await put_on_sale(database)))
        seen = (await opener.take_turn(opening(order))).order

        turn = await opener.take_turn(opening(seen, "weixin://2"))

        assert (turn.events, turn.order) == ((), seen)
        assert await opener.load(order.id) == seen


class TestLegacyFields:
    async def test_are_written_with_the_opening_and_replaced_by_the_next(
        self, keeper: Actor, watched: Watched, database: Database
    ) -> None:
        order = await buy(keeper, await put_on_sale(database))
        kept = f"SELECT order_id, code_url, prepay_id FROM {LEGACY}"  # noqa: S608 - our own
        seen = await claimed(keeper, order)
        watched.sent.clear()

        opened = (await keeper.take_turn(opening(seen))).order
        assert len(watched.sent) == 1
        assert [tuple(row) for row in await database.fetch(kept)] == [
            (order.id, "weixin://1", None)
        ]
        await database.execute("UPDATE payment_attempts SET opened_at = now() - interval '3 h'")
        again = await claimed(keeper, opened)
        signed = replace(opening(again), opened=Opened(prepay_id="wx2"))
        await keeper.take_turn(signed)

        assert [tuple(row) for row in await database.fetch(kept)] == [(order.id, None, "wx2")]

    async def test_are_written_by_who_loads_too(self, keeper: Actor, database: Database) -> None:
        seen = await claimed(keeper, await buy(keeper, await put_on_sale(database)))

        await keeper.take_turn(replace(opening(seen), seen=None))

        assert await database.fetchval(f"SELECT code_url FROM {LEGACY}") == "weixin://1"  # noqa: S608

    async def test_of_an_opening_that_came_to_nothing_are_not_written(
        self, keeper: Actor, other: Actor, database: Database
    ) -> None:
        seen = await claimed(keeper, await buy(keeper, await put_on_sale(database)))
        await other.take_turn(payment_of(seen))

        await keeper.take_turn(opening(seen))

        assert await database.fetchval(f"SELECT count(*) FROM {LEGACY}") == 0  # noqa: S608

    async def test_are_named_by_nobody_who_keeps_none(
        self, opener: Actor, keeper: Actor, watched: Watched, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        for user, (actor, is_named) in enumerate([(opener, False), (keeper, True)], start=1):
            order = await claimed(actor, await buy(actor, sale, user))
            watched.sent.clear()

            await actor.take_turn(opening(order))

            assert [LEGACY in sql for sql in watched.sent] == [is_named]
