"""Organizers who change what is being sold in the same moment."""

import asyncio
import contextvars
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.actor import Actor
from actors.catalogue import change_event, change_type, remove_type
from actors.sale import Sale
from contracts import errors
from contracts.event_plans import EventPlan, TicketTypePlan
from contracts.states import EventStatus, RegistrationStatus
from models.engine import Database
from models.event_plans import lock_attendance, lock_event, raise_versions, update_event
from tests.storage.stage import (
    OnSale,
    answers,
    buy,
    opened,
    payment_of,
    put_on_sale,
    seats_taken,
    wish,
)

NOW = datetime.now(UTC)


def event_plan(**changes: Any) -> EventPlan:  # noqa: ANN401
    fields: dict[str, Any] = {
        "title": "Demo Night",
        "status": EventStatus.PUBLISHED,
        "starts_at": NOW + timedelta(days=1),
        "ends_at": NOW + timedelta(days=2),
        "sale_starts_at": None,
        "sale_ends_at": None,
        "require_approval": False,
        "max_attendees": None,
    }
    return EventPlan(**(fields | changes))


def type_plan(**changes: Any) -> TicketTypePlan:  # noqa: ANN401
    fields: dict[str, Any] = {
        "name": "Standard",
        "price_minor": 9900,
        "currency": "CNY",
        "max_quantity": None,
        "max_per_order": 10,
        "is_active": True,
        "position": 1,
        "tiers": (),
    }
    return TicketTypePlan(**(fields | changes))


async def somebody_waits(database: Database) -> None:
    async with asyncio.timeout(4.5):
        while not await database.fetchval(  # noqa: ASYNC110 - locks set no event
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)


class TestASaleThatWaitsForItsOrganizer:
    @pytest.mark.parametrize("knows_the_offer", [True, False], ids=["knowing", "new"])
    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"status": EventStatus.CLOSED}, errors.NotOnSale),
            ({"sale_ends_at": NOW - timedelta(days=1)}, errors.NotOnSale),
            ({"max_attendees": 1}, errors.SoldOut),
        ],
        ids=["closed", "over", "full"],
    )
    async def test_sells_what_is_on_sale_afterwards(
        self,
        actor: Actor,
        other: Actor,
        database: Database,
        changes: dict[str, Any],
        refusal: type[errors.Refusal],
        *,
        knows_the_offer: bool,
    ) -> None:
        sale = await put_on_sale(database)
        await buy(actor, sale, user_id=1)
        seller = actor if knows_the_offer else other
        async with database.transaction() as tx:
            await lock_event(tx, sale.event_id)
            await raise_versions(tx, sale.event_id)
            # In a context of its own: it must not find itself inside this transaction.
            selling = asyncio.get_running_loop().create_task(
                seller.create(wish(sale, 2)), context=contextvars.Context()
            )
            await somebody_waits(database)
            await lock_attendance(tx, sale.event_id)
            await update_event(tx, sale.event_id, event_plan(**changes))

        with pytest.raises(refusal):
            await selling
        assert await seats_taken(database, sale) == 1


class TestAnOrganizer:
    async def test_who_lowers_a_maximum_while_seats_are_sold_leaves_everybody_theirs(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=100)
        wishes = [wish(sale, user) for user in range(1, 61)]

        async def lower(maximum: int) -> str:
            try:
                await change_type(
                    database, sale.event_id, sale.ticket_type_id, type_plan(max_quantity=maximum)
                )
                await change_event(database, sale.event_id, event_plan(max_attendees=maximum))
            except errors.MaxBelowSold:
                return "refused"
            return "lowered"

        await asyncio.gather(
            answers(actor, wishes[::2]),
            answers(other, wishes[1::2]),
            *(lower(maximum) for maximum in (50, 40, 30, 20)),
        )

        taken = await seats_taken(database, sale)
        room = await database.fetchrow("SELECT max_quantity FROM ticket_types")
        assert room is not None
        assert 0 < taken <= room["max_quantity"]

    async def test_who_removes_a_type_in_the_same_moment_as_it_is_sold_does_one_or_the_other(
        self, actor: Actor, database: Database
    ) -> None:
        for user in range(1, 21):
            sale = await put_on_sale(database)
            sold, removed = await asyncio.gather(
                actor.create(wish(sale, user)),
                remove_type(database, sale.event_id, sale.ticket_type_id),
                return_exceptions=True,
            )
            is_left = await database.fetchval(
                "SELECT count(*) FROM ticket_types WHERE event_id = $1", sale.event_id
            )

            if is_left:
                assert isinstance(sold, Sale)
                assert isinstance(removed, errors.InvalidState)
            else:
                assert isinstance(sold, errors.NotFound)
                assert removed is None

    async def test_who_wants_approval_gets_it_for_money_that_settles_afterwards(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        order = await opened(actor, await buy(actor, sale))
        await change_event(database, sale.event_id, event_plan(require_approval=True))
        paid = (await actor.take_turn(payment_of(order))).order

        assert [place.status for place in paid.registrations] == [RegistrationStatus.PENDING]

    async def test_who_changes_a_price_changes_no_order(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        first = await buy(actor, sale, user_id=1)
        await change_type(database, sale.event_id, sale.ticket_type_id, type_plan(price_minor=5))
        second = await buy(actor, sale, user_id=2)

        assert [(await actor.load(one.id)).total.amount_minor for one in (first, second)] == [
            9900,
            5,
        ]

    async def test_who_renames_an_event_is_believed_by_the_next_order(
        self, actor: Actor, database: Database
    ) -> None:
        sale: OnSale = await put_on_sale(database)
        await buy(actor, sale, user_id=1)
        await change_event(database, sale.event_id, event_plan(title="Another Night"))

        assert (await buy(actor, sale, user_id=2)).event_title == "Another Night"
