import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.actor import Actor
from actors.metrics import LEASE_FALLBACKS, OVERTAKEN
from contracts import errors
from contracts.commands import Cancel, Expire, RecordAttempt, RecordRefund
from contracts.facts import (
    AttemptClosedAtProvider,
    FactSource,
    RefundMoved,
    RefundOutcome,
)
from contracts.money import Money
from contracts.order import Order
from contracts.states import Channel
from models.engine import Database, Tx
from models.orders import load
from models.turns import write
from models.written import WrittenTurn
from tests.storage.stage import (
    OnSale,
    a_start,
    buy,
    opened,
    payment_of,
    put_on_sale,
    seats_taken,
    time_is_up,
    wish,
)


class TestAPayment:
    async def test_moves_order_attempt_payment_place_and_duties_together(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))

        turn = await actor.take_turn(payment_of(order))

        assert await actor.load(order.id) == turn.order
        assert turn.order.status == "PAID"
        assert await database.fetchval("SELECT status FROM registrations") == "APPROVED"
        assert await database.fetchval("SELECT kind FROM effects") == "TICKETS"
        assert await database.fetchval("SELECT due_at FROM payment_attempts") is None

    async def test_reported_a_hundred_times_settles_once(
        self, actor: Actor, other: Actor, lonely: Actor, database: Database
    ) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        fact = payment_of(order)

        turns = await asyncio.gather(
            *(desk.take_turn(fact) for desk in [actor, other, lonely, actor] * 25)
        )

        assert sum(bool(turn.events) for turn in turns) == 1
        assert await database.fetchval("SELECT count(*) FROM payments") == 1

    async def test_of_a_second_attempt_goes_back(self, actor: Actor, database: Database) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        order = await opened(actor, order, Channel.WECHAT_JSAPI)
        await actor.take_turn(payment_of(order, 0))

        turn = await actor.take_turn(payment_of(order, 1))

        assert turn.order.status == "PAID"
        refund = await database.fetchrow("SELECT * FROM refunds")
        assert refund is not None
        assert (refund["status"], refund["amount_minor"]) == ("requested", 9900)
        assert await database.fetchval("SELECT sum(refund_minor) FROM payments") == 9900

    async def test_of_another_amount_becomes_a_case(self, actor: Actor, database: Database) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        wrong = payment_of(order, paid=Money(amount_minor=1, currency="CNY"))

        await actor.take_turn(wrong)
        turn = await actor.take_turn(wrong)

        assert turn.order.status == "PENDING"
        assert await database.fetchval("SELECT count(*) FROM payments") == 0
        assert await database.fetchval("SELECT reason FROM cases") == "amount"


