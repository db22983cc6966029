"""What sellers of event tickets are used to, by the values they have always tested with."""

import pytest

from actors.actor import Actor
from actors.places import Places
from contracts import errors
from contracts.commands import Cancel, DecidePlace
from contracts.facts import RefundOutcome
from contracts.states import InviteStatus, OrderStatus, RegistrationStatus
from models.engine import Database
from tests.storage.stage import (
    buy,
    opened,
    outcome_of,
    paid,
    payment_of,
    put_on_sale,
    redeemed,
    refund_of,
    seats_taken,
    wish,
)

OWNER, GUEST = 1, 2


class TestTiers:
    async def test_price_a_pair_as_a_pair(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, price_minor=9900, tiers={2: 16900})

        order = await buy(actor, sale, quantity=2)

        # 84.5 each: the total is the tier's, whatever that makes of one.
        assert (order.total.amount_minor, order.total.currency) == (16900, "CNY")

    async def test_leave_one_at_its_base_price(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, price_minor=9900)

        assert (await buy(actor, sale)).total.amount_minor == 9900

    async def test_need_no_base_price(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, price_minor=0, tiers={3: 20000})

        order = await buy(actor, sale, quantity=3)

        assert (order.total.amount_minor, order.total.currency) == (20000, "CNY")

    async def test_refuse_what_has_none(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, price_minor=9900, tiers={2: 16900})

        with pytest.raises(errors.QuantityNotOffered) as refused:
            await actor.create(wish(sale, OWNER, 4))

        assert refused.value.extra == {"offered": [1, 2]}
        assert await seats_taken(database, sale) == 0


class TestAnOrder:
    async def test_of_two_that_is_cancelled_lowers_the_stock_by_two(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={2: 16900})
        order = await buy(actor, sale, quantity=2)
        before = await seats_taken(database, sale)

        ended = (await actor.take_turn(Cancel(order_id=order.id))).order

        assert ended.status is OrderStatus.CANCELLED
        assert {place.status for place in ended.registrations} == {RegistrationStatus.CANCELLED}
        assert before - await seats_taken(database, sale) == 2

    async def test_that_is_settled_has_its_place_at_once_without_approval(
        self, actor: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))

        assert [place.status for place in order.registrations] == [RegistrationStatus.APPROVED]

    async def test_that_is_paid_is_changed_by_no_second_settlement(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        first = await actor.take_turn(payment_of(order))

        again = await actor.take_turn(payment_of(order))

        assert again.events == ()
        assert again.order == await actor.load(order.id)
        assert (again.order.status, again.order.version) == (OrderStatus.PAID, first.order.version)

    async def test_of_three_that_is_refunded_lowers_the_stock_by_three(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={3: 20000})
        order = await paid(actor, sale, quantity=3)
        before = await seats_taken(database, sale)

        asked = (await actor.take_turn(refund_of(order))).order
        ended = (await actor.take_turn(outcome_of(asked, RefundOutcome.SUCCESS))).order

        assert ended.status is OrderStatus.REFUNDED
        assert before - await seats_taken(database, sale) == 3

    async def test_knows_who_redeemed_its_gift(self, actor: Actor, database: Database) -> None:
        order = await paid(actor, await put_on_sale(database, tiers={2: 16900}), quantity=2)

        (gift,) = (await redeemed(actor, order, GUEST)).invites

        assert (gift.status, gift.redeemed_by) == (InviteStatus.REDEEMED, GUEST)


class TestTheStockOfFreeTickets:
    async def test_counts_who_waits_and_who_is_let_in(
        self, actor: Actor, database: Database, places: Places
    ) -> None:
        sale = await put_on_sale(database, price_minor=0, require_approval=True)
        made = [(await actor.create(wish(sale, person))).registration_id for person in range(1, 5)]
        assert None not in made
        ids = [place for place in made if place is not None]
        await places.decide(ids[0], approve=True, by_user_id=9, organizer_id=None)
        await places.decide(ids[1], approve=False, by_user_id=9, organizer_id=None)
        await places.leave(event_id=sale.event_id, user_id=3)

        # One is let in and one waits; who was rejected and who left occupy nothing.
        assert await seats_taken(database, sale) == 2

    async def test_never_falls_below_nothing(
        self, actor: Actor, database: Database, places: Places
    ) -> None:
        sale = await put_on_sale(database, price_minor=0)
        await actor.create(wish(sale, OWNER))

        await places.leave(event_id=sale.event_id, user_id=OWNER)
        with pytest.raises(errors.NotFound):
            await places.leave(event_id=sale.event_id, user_id=OWNER)

        assert await seats_taken(database, sale) == 0

    async def test_takes_no_second_seat_for_who_waits_to_pay(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, require_approval=True)
        order = await buy(actor, sale)
        (place,) = order.registrations
        assert place.id is not None

        with pytest.raises(errors.InvalidState):
            await actor.take_turn(
                DecidePlace(order_id=order.id, registration_id=place.id, approve=True, by_user_id=9)
            )

        assert await seats_taken(database, sale) == 1
