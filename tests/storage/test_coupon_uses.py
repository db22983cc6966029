"""Coupons in sales and turns, on the real database."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from actors.actor import Actor
from actors.checkout import Checkout
from actors.coupon_desk import change_coupon, make_coupon
from contracts import errors
from contracts.attempt import AttemptRequest, Opened
from contracts.commands import (
    ApplyCoupon,
    Cancel,
    CreateOrder,
    Expire,
    RecordAttempt,
)
from contracts.coupons import CouponChange, NewCoupon
from contracts.facts import AttemptClosedAtProvider, AttemptNotFound, QueryFact
from contracts.order import Order
from contracts.states import CouponKind
from models.engine import Database
from providers.provider import Capability
from tests.storage.stage import (
    OnSale,
    a_start,
    answers,
    buy,
    opened,
    payment_of,
    put_on_sale,
    seats_taken,
    time_is_up,
    wish,
)
from tests.storage.stage import make_coupon as a_coupon
from tests.storage.test_checkout import Counter, checkouts


async def uses(database: Database, coupon_id: int = 1) -> int:
    """Read the one count."""
    used: int = await database.fetchval("SELECT used_count FROM coupons WHERE id = $1", coupon_id)
    return used


async def buy_with(actor: Actor, sale: OnSale, user_id: int = 1, code: str = "HALF") -> Order:
    """Make an order with a coupon."""
    made = (await actor.create(wish(sale, user_id, coupon_code=code))).order
    assert made is not None
    return made


async def closed(actor: Actor, order: Order) -> Order:
    """Have the provider say that the newest attempt takes no money any more."""
    fact = AttemptClosedAtProvider(provider="wechat", attempt_no=order.attempts[-1].attempt_no)
    return (await actor.take_turn(RecordAttempt(order_id=order.id, fact=fact))).order


class TestASaleWithACoupon:
    async def test_is_of_the_lower_price(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, tiers={2: 16900})
        await a_coupon(database)

        made = await actor.create(wish(sale, 1, 2, coupon_code=" half "))

        assert made.order is not None
        loaded = await actor.load(made.order.id)
        assert loaded.total.amount_minor == 8450
        assert loaded.coupon == made.order.coupon
        assert await uses(database) == 1

    async def test_claims_its_attempt_for_the_lower_price(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database)
        order = await buy(actor, sale, 9)
        words = a_start(order)

        made = await actor.create(wish(sale, 1, coupon_code="HALF", first_attempt=words))

        assert made.order is not None
        assert made.order.attempts[0].request.amount.amount_minor == 4950

    @pytest.mark.parametrize("code", ["NONE SUCH", "", "h\N{LATIN SMALL LETTER A WITH ACUTE}lf"])
    async def test_that_does_not_exist_makes_nothing(
        self, actor: Actor, database: Database, code: str
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database)

        with pytest.raises(errors.CouponInvalid):
            await buy_with(actor, sale, code=code)

        assert await seats_taken(database, sale) == 0

    async def test_of_another_event_makes_nothing(self, actor: Actor, database: Database) -> None:
        sale, elsewhere = await put_on_sale(database), await put_on_sale(database)
        await a_coupon(database, event_id=elsewhere.event_id)

        with pytest.raises(errors.CouponInvalid):
            await buy_with(actor, sale)

    async def test_of_a_free_ticket_is_refused(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, price_minor=0)
        await a_coupon(database)

        with pytest.raises(errors.CouponInvalid):
            await actor.create(wish(sale, 1, coupon_code="HALF"))

    async def test_gets_the_last_use_once_of_fifty_who_want_it(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, max_uses=1)
        desks = [actor, other] * 25

        told = await asyncio.gather(
            *(
                desk.create(wish(sale, user, coupon_code="HALF"))
                for user, desk in enumerate(desks, 1)
            ),
            return_exceptions=True,
        )

        refused = [answer for answer in told if isinstance(answer, errors.CouponInvalid)]
        assert len(refused) == 49
        assert (await uses(database), await seats_taken(database, sale)) == (1, 1)

    async def test_that_is_used_up_takes_no_seat_from_others_of_its_group(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=3)
        await a_coupon(database, max_uses=1)
        wishes = [wish(sale, user, coupon_code="HALF") for user in (1, 2, 3)]

        told = await answers(actor, [*wishes, wish(sale, 4), wish(sale, 5)])

        assert [type(answer).__name__ for answer in told] == [
            "Sale",
            "CouponInvalid",
            "CouponInvalid",
            "Sale",
            "Sale",
        ]

    async def test_at_two_types_of_an_event_at_once_waits_in_no_circle(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database)
        orders = await asyncio.gather(*(buy_with(actor, sale, user) for user in range(1, 21)))

        ends = [other.take_turn(Cancel(order_id=order.id)) for order in orders]
        sales = [actor.create(wish(sale, n, coupon_code="HALF")) for n in range(21, 41)]
        await asyncio.gather(*ends, *sales)

        assert await uses(database) == 20


class TestASaleOfNothingToPay:
    async def test_is_settled_in_its_own_commit(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, tiers={2: 16900})
        await a_coupon(database, "ALL", value=100)

        made = await actor.create(wish(sale, 1, 2, coupon_code="ALL"))

        assert made.order is not None
        assert made.order.status == "PAID"
        assert await actor.load(made.order.id) == _with_ids(made.order, await _ids(database))
        payment = await database.fetchrow("SELECT * FROM payments")
        assert payment is not None
        assert (payment["provider"], payment["source"]) == ("free", "free")
        assert payment["attempt_no"] == f"{made.order.order_no}F"
        assert await database.fetchval("SELECT status FROM registrations") == "APPROVED"
        assert await database.fetchval("SELECT kind FROM effects") == "TICKETS"

    async def test_opens_no_attempt(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, "ALL", kind="FIXED", value=10_000)
        words = a_start(await buy(actor, sale, 9))

        made = await actor.create(wish(sale, 1, coupon_code="ALL", first_attempt=words))

        assert made.order is not None
        assert made.order.attempts == ()

    async def test_waits_for_approval_where_the_organizer_wants_it(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, require_approval=True)
        await a_coupon(database, "ALL", value=100)

        order = await buy_with(actor, sale, code="ALL")

        assert [place.status for place in order.registrations] == ["PENDING"]

    async def test_that_lost_its_answer_finds_its_own_order(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, "ALL", value=100)
        request = wish(sale, 1, coupon_code="ALL")
        first = await actor.create(request)

        again = await actor.create(request)

        assert (again.order_id, again.is_existing) == (first.order_id, False)
        assert await uses(database) == 1


async def _ids(database: Database) -> list[int]:
    found = await database.fetch("SELECT id FROM order_invites ORDER BY position")
    return [row["id"] for row in found]


def _with_ids(order: Order, ids: list[int]) -> Order:
    gifts = zip(order.invites, ids, strict=True)
    return replace(order, invites=tuple(replace(gift, id=n) for gift, n in gifts))


class TestAWaitingOrder:
    async def test_is_lowered_once_however_many_ask(
        self, actor: Actor, other: Actor, lonely: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database)
        order = await buy(actor, sale)
        command = ApplyCoupon(order_id=order.id, code="half")

        turns = await asyncio.gather(
            *(desk.take_turn(command) for desk in [actor, other, lonely] * 10)
        )

        assert sum(bool(turn.events) for turn in turns) == 1
        assert (await actor.load(order.id)).total.amount_minor == 4950
        assert await uses(database) == 1

    async def test_is_one_of_fifty_that_gets_the_last_use(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, max_uses=1)
        orders = await asyncio.gather(*(buy(actor, sale, user) for user in range(1, 51)))

        told = await asyncio.gather(
            *(
                desk.take_turn(ApplyCoupon(order_id=order.id, code="HALF"))
                for order, desk in zip(orders, [actor, other] * 25, strict=True)
            ),
            return_exceptions=True,
        )

        assert sum(isinstance(answer, errors.CouponInvalid) for answer in told) == 49
        assert await uses(database) == 1

    async def test_is_settled_by_what_leaves_nothing(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, "ALL", value=100)
        order = await buy(actor, sale)

        turn = await actor.take_turn(ApplyCoupon(order_id=order.id, code="ALL"))

        assert turn.order.status == "PAID"
        assert await actor.load(order.id) == _plain(turn.order)

    async def test_keeps_a_use_for_who_can_have_it(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, max_uses=1)
        busy = await opened(actor, await buy(actor, sale, 1))
        idle = await buy(actor, sale, 2)

        told = await asyncio.gather(
            *(
                actor.take_turn(ApplyCoupon(order_id=order.id, code="HALF"))
                for order in (busy, idle)
            ),
            return_exceptions=True,
        )

        assert isinstance(told[0], errors.PrepareInProgress)
        assert not isinstance(told[1], BaseException)


def _plain(order: Order) -> Order:
    return replace(order, on_offer=None)


class TestAnEndedOrder:
    async def test_gives_its_use_back_once_however_it_ends(
        self, actor: Actor, other: Actor, lonely: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, max_uses=8)
        orders = [await buy_with(actor, sale, user) for user in range(1, 9)]
        for order in orders:
            await time_is_up(database, order)

        await asyncio.gather(
            *(
                desk.take_turn(command(order_id=order.id))
                for order in orders
                for desk in (actor, other, lonely)
                for command in (Cancel, Expire)
            )
        )

        assert await uses(database) == 0
        assert await database.fetchval(
            "SELECT count(*) = 8 FROM coupon_usages WHERE released_at IS NOT NULL"
        )

    async def test_leaves_the_use_to_the_next(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, max_uses=1)
        first = await buy_with(actor, sale, 1)
        await actor.take_turn(Cancel(order_id=first.id))

        assert (await buy_with(actor, sale, 2)).total.amount_minor == 4950


class TestLateMoney:
    async def _ended(self, actor: Actor, database: Database, sale: OnSale) -> Order:
        order = await opened(actor, await buy_with(actor, sale))
        await time_is_up(database, order)
        await actor.take_turn(Expire(order_id=order.id))
        return await closed(actor, order)

    async def test_takes_seats_and_use_again(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, max_uses=1)
        order = await self._ended(actor, database, sale)

        turn = await actor.take_turn(payment_of(order))

        assert turn.order.status == "PAID"
        assert (await uses(database), await seats_taken(database, sale)) == (1, 1)

    async def test_goes_back_when_others_used_the_coupon_up(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, max_uses=1)
        order = await self._ended(actor, database, sale)
        await buy_with(actor, sale, 2)

        turn = await actor.take_turn(payment_of(order))

        assert turn.order.status == "EXPIRED"
        assert turn.order.reclaim is not None
        assert turn.order.reclaim.refusal == "coupon_used_up"
        assert await database.fetchval("SELECT refund_minor FROM payments") == 4950
        assert (await uses(database), await seats_taken(database, sale)) == (1, 1)

    async def test_is_honoured_when_the_coupon_merely_ran_out(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database)
        order = await self._ended(actor, database, sale)
        await database.execute("UPDATE coupons SET ends_at = now(), is_active = false")

        turn = await actor.take_turn(payment_of(order))

        assert turn.order.status == "PAID"

    async def test_of_two_orders_and_one_use_is_honoured_once(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        await a_coupon(database, max_uses=1)
        first = await self._ended(actor, database, sale)
        other = await opened(actor, await buy_with(actor, sale, 2))
        await time_is_up(database, other)
        await actor.take_turn(Expire(order_id=other.id))
        second = await closed(actor, other)

        turns = await asyncio.gather(
            *(actor.take_turn(payment_of(order)) for order in (first, second))
        )

        assert sorted(turn.order.status for turn in turns) == ["EXPIRED", "PAID"]
        assert await uses(database) == 1


class TestAnOpenPayment:
    async def test_is_closed_before_the_price_changes(
        self, actor: Actor, database: Database
    ) -> None:
        provider = Closing()
        (checkout,) = checkouts(database, provider, [actor])
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await a_coupon(database)

        lowered = await checkout.apply_coupon(order.id, "half")

        assert [attempt.state for attempt in lowered.attempts] == ["CLOSED"]
        assert lowered.total.amount_minor == 4950

    async def test_stays_open_for_a_coupon_that_is_none(
        self, actor: Actor, database: Database
    ) -> None:
        (checkout,) = checkouts(database, Closing(), [actor])
        order = await opened(actor, await buy(actor, await put_on_sale(database)))

        with pytest.raises(errors.CouponInvalid):
            await checkout.apply_coupon(order.id, "half")

        assert (await actor.load(order.id)).attempts[0].state == "OPEN"

    async def test_that_was_paid_before_its_close_settles_at_the_old_price(
        self, actor: Actor, database: Database
    ) -> None:
        provider = Closing()
        (checkout,) = checkouts(database, provider, [actor])
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await a_coupon(database)
        provider.paid.add(order.attempts[0].attempt_no)

        with pytest.raises(errors.OrderAlreadyPaid):
            await checkout.apply_coupon(order.id, "half")

        paid = await actor.load(order.id)
        assert (paid.status, paid.total.amount_minor, paid.coupon) == ("PAID", 9900, None)
        assert await uses(database) == 0

    async def test_that_cannot_be_closed_keeps_its_price(
        self, actor: Actor, database: Database
    ) -> None:
        provider = Closing(is_stubborn=True)
        (checkout,) = checkouts(database, provider, [actor])
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await a_coupon(database)

        with pytest.raises(errors.ProviderUnavailable):
            await checkout.apply_coupon(order.id, "half")

        assert (await actor.load(order.id)).total.amount_minor == 9900

    @pytest.mark.parametrize("how", ["closes nothing", "has not met the payer"])
    async def test_that_nobody_can_close_does_not_hold_the_price(
        self, actor: Actor, database: Database, how: str
    ) -> None:
        provider = Closing(is_stubborn=True)
        if how == "closes nothing":
            provider.capabilities = frozenset(Capability) - {Capability.CLOSE}
        else:
            provider.has_met_nobody = True
        (checkout,) = checkouts(database, provider, [actor])
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await a_coupon(database)

        lowered = await checkout.apply_coupon(order.id, "half")

        assert lowered.total.amount_minor == 4950
        assert [(a.state, a.close_owed) for a in lowered.attempts] == [("OPEN", True)]
        assert await uses(database) == 1
        old = (await actor.take_turn(payment_of(order))).order
        assert (old.status, [r.amount.amount_minor for r in old.refunds]) == ("PENDING", [9900])

    async def test_that_is_just_being_opened_is_waited_for(
        self, actor: Actor, database: Database
    ) -> None:
        (checkout,) = checkouts(database, Closing(is_stubborn=True), [actor])
        order = await buy(actor, await put_on_sale(database))
        await actor.take_turn(a_start(order))
        await a_coupon(database)

        with pytest.raises(errors.PrepareInProgress):
            await checkout.apply_coupon(order.id, "half")


class Closing(Counter):
    """A provider that closes what it is told to, unless it was paid or is stubborn."""

    def __init__(self, *, is_stubborn: bool = False) -> None:
        super().__init__()
        self._is_stubborn = is_stubborn
        self.capabilities = frozenset(Capability)
        self.has_met_nobody = False

    async def query(self, request: AttemptRequest, _opened: Opened | None = None) -> QueryFact:
        """Say whether somebody paid; until somebody is met, of nobody."""
        told = await super().query(request, _opened)
        if not self.has_met_nobody:
            return told
        number = request.attempt_no
        return AttemptNotFound(provider="wechat", attempt_no=number, asked_at=datetime.now(UTC))

    async def close(self, request: Any, _opened: object = None) -> AttemptClosedAtProvider | None:  # noqa: ANN401 - a request
        """Close an attempt."""
        if self._is_stubborn or request.attempt_no in self.paid:
            return None
        return AttemptClosedAtProvider(provider="wechat", attempt_no=request.attempt_no)


class TestTheSameRequestAgain:
    async def _checkout(self, actor: Actor, database: Database) -> Checkout:
        (checkout,) = checkouts(database, Closing(), [actor])
        return checkout

    async def test_with_a_coupon_now_lowers_the_waiting_order(
        self, actor: Actor, database: Database
    ) -> None:
        sale, checkout = await put_on_sale(database), await self._checkout(actor, database)
        await a_coupon(database)
        first = await checkout.buy(wish(sale, 1))

        again = await checkout.buy(wish(sale, 1, coupon_code="HALF"))

        assert (again.order_id, again.is_existing) == (first.order_id, True)
        assert again.order is not None
        assert again.order.total.amount_minor == 4950

    async def test_with_the_same_coupon_changes_nothing(
        self, actor: Actor, database: Database
    ) -> None:
        sale, checkout = await put_on_sale(database), await self._checkout(actor, database)
        await a_coupon(database)
        requests: list[CreateOrder] = [wish(sale, 1, coupon_code="HALF") for _ in range(3)]

        made = [await checkout.buy(request) for request in requests]

        assert len({sale.order_id for sale in made}) == 1
        assert await uses(database) == 1

    async def test_with_a_refused_coupon_does_not_use_up_its_key(
        self, actor: Actor, database: Database
    ) -> None:
        sale, checkout = await put_on_sale(database), await self._checkout(actor, database)
        await a_coupon(database)
        first = await checkout.buy(wish(sale, 1))
        with pytest.raises(errors.CouponInvalid):
            await checkout.buy(
                wish(sale, 1, coupon_code="WRONG", idempotency_key="k", body_hash="wrong")
            )

        again = await checkout.buy(
            wish(sale, 1, coupon_code="HALF", idempotency_key="k", body_hash="right")
        )

        assert again.order_id == first.order_id

    async def test_with_a_key_finds_its_order_when_that_has_ended(
        self, actor: Actor, database: Database
    ) -> None:
        sale, checkout = await put_on_sale(database), await self._checkout(actor, database)
        await a_coupon(database)
        await checkout.buy(wish(sale, 1))
        keyed: dict[str, Any] = {"coupon_code": "HALF", "idempotency_key": "k", "body_hash": "h"}
        found = await checkout.buy(wish(sale, 1, **keyed))
        assert found.order_id is not None
        await actor.take_turn(Cancel(order_id=found.order_id))

        again = await checkout.buy(wish(sale, 1, **keyed))

        assert again.order_id == found.order_id


class TestAnswers:
    async def test_are_kept_with_the_place(self, actor: Actor, database: Database) -> None:
        paid, free = await put_on_sale(database), await put_on_sale(database, price_minor=0)
        said = {"diet": "none", "\N{GRINNING FACE}": ""}

        await actor.create(wish(paid, 1, answers=said))
        await actor.create(wish(free, 1, answers=said))
        await actor.create(wish(paid, 2))

        kept = await database.fetch(
            "SELECT answers::text = $1 AS same FROM registrations ORDER BY id", "{}"
        )
        assert [row["same"] for row in kept] == [False, False, None]
        assert await database.fetchval(
            "SELECT count(*) = 2 FROM registrations WHERE answers ->> 'diet' = 'none'"
        )


class TestTheDesk:
    async def test_makes_a_code_once(self, database: Database) -> None:
        wanted = NewCoupon(code="once", kind=CouponKind.PERCENT, value=10)
        made = await make_coupon(database, wanted, user_id=1)

        with pytest.raises(errors.CouponExists):
            await make_coupon(database, wanted, user_id=1)

        assert (made.code, made.used_count, made.is_active) == ("ONCE", 0, True)

    async def test_keeps_the_limit_above_what_is_being_used(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        coupon_id = await a_coupon(database, max_uses=20)
        buys = [actor.create(wish(sale, n, coupon_code="HALF")) for n in range(1, 21)]
        change = CouponChange(is_active=True, max_uses=10)

        await asyncio.gather(
            *buys,
            change_coupon(database, coupon_id, change, event_id=None),
            return_exceptions=True,
        )

        most = await database.fetchval("SELECT max_uses FROM coupons")
        assert await uses(database) == most

    async def test_changes_no_coupon_of_another_event(self, database: Database) -> None:
        sale, other = await put_on_sale(database), await put_on_sale(database)
        coupon_id = await a_coupon(database, event_id=sale.event_id)
        change = CouponChange(is_active=False)

        for event_id in (other.event_id, None):
            with pytest.raises(errors.NotFound):
                await change_coupon(database, coupon_id, change, event_id=event_id)
