import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from actors.actor import Actor
from actors.gift_codes import gift_code, gift_code_hash
from actors.sale import Sale
from contracts import errors
from contracts.commands import Cancel
from contracts.numbers import new_order_no
from models.engine import Database
from tests.storage.stage import (
    POLICY,
    add_type,
    answers,
    buy,
    opened,
    payment_of,
    put_on_sale,
    seats_taken,
    time_is_up,
    wish,
)


class TestAnOrder:
    async def test_takes_its_seats_and_makes_a_place_and_gift_seats(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={4: 32000})

        order = await buy(actor, sale, quantity=4)

        loaded = await actor.load(order.id)
        assert loaded.total.amount_minor == 32000
        assert [place.status for place in loaded.registrations] == ["PENDING_PAYMENT"]
        assert [invite.position for invite in loaded.invites] == [1, 2, 3]
        assert await seats_taken(database, sale) == 4

    async def test_is_answered_as_it_was_written(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, tiers={2: 16900})

        answered = await buy(actor, sale, quantity=2)

        written = await actor.load(answered.id)
        assert replace(written, invites=()) == replace(answered, invites=())

    async def test_keeps_only_the_hash_of_a_gift_code(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={2: 16900})

        order = await buy(actor, sale, quantity=2)

        stored = await database.fetchval("SELECT code_hash FROM order_invites")
        assert stored == gift_code_hash(gift_code(POLICY.gift_code_key, order.order_no, 1, 1))

    async def test_of_a_free_type_is_a_place_only(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, price_minor=0)

        made = await actor.create(wish(sale, 1))

        assert made.order is None
        assert made.registration is not None
        assert made.registration.status == "APPROVED"
        assert await seats_taken(database, sale) == 1

    async def test_waits_for_approval_where_the_organizer_wants_it(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, price_minor=0, require_approval=True)

        made = await actor.create(wish(sale, 1))

        assert made.registration is not None
        assert made.registration.status == "PENDING"


