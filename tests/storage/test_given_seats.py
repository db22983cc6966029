"""Places and gift seats on a real PostgreSQL, asked for by many at once."""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.actor import Actor
from actors.places import Places
from contracts import errors
from contracts.commands import DecidePlace, RecordRefund, ReissueInvite
from contracts.facts import FactSource, RefundMoved, RefundOutcome
from contracts.order import Order
from models.engine import Database
from tests.storage.stage import (
    OnSale,
    buy,
    opened,
    payment_of,
    places_of,
    put_on_sale,
    redeem_of,
    redeemed,
    seats_taken,
    wish,
)

GUEST = 900


async def paid(actor: Actor, sale: OnSale, user_id: int = 1, quantity: int = 2) -> Order:
    order = await opened(actor, await buy(actor, sale, user_id, quantity))
    await actor.take_turn(payment_of(order))
    return await actor.load(order.id)


async def free_place(database: Database, actor: Actor) -> tuple[OnSale, int]:
    """Give user 1 a free place that waits for an answer."""
    sale = await put_on_sale(database, price_minor=0, require_approval=True)
    place = (await actor.create(wish(sale, 1))).registration_id
    assert place is not None
    return sale, place


async def outcomes(*calls: Coroutine[Any, Any, object]) -> Counter[str]:
    """Make calls at once and count how they ended."""
    told = await asyncio.gather(*calls, return_exceptions=True)
    return Counter(type(one).__name__ for one in told)


async def held_up(
    database: Database, sale: OnSale, *calls: Coroutine[Any, Any, object]
) -> Counter[str]:
    """Make calls that all wait for the ticket type, then let them go on."""
    loop = asyncio.get_running_loop()
    async with database.transaction() as tx:
        await tx.execute("SELECT FROM ticket_types WHERE id = $1 FOR UPDATE", sale.ticket_type_id)
        # In contexts of their own: they must not find themselves inside this transaction.
        tasks = [loop.create_task(call, context=contextvars.Context()) for call in calls]
        async with asyncio.timeout(4.5):
            while (await _waiting(database)) < len(tasks):  # noqa: ASYNC110 - locks set no event
                await asyncio.sleep(0.01)
    told = await asyncio.gather(*tasks, return_exceptions=True)
    return Counter(type(one).__name__ for one in told)


async def _waiting(database: Database) -> int:
    count: int = await database.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return count


class TestAGiftSeat:
    async def test_is_had_by_one_of_a_hundred(
        self, actor: Actor, other: Actor, lonely: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database, tiers={2: 16900}))
        desks = [actor, other, lonely, actor]

        told = await outcomes(
            *(desks[n % 4].take_turn(redeem_of(order, GUEST + n)) for n in range(100))
        )

        assert told == {"Turn": 1, "InviteTaken": 99}
        assert await database.fetchval("SELECT count(*) FROM registrations") == 2

    async def test_is_one_persons_only_one(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={2: 16900})
        mine, yours = [await paid(actor, sale, user) for user in (1, 2)]

        told = await outcomes(
            actor.take_turn(redeem_of(mine, GUEST)),
            other.take_turn(redeem_of(yours, GUEST)),
            actor.create(wish(sale, GUEST)),
        )

        assert told["AlreadyRegistered"] == 2
        assert told["Turn"] + told["Sale"] == 1

    async def test_has_one_hash_the_newest(self, actor: Actor, database: Database) -> None:
        order = await paid(actor, await put_on_sale(database, tiers={2: 16900}))
        before = await database.fetchval("SELECT code_hash FROM order_invites")
        gift = order.invites[0]
        assert gift.id is not None

        turn = await actor.take_turn(ReissueInvite(order_id=order.id, invite_id=gift.id))

        assert await actor.load(order.id) == turn.order
        assert await database.fetchval("SELECT code_hash FROM order_invites") != before

    async def test_returns_to_its_buyer_when_the_guest_is_rejected(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={2: 16900}, require_approval=True)
        order = await redeemed(actor, await paid(actor, sale), GUEST)
        guest = order.registrations[1]
        assert guest.id is not None
        command = DecidePlace(
            order_id=order.id, registration_id=guest.id, approve=False, by_user_id=1
        )

        await actor.take_turn(command)

        order = await actor.load(order.id)
        assert [gift.status for gift in order.invites] == ["REDEEMED", "PENDING"]
        assert await seats_taken(database, sale) == 2
        # Another may have it now, and so may the same guest.
        await redeemed(actor, order, GUEST, n=1)


