"""Counts of seats that somebody moved by hand, and what puts them right."""

import asyncio
from importlib import import_module

import pytest

from actors.actor import Actor
from models.backfill import Drift, correct, drifts
from models.engine import Database
from models.invariants import check_invariants
from tests.storage.stage import OnSale, add_type, answers, buy, put_on_sale, seats_taken, wish

MIGRATION: str = import_module("migrations.guichet_2026_11_21t16_40_00_000000").BACKFILL
# What somebody with a client of the database could have done, and how the counts then read.
DEEDS = {
    "a count of a type": "UPDATE ticket_types SET current_quantity = current_quantity + 3",
    "a count of an event": "UPDATE event_attendance SET seats_held = seats_held + 3",
    "no count of an event": "DELETE FROM event_attendance",
    "a move that is missing": "DELETE FROM seat_ledger WHERE holder_kind = 'order'",
    "a place's move that is missing": "DELETE FROM seat_ledger WHERE holder_kind = 'registration'",
    "a move too many": """INSERT INTO seat_ledger (holder_kind, holder_id, cause, event_id,
        ticket_type_id, seats)
      SELECT holder_kind, holder_id, gen_random_uuid(), event_id, ticket_type_id, 2
      FROM seat_ledger""",
    "a move of nobody": """INSERT INTO seat_ledger (holder_kind, holder_id, cause, event_id,
        ticket_type_id, seats)
      SELECT 'order', 999999 + id, gen_random_uuid(), event_id, id, 4 FROM ticket_types""",
    "nothing counted at all": """WITH l AS (DELETE FROM seat_ledger),
      t AS (UPDATE ticket_types SET current_quantity = 0)
      UPDATE event_attendance SET seats_held = 0""",
}


@pytest.fixture
async def sale(actor: Actor, database: Database) -> OnSale:
    """Sell three seats in two orders and give one place away."""
    sale = await put_on_sale(database, tiers={2: 100})
    free = await add_type(database, sale.event_id, price_minor=0, max_quantity=10)
    await buy(actor, sale, user_id=1)
    await buy(actor, sale, user_id=2, quantity=2)
    given = wish(OnSale(event_id=sale.event_id, ticket_type_id=free), 3)
    await actor.create(given)
    return sale


@pytest.fixture
async def neighbour(actor: Actor, database: Database) -> OnSale:
    """Sell a seat at another event, whose counts are right."""
    neighbour = await put_on_sale(database)
    await buy(actor, neighbour, user_id=9)
    return neighbour


async def broken(database: Database) -> set[str]:
    return {found.id for found in await check_invariants(database) if found.violations}


class TestDrift:
    @pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS.keys())
    async def test_is_found_and_left_alone_by_a_look(
        self, sale: OnSale, database: Database, deed: str
    ) -> None:
        await database.execute(deed)
        found = await drifts(database)

        assert {drift.event_id for drift in found} == {sale.event_id}
        assert await drifts(database) == found
        await correct(database, sale.event_id)

    @pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS.keys())
    async def test_is_mended_so_that_every_promise_holds(
        self, sale: OnSale, database: Database, deed: str
    ) -> None:
        for _ in range(2):
            await database.execute(deed)
            found = await drifts(database, event_id=sale.event_id)

            assert found
            assert await correct(database, sale.event_id) == found
            assert await drifts(database) == []
            assert await broken(database) == set()
            assert await seats_taken(database, sale) == 3

    @pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS.keys())
    async def test_is_mended_by_the_migration(
        self, sale: OnSale, database: Database, deed: str
    ) -> None:
        await database.execute(deed)
        await database.execute(MIGRATION)

        assert await drifts(database) == []
        assert await seats_taken(database, sale) == 3

    async def test_is_told_in_numbers(self, sale: OnSale, database: Database) -> None:
        await database.execute(DEEDS["nothing counted at all"])
        found = await drifts(database)
        await correct(database, sale.event_id)

        of_type = {"event_id": sale.event_id, "ticket_type_id": sale.ticket_type_id}
        assert found[:2] == [
            Drift(**of_type, what="current_quantity", counted=0, held=3, holders=None, room=100),
            Drift(**of_type, what="seat_ledger", counted=0, held=3, holders=2, room=None),
        ]
        assert (found[-1].what, found[-1].counted, found[-1].held) == ("seats_held", 0, 4)

    async def test_of_one_event_touches_no_other(
        self, sale: OnSale, neighbour: OnSale, database: Database
    ) -> None:
        await database.execute(DEEDS["a count of a type"])
        await correct(database, sale.event_id)

        assert {drift.event_id for drift in await drifts(database)} == {neighbour.event_id}
        await correct(database, neighbour.event_id)

    async def test_is_mended_while_seats_are_sold(
        self, actor: Actor, sale: OnSale, database: Database
    ) -> None:
        await database.execute(DEEDS["nothing counted at all"])
        crowd = [wish(sale, user) for user in range(100, 140)]
        await asyncio.gather(
            answers(actor, crowd), *(correct(database, sale.event_id) for _ in range(5))
        )

        assert await drifts(database) == []
        assert await seats_taken(database, sale) == 43

    @pytest.mark.parametrize(
        "limit",
        [
            "UPDATE ticket_types SET max_quantity = 2",
            "UPDATE event_attendance SET max_attendees = 3",
        ],
    )
    async def test_beyond_a_maximum_is_left_to_a_person(
        self, sale: OnSale, database: Database, limit: str
    ) -> None:
        await database.execute(DEEDS["nothing counted at all"])
        await database.execute(limit)
        found = await correct(database, sale.event_id)

        assert not all(drift.has_room for drift in found)
        assert await drifts(database) == found
        await database.execute(MIGRATION)
        assert await drifts(database) == found
        await database.execute("UPDATE ticket_types SET max_quantity = NULL")
        await database.execute("UPDATE event_attendance SET max_attendees = NULL")
        await correct(database, sale.event_id)


class TestTheMigration:
    async def test_locks_nothing_where_all_is_right(self, sale: OnSale, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.execute("SELECT FROM ticket_types FOR NO KEY UPDATE")
            async with asyncio.timeout(5):
                await database.execute(MIGRATION)

        assert await seats_taken(database, sale) == 3
