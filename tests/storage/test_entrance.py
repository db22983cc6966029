"""Who comes is let in once, and never past a refund."""

import asyncio

import pytest

from actors.entrance import Entrance
from contracts.errors import NotFound, TicketNotValid, TicketUnknown
from models.check_in import Arrival
from models.engine import Database
from tests.storage.stage import put_on_sale

KEY = b"t" * 32
GUARD = 99


async def a_place(
    database: Database, *, status: str = "APPROVED", refund_no: str | None = None
) -> tuple[int, int, int]:
    """Seat somebody; return event, registration and person."""
    sale = await put_on_sale(database)
    user_id: int = await database.fetchval(
        "INSERT INTO users (issuer, subject, name) VALUES ('t', 'ann', 'Ann') RETURNING id"
    )
    place_id: int = await database.fetchval(
        """INSERT INTO registrations (event_id, user_id, ticket_type_id, status, seats_held,
             refund_no) VALUES ($1, $2, $3, $4, 0, $5) RETURNING id""",
        sale.event_id,
        user_id,
        sale.ticket_type_id,
        status,
        refund_no,
    )
    return sale.event_id, place_id, user_id


@pytest.fixture
def entrance(emptied: Database) -> Entrance:
    return Entrance(database=emptied, key=KEY)


async def code_of(entrance: Entrance, place_id: int, user_id: int) -> str | None:
    return (await entrance.ticket(registration_id=place_id, user_id=user_id)).code


class TestATicket:
    async def test_admits_its_holder_once(self, emptied: Database, entrance: Entrance) -> None:
        event_id, place_id, user_id = await a_place(emptied)
        code = await code_of(entrance, place_id, user_id)
        assert code is not None

        first, again = [
            await entrance.check_in(event_id=event_id, code=code, by=GUARD) for _ in range(2)
        ]

        assert (first.name, first.ticket_type_name, first.is_first) == ("Ann", "Standard", True)
        assert (again.is_first, again.checked_in_at) == (False, first.checked_in_at)
        row = await emptied.fetchrow("SELECT checked_in_at, checked_in_by FROM registrations")
        assert row is not None
        assert tuple(row) == (first.checked_in_at, GUARD)

    async def test_admits_once_however_many_scan_it(
        self, emptied: Database, entrance: Entrance
    ) -> None:
        event_id, place_id, user_id = await a_place(emptied)
        code = await code_of(entrance, place_id, user_id) or ""

        arrivals = await asyncio.gather(
            *(entrance.check_in(event_id=event_id, code=code, by=n) for n in range(1, 51))
        )

        assert sum(arrival.is_first for arrival in arrivals) == 1
        assert len({arrival.checked_in_at for arrival in arrivals}) == 1

    async def test_admits_nobody_at_another_event(
        self, emptied: Database, entrance: Entrance
    ) -> None:
        _, place_id, user_id = await a_place(emptied)
        other = await put_on_sale(emptied)
        code = await code_of(entrance, place_id, user_id) or ""

        with pytest.raises(TicketUnknown):
            await entrance.check_in(event_id=other.event_id, code=code, by=GUARD)

    @pytest.mark.parametrize("status", ["PENDING_PAYMENT", "PENDING", "REJECTED", "CANCELLED"])
    async def test_has_no_code_and_admits_nobody_unless_it_is_approved(
        self, emptied: Database, entrance: Entrance, status: str
    ) -> None:
        event_id, place_id, user_id = await a_place(emptied)
        code = await code_of(entrance, place_id, user_id) or ""
        await emptied.execute("UPDATE registrations SET status = $1", status)

        assert await code_of(entrance, place_id, user_id) is None
        with pytest.raises(TicketNotValid):
            await entrance.check_in(event_id=event_id, code=code, by=GUARD)
        assert await emptied.fetchval("SELECT checked_in_at FROM registrations") is None

    async def test_admits_nobody_while_a_refund_frees_its_place(
        self, emptied: Database, entrance: Entrance
    ) -> None:
        event_id, place_id, user_id = await a_place(emptied)
        code = await code_of(entrance, place_id, user_id) or ""
        await emptied.execute("UPDATE registrations SET refund_no = 'R1'")

        assert await code_of(entrance, place_id, user_id) is None
        with pytest.raises(TicketNotValid):
            await entrance.check_in(event_id=event_id, code=code, by=GUARD)

        await emptied.execute("UPDATE registrations SET refund_no = NULL")
        arrival = await entrance.check_in(event_id=event_id, code=code, by=GUARD)
        assert arrival.is_first

    async def test_does_not_pass_a_refund_that_is_being_written(
        self, emptied: Database, entrance: Entrance
    ) -> None:
        event_id, place_id, user_id = await a_place(emptied)
        code = await code_of(entrance, place_id, user_id) or ""
        scanning: asyncio.Task[Arrival]

        async with emptied.transaction() as tx:
            await tx.execute("UPDATE registrations SET refund_no = 'R1' WHERE id = $1", place_id)
            scanning = asyncio.create_task(
                entrance.check_in(event_id=event_id, code=code, by=GUARD)
            )
            await _until_waiting(emptied)

        with pytest.raises(TicketNotValid):
            await scanning

    async def test_is_shown_to_its_holder_only(self, emptied: Database, entrance: Entrance) -> None:
        _, place_id, user_id = await a_place(emptied)

        with pytest.raises(NotFound):
            await entrance.ticket(registration_id=place_id, user_id=user_id + 1)


async def _until_waiting(database: Database) -> None:
    async with asyncio.timeout(10):
        while not await database.fetchval(  # noqa: ASYNC110 - a lock waited for sets no event
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)