class TestARejectedBuyer:
    async def test_gets_the_money_and_leaves_the_seats(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={2: 16900}, require_approval=True)
        order = await paid(actor, sale)
        place = order.registrations[0].id
        assert place is not None
        command = DecidePlace(order_id=order.id, registration_id=place, approve=False, by_user_id=1)

        rejected = (await actor.take_turn(command)).order

        assert await actor.load(order.id) == rejected
        assert await seats_taken(database, sale) == 2
        with pytest.raises(errors.InviteNotActive):
            await actor.take_turn(redeem_of(rejected, GUEST))
        (refund,) = rejected.refunds
        done = RefundMoved(
            provider="wechat",
            attempt_no=refund.attempt_no,
            refund_no=refund.refund_no,
            provider_refund_id="R1",
            refunded=refund.amount,
            outcome=RefundOutcome.SUCCESS,
            source=FactSource.QUERY,
        )
        await actor.take_turn(RecordRefund(order_id=order.id, fact=done))
        assert (await actor.load(order.id)).status == "REFUNDED"
        assert await seats_taken(database, sale) == 0


class TestAFreePlace:
    async def test_is_given_up_once_however_many_ask(
        self, places: Places, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale, _ = await free_place(database, actor)
        desks = [places, places_of(database, other)]

        told = await outcomes(
            *(desks[n % 2].leave(event_id=sale.event_id, user_id=1) for n in range(20))
        )

        assert told == {"NoneType": 1, "NotFound": 19}
        assert await seats_taken(database, sale) == 0
        causes = await database.fetch("SELECT cause, seats FROM seat_ledger ORDER BY id")
        assert [tuple(row) for row in causes] == [("sold", 1), ("cancelled", -1)]

    async def test_is_given_back_once_by_who_leaves_and_who_rejects(
        self, places: Places, actor: Actor, database: Database
    ) -> None:
        sale, place = await free_place(database, actor)

        told = await held_up(
            database,
            sale,
            places.leave(event_id=sale.event_id, user_id=1),
            places.decide(place, approve=False, by_user_id=1, organizer_id=1),
        )

        assert told in (
            {"NoneType": 1, "InvalidState": 1},
            {"HeldPlace": 1, "NotFound": 1},
        )
        assert await seats_taken(database, sale) == 0

    async def test_that_was_used_is_not_given_up(
        self, places: Places, actor: Actor, database: Database
    ) -> None:
        sale, place = await free_place(database, actor)
        await places.decide(place, approve=True, by_user_id=1, organizer_id=1)
        await database.execute("UPDATE registrations SET checked_in_at = now(), checked_in_by = 1")

        with pytest.raises(errors.InvalidState):
            await places.leave(event_id=sale.event_id, user_id=1)

        assert await seats_taken(database, sale) == 1

    async def test_is_not_approved_while_it_ends(
        self, places: Places, actor: Actor, database: Database
    ) -> None:
        for user in range(1, 11):
            sale, place = await free_place(database, actor)
            told = await outcomes(
                places.decide(place, approve=True, by_user_id=1, organizer_id=1),
                places.decide(place, approve=False, by_user_id=1, organizer_id=1),
            )
            assert told == {"HeldPlace": 1, "InvalidState": 1}, user
            status = await database.fetchval(
                "SELECT status FROM registrations WHERE id = $1", place
            )
            assert await seats_taken(database, sale) == (status == "APPROVED")

    async def test_can_be_had_by_another(
        self, places: Places, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, price_minor=0, max_quantity=1)
        first = await places.register(wish(sale, 1))
        with pytest.raises(errors.SoldOut):
            await places.register(wish(sale, 2))
        await places.leave(event_id=sale.event_id, user_id=1)

        # This process has just heard that it is sold out; another has not.
        assert await places_of(database, other).register(wish(sale, 2)) != first