class TestAnEnd:
    async def test_gives_every_seat_back_once_however_many_ask(
        self, actor: Actor, other: Actor, lonely: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={4: 32000})
        order = await buy(actor, sale, quantity=4)

        await asyncio.gather(
            *(desk.take_turn(Cancel(order_id=order.id)) for desk in [actor, other, lonely] * 20)
        )

        assert await seats_taken(database, sale) == 0
        assert await database.fetchval("SELECT sum(seats) FROM seat_ledger") == 0

    async def test_waits_for_the_provider_to_close_what_is_open(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        order = await opened(actor, await buy(actor, sale))
        await time_is_up(database, order)

        closing = (await actor.take_turn(Expire(order_id=order.id))).order
        assert (closing.status, await seats_taken(database, sale)) == ("CLOSING", 1)
        fact = AttemptClosedAtProvider(provider="wechat", attempt_no=order.attempts[0].attempt_no)
        ended = (await actor.take_turn(RecordAttempt(order_id=order.id, fact=fact))).order

        assert (ended.status, await seats_taken(database, sale)) == ("EXPIRED", 0)

    async def test_is_beaten_by_a_payment_that_came_first(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await time_is_up(database, order)
        await actor.take_turn(Expire(order_id=order.id))

        turn = await actor.take_turn(payment_of(order))

        assert turn.order.status == "PAID"


async def ended(actor: Actor, database: Database, order: Order, minutes: int = 1) -> Order:
    """Let an order with an open attempt end; its provider may still say that it was paid."""
    order = await opened(actor, order)
    await time_is_up(database, order, minutes)
    await actor.take_turn(Expire(order_id=order.id))
    fact = AttemptClosedAtProvider(provider="wechat", attempt_no=order.attempts[0].attempt_no)
    return (await actor.take_turn(RecordAttempt(order_id=order.id, fact=fact))).order


async def buy_soon(actor: Actor, sale: OnSale, user_id: int) -> Order:
    """Buy as soon as the news of "sold out" is old."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await buy(actor, sale, user_id)
            except errors.SoldOut:
                await asyncio.sleep(0.02)


def _overtaken_once(order_id: int) -> Any:  # noqa: ANN401 - stands in for models.orders.load
    """Load as ever, but let somebody else write between the first load and its write."""
    seen: list[int] = []

    async def overtaken(tx: Tx, order_ids: list[int], *, lock: bool = False) -> Any:  # noqa: ANN401
        loaded = await load(tx, order_ids, lock=lock)
        if not seen:
            seen.append(order_id)
            await tx.execute("UPDATE orders SET version = version + 1 WHERE id = $1", order_id)
            await tx.execute(
                """INSERT INTO order_events (order_id, version, kind, data)
                   SELECT id, version, 'overtaken', '{}' FROM orders WHERE id = $1""",
                order_id,
            )
        return loaded

    return overtaken


class TestLateMoney:
    async def test_is_honoured_while_seats_last(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, tiers={2: 16900}, max_quantity=2)
        order = await ended(actor, database, await buy(actor, sale, quantity=2))

        turn = await actor.take_turn(payment_of(order))

        assert turn.order.status == "PAID"
        assert await seats_taken(database, sale) == 2
        live = await database.fetchval(
            "SELECT count(*) FROM registrations WHERE status = 'APPROVED'"
        )
        assert live == 1

    async def test_goes_back_when_the_seats_are_gone(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=1)
        order = await ended(actor, database, await buy(actor, sale, user_id=1))
        await buy_soon(actor, sale, 2)

        turn = await actor.take_turn(payment_of(order))

        assert turn.order.status == "EXPIRED"
        assert await database.fetchval("SELECT amount_minor FROM refunds") == 9900
        assert await seats_taken(database, sale) == 1

    async def test_goes_back_when_it_comes_too_late(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        order = await ended(actor, database, await buy(actor, sale), minutes=25 * 60)

        assert (await actor.take_turn(payment_of(order))).order.status == "EXPIRED"

    async def test_goes_back_when_the_sale_is_over(self, actor: Actor, database: Database) -> None:
        order = await ended(actor, database, await buy(actor, await put_on_sale(database)))
        await database.execute("UPDATE ticket_types SET is_active = false")

        assert (await actor.take_turn(payment_of(order))).order.status == "EXPIRED"

    async def test_goes_back_when_the_buyer_has_another_order(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        order = await ended(actor, database, await buy(actor, sale))
        await actor.create(wish(sale, 1))

        assert (await actor.take_turn(payment_of(order))).order.status == "EXPIRED"

    async def test_waits_for_a_held_event_without_stopping_other_payments(
        self, actor: Actor, database: Database
    ) -> None:
        held = await put_on_sale(database)
        late = await ended(actor, database, await buy(actor, held))
        on_time = await opened(actor, await buy(actor, await put_on_sale(database)))
        async with database.transaction() as tx:
            await tx.execute(
                "SELECT 1 FROM ticket_types WHERE id = $1 FOR UPDATE", held.ticket_type_id
            )
            waiting = asyncio.ensure_future(actor.take_turn(payment_of(late)))
            await asyncio.sleep(0.1)

            async with asyncio.timeout(4.5):
                assert (await actor.take_turn(payment_of(on_time))).order.status == "PAID"

        assert (await waiting).order.status == "PAID"

    async def test_for_the_last_seat_is_honoured_once(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=1)
        late = [
            await ended(actor, database, await buy_soon(actor, sale, user)) for user in range(1, 9)
        ]

        turns = await asyncio.gather(
            *([actor, other][n % 2].take_turn(payment_of(order)) for n, order in enumerate(late))
        )

        assert sorted(turn.order.status for turn in turns) == ["EXPIRED"] * 7 + ["PAID"]


class TestARefund:
    async def test_of_a_surplus_ends_with_the_providers_word(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, max_quantity=1)
        order = await ended(actor, database, await buy(actor, sale, user_id=1))
        await buy_soon(actor, sale, 2)
        order = (await actor.take_turn(payment_of(order))).order
        refund = order.refunds[0]
        fact = RefundMoved(
            provider="wechat",
            attempt_no=refund.attempt_no,
            refund_no=refund.refund_no,
            provider_refund_id="R1",
            refunded=refund.amount,
            outcome=RefundOutcome.SUCCESS,
            source=FactSource.NOTICE,
        )

        turn = await actor.take_turn(RecordRefund(order_id=order.id, fact=fact))

        assert turn.order.refunds[0].status == "succeeded"
        assert await database.fetchval("SELECT due_at FROM refunds") is None


class TestATurn:
    async def test_that_was_overtaken_writes_nothing(
        self, actor: Actor, database: Database
    ) -> None:
        order = await buy(actor, await put_on_sale(database))
        orders, now = await load(database, [order.id])
        stale = orders[order.id]
        assert now is not None
        turn = await actor.take_turn(a_start(order))

        async with database.transaction() as tx:
            written = WrittenTurn(before=stale, after=turn.order, events=turn.events)
            won = await write(tx, [written], now)

        assert won == set()
        assert (await actor.load(order.id)).version == stale.version + 1

    async def test_that_was_overtaken_decides_anew(
        self, lonely: Actor, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = await opened(lonely, await buy(lonely, await put_on_sale(database)))
        overtaken_before = OVERTAKEN._value.get()  # noqa: SLF001 - no public reader
        monkeypatch.setattr("actors.turns.load", _overtaken_once(order.id))

        turn = await lonely.take_turn(payment_of(order))

        assert turn.order.status == "PAID"
        assert OVERTAKEN._value.get() == overtaken_before + 1  # noqa: SLF001 - as above

    async def test_meets_no_other_of_its_order_in_one_group(
        self, actor: Actor, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = await buy(actor, await put_on_sale(database))
        groups: list[list[int]] = []

        async def noted(tx: Tx, order_ids: list[int], *, lock: bool = False) -> Any:  # noqa: ANN401
            groups.append(order_ids)
            return await load(tx, order_ids, lock=lock)

        monkeypatch.setattr("actors.turns.load", noted)
        await asyncio.gather(
            *(actor.take_turn(a_start(order)) for _ in range(9)), return_exceptions=True
        )

        assert groups
        assert all(group == [order.id] for group in groups)

    async def test_of_an_unknown_order_is_not_found(self, actor: Actor) -> None:
        with pytest.raises(errors.NotFound):
            await actor.take_turn(Expire(order_id=404))

    async def test_leaves_no_lease_behind(
        self, actor: Actor, database: Database, redis: Redis
    ) -> None:
        order = await buy(actor, await put_on_sale(database))

        await actor.take_turn(a_start(order))

        assert await redis.get(f"guichet:{{lease}}:{order.id}") is None

    async def test_waits_for_another_process_to_give_its_lease_back(
        self, actor: Actor, database: Database, redis: Redis
    ) -> None:
        order = await buy(actor, await put_on_sale(database))
        await redis.set(f"guichet:{{lease}}:{order.id}", "someone", px=300)

        turn = await actor.take_turn(a_start(order))

        assert turn.events

    async def test_does_not_wait_for_ever(
        self, actor: Actor, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = await buy(actor, await put_on_sale(database))
        await redis.set(f"guichet:{{lease}}:{order.id}", "someone")
        monkeypatch.setattr("actors.lane.PATIENCE_SECONDS", 1.0)
        monkeypatch.setattr("actors.mailbox.PATIENCE_SECONDS", 1.0)

        with pytest.raises(errors.OrderBusy):
            await actor.take_turn(a_start(order))

        await redis.delete(f"guichet:{{lease}}:{order.id}")

    async def test_goes_on_without_redis(self, lonely: Actor, database: Database) -> None:
        fallbacks = LEASE_FALLBACKS._value.get()  # noqa: SLF001 - no public reader
        order = await opened(lonely, await buy(lonely, await put_on_sale(database)))

        assert (await lonely.take_turn(payment_of(order))).order.status == "PAID"
        assert LEASE_FALLBACKS._value.get() > fallbacks  # noqa: SLF001 - as above