class TestASecondRequestOfTheSameBuyer:
    async def test_finds_the_pending_order(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        order = await buy(actor, sale)

        again = await actor.create(wish(sale, 1))

        assert (again.order_id, again.is_existing) == (order.id, True)
        assert await seats_taken(database, sale) == 1

    async def test_for_something_else_names_the_pending_order(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={2: 16900})
        order = await buy(actor, sale)

        with pytest.raises(errors.PendingOrderExists) as refusal:
            await actor.create(wish(sale, 1, 2))

        assert refusal.value.extra == {"orderId": order.id, "orderNo": order.order_no}

    async def test_meets_a_closing_order_as_pending(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        order = await opened(actor, await buy(actor, sale))
        await actor.take_turn(Cancel(order_id=order.id))

        with pytest.raises(errors.PendingOrderExists):
            await actor.create(wish(sale, 1))

    async def test_at_the_same_time_makes_one_order(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)

        made = await asyncio.gather(
            *(desk.create(wish(sale, 1)) for desk in [actor, other] for _ in range(20))
        )

        assert len({sale.order_id for sale in made}) == 1
        assert await seats_taken(database, sale) == 1

    async def test_is_refused_once_there_is_a_place(self, actor: Actor, database: Database) -> None:
        free = await put_on_sale(database, price_minor=0)
        await actor.create(wish(free, 1))

        with pytest.raises(errors.AlreadyRegistered):
            await actor.create(wish(free, 1))

    async def test_meets_an_order_whose_time_is_up_as_another(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await time_is_up(database, await buy(actor, sale))

        with pytest.raises(errors.PendingOrderExists):
            await actor.create(wish(sale, 1))


class TestARequestWithAKey:
    async def test_gets_the_first_answer_again(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        keyed: dict[str, Any] = {"idempotency_key": "k", "body_hash": "h"}
        first = await actor.create(wish(sale, 1, **keyed))

        again = await actor.create(wish(sale, 1, **keyed))

        assert (again.order_id, again.is_repeat) == (first.order_id, True)

    async def test_gets_the_first_answer_while_the_first_is_in_flight(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        keyed: dict[str, Any] = {"idempotency_key": "k", "body_hash": "h"}

        made = await asyncio.gather(
            *(desk.create(wish(sale, 1, **keyed)) for desk in [actor, other] * 10)
        )

        assert len({sale.order_id for sale in made}) == 1

    async def test_and_another_body_is_refused(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        await actor.create(wish(sale, 1, idempotency_key="k", body_hash="h"))

        with pytest.raises(errors.IdempotencyMismatch):
            await actor.create(wish(sale, 1, idempotency_key="k", body_hash="other"))

    async def test_does_not_meet_the_same_key_of_another_person(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        keyed: dict[str, Any] = {"idempotency_key": "k", "body_hash": "h"}
        first = await actor.create(wish(sale, 1, **keyed))

        second = await actor.create(wish(sale, 2, **keyed))

        assert first.order_id != second.order_id

    async def test_is_not_remembered_when_it_was_refused(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        keyed: dict[str, Any] = {"idempotency_key": "k", "body_hash": "h"}
        with pytest.raises(errors.QuantityNotOffered):
            await actor.create(wish(sale, 1, 9, **keyed))

        assert (await actor.create(wish(sale, 1, **keyed))).order is not None

    async def test_that_lost_its_answer_after_the_commit_finds_its_own_order(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        request = wish(sale, 1, order_no=new_order_no())
        first = await actor.create(request)

        again = await actor.create(request)

        assert (again.order_id, again.is_existing) == (first.order_id, False)

    async def test_that_found_an_order_finds_it_again_when_it_has_ended(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        order = await buy(actor, sale)
        keyed: dict[str, Any] = {"idempotency_key": "k", "body_hash": "h"}
        first = await actor.create(wish(sale, 1, **keyed))
        await actor.take_turn(Cancel(order_id=order.id))

        again = await actor.create(wish(sale, 1, **keyed))

        assert (first.order_id, again.order_id) == (order.id, order.id)
        assert again.is_existing

    async def test_used_for_two_events_at_once_is_refused_for_one(
        self, actor: Actor, database: Database
    ) -> None:
        sales = [await put_on_sale(database), await put_on_sale(database)]
        wishes = [
            wish(sale, user, idempotency_key="k", body_hash=f"h{sale.event_id}")
            for user in range(1, 21)
            for sale in sales
        ]

        told = await answers(actor, wishes)

        assert sum(isinstance(answer, Sale) for answer in told) == 20
        assert sum(isinstance(answer, errors.IdempotencyMismatch) for answer in told) == 20

    async def test_for_a_free_place_finds_it_again_after_a_lost_answer(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, price_minor=0)
        request = wish(sale, 1)
        first = await actor.create(request)

        again = await actor.create(request)

        assert again.registration_id == first.registration_id

    async def test_is_remembered_while_tickets_are_sold_out(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=1)
        order = await buy(actor, sale, user_id=1)
        with pytest.raises(errors.SoldOut):
            await actor.create(wish(sale, 2))

        found = await actor.create(wish(sale, 1, idempotency_key="k", body_hash="h"))

        assert found.order_id == order.id
        assert await database.fetchval("SELECT found FROM api_idempotency") is True


class TestASaleThatCannotBe:
    @pytest.mark.parametrize("status", ["DRAFT", "CLOSED"])
    async def test_is_refused_while_the_event_is_not_published(
        self, actor: Actor, database: Database, status: str
    ) -> None:
        sale = await put_on_sale(database, status=status)

        with pytest.raises(errors.NotOnSale):
            await actor.create(wish(sale, 1))

    @pytest.mark.parametrize(
        "sale_time",
        [
            pytest.param("sale_starts_at = now() + interval '1 hour'", id="before"),
            pytest.param("sale_ends_at = now() - interval '1 hour'", id="after"),
        ],
    )
    async def test_is_refused_outside_its_time(
        self, actor: Actor, database: Database, sale_time: str
    ) -> None:
        sale = await put_on_sale(database)
        await database.execute(f"UPDATE events SET {sale_time}")  # noqa: S608 - our own words

        with pytest.raises(errors.NotOnSale):
            await actor.create(wish(sale, 1))

    async def test_names_the_quantities_on_offer(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, tiers={2: 16900, 4: 32000})

        with pytest.raises(errors.QuantityNotOffered) as refusal:
            await actor.create(wish(sale, 1, 3))

        assert refusal.value.extra == {"offered": [1, 2, 4]}

    async def test_is_not_found_under_another_event(self, actor: Actor, database: Database) -> None:
        first, second = await put_on_sale(database), await put_on_sale(database)

        with pytest.raises(errors.NotFound):
            await actor.create(wish(replace(first, event_id=second.event_id), 1))

    async def test_does_not_fail_its_neighbours(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        wishes = [wish(sale, user, 1 if user % 2 else 99) for user in range(1, 41)]

        told = await answers(actor, wishes)

        assert sum(isinstance(answer, Sale) for answer in told) == 20
        assert await seats_taken(database, sale) == 20

    async def test_sees_a_changed_price_at_once(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        await buy(actor, sale, user_id=1)
        await database.execute(
            "UPDATE ticket_types SET price_minor = 5, catalog_version = catalog_version + 1"
        )

        assert (await buy(actor, sale, user_id=2)).total.amount_minor == 5

    async def test_of_two_types_to_one_buyer_at_two_desks_is_one_order(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        second = await add_type(database, sale.event_id, price_minor=100, max_quantity=100)
        both = [sale, replace(sale, ticket_type_id=second)]

        told = await asyncio.gather(
            *(
                desk.create(wish(kind, user))
                for user in range(1, 31)
                for desk, kind in zip([actor, other], both, strict=True)
            ),
            return_exceptions=True,
        )

        assert sum(isinstance(answer, Sale) for answer in told) == 30
        assert sum(isinstance(answer, errors.PendingOrderExists) for answer in told) == 30

    async def test_that_names_a_full_events_type_does_not_fail_its_neighbours(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_attendees=100)
        full = await put_on_sale(database, max_attendees=0)
        stray = replace(sale, ticket_type_id=full.ticket_type_id)

        told = await answers(actor, [wish(stray, 99), *(wish(sale, user) for user in range(1, 21))])

        assert isinstance(told[0], errors.NotFound)
        assert sum(isinstance(answer, Sale) for answer in told) == 20

    async def test_of_an_event_whose_rows_are_held_does_not_stop_the_others(
        self, actor: Actor, database: Database
    ) -> None:
        held, free = await put_on_sale(database), await put_on_sale(database)
        paying = await opened(actor, await buy(actor, free, user_id=50))
        ending = await buy(actor, held, user_id=50)
        async with database.transaction() as tx:
            await tx.execute(
                "SELECT 1 FROM ticket_types WHERE id = $1 FOR UPDATE", held.ticket_type_id
            )
            stuck = [
                asyncio.ensure_future(actor.create(wish(held, 1))),
                asyncio.ensure_future(actor.take_turn(Cancel(order_id=ending.id))),
            ]
            await asyncio.sleep(0.1)

            async with asyncio.timeout(4.5):
                await buy(actor, free, user_id=2)
                paid = await actor.take_turn(payment_of(paying))

            assert paid.order.status == "PAID"
        await asyncio.gather(*stuck)


class TestTheLastSeats:
    async def test_are_sold_exactly_once_to_a_crowd(
        self, actor: Actor, other: Actor, lonely: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=50)
        desks = [actor, other, lonely]

        told = await asyncio.gather(
            *(desks[user % 3].create(wish(sale, user)) for user in range(1, 401)),
            return_exceptions=True,
        )

        assert sum(isinstance(answer, Sale) for answer in told) == 50
        assert sum(isinstance(answer, errors.SoldOut) for answer in told) == 350
        assert await seats_taken(database, sale) == 50

    async def test_are_sold_under_the_cap_of_the_whole_event(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=None, max_attendees=30)
        second = await add_type(database, sale.event_id, price_minor=100, max_quantity=None)
        both = [sale, replace(sale, ticket_type_id=second)]

        told = await asyncio.gather(
            *(
                [actor, other][user % 2].create(wish(both[user % 3 % 2], user))
                for user in range(1, 101)
            ),
            return_exceptions=True,
        )

        assert sum(isinstance(answer, Sale) for answer in told) == 30
        assert await database.fetchval("SELECT seats_held FROM event_attendance") == 30

    async def test_are_sold_again_soon_after_they_came_back(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=1)
        order = await buy(actor, sale, user_id=1)
        with pytest.raises(errors.SoldOut):
            await actor.create(wish(sale, 2))
        await actor.take_turn(Cancel(order_id=order.id))

        # News of "sold out" lives a quarter of a second.
        async with asyncio.timeout(60):
            while True:
                try:
                    await buy(actor, sale, user_id=2)
                except errors.SoldOut:
                    await asyncio.sleep(0.02)
                else:
                    break

    async def test_are_no_answer_to_who_asks_for_what_is_not_there(
        self, actor: Actor, database: Database
    ) -> None:
        sale, elsewhere = await put_on_sale(database, max_quantity=1), await put_on_sale(database)
        await buy(actor, sale, user_id=1)
        with pytest.raises(errors.SoldOut):
            await actor.create(wish(sale, 2))

        with pytest.raises(errors.QuantityNotOffered):
            await actor.create(wish(sale, 2, 7))
        with pytest.raises(errors.NotFound):
            await actor.create(wish(sale, 2, event_id=elsewhere.event_id))

    async def test_leave_an_earlier_buyer_the_order_they_have(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=1)
        order = await buy(actor, sale, user_id=1)
        with pytest.raises(errors.SoldOut):
            await actor.create(wish(sale, 2))

        again = await actor.create(wish(sale, 1))

        assert (again.order_id, again.is_existing) == (order.id, True)


class TestAnExpiredOrder:
    async def test_frees_its_buyer_for_a_new_one(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        order = await buy(actor, sale)
        await time_is_up(database, order)
        await actor.take_turn(Cancel(order_id=order.id))

        assert (await buy(actor, sale)).id != order.id
