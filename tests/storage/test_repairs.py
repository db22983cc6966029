"""Orders that kept money without being paid, damaged by hand and mended by turns."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from actors.actor import Actor
from actors.repairs import Repairs
from contracts.order import Order
from contracts.states import OrderStatus, PaymentStatus
from jobs.repair import Repair
from models.engine import Database
from models.repairs import unsettled
from tests.storage.stage import (
    buy,
    opened,
    paid,
    put_on_sale,
    refund_of,
    seats_taken,
    time_is_up,
)

KEEP = """INSERT INTO payments (order_id, attempt_no, provider, provider_txn_id, amount_minor,
    currency, honoured, refund_minor, source, paid_at)
  VALUES ($1, $2, 'wechat', $2, $3, 'CNY', true, 0, 'notice', now())"""
OPEN_CASES = """SELECT c.subject || ' ' || c.reason FROM cases c
  JOIN effects e ON e.holder_id = c.id AND e.holder_kind = 'case' AND e.kind = 'ALARM'"""


async def keeps_money(database: Database, order: Order, amount_minor: int | None = None) -> None:
    """Give an order a payment it knows nothing of."""
    asked = order.total.amount_minor if amount_minor is None else amount_minor
    await database.execute(KEEP, order.id, order.attempts[-1].attempt_no, asked)


def counted(metric: str) -> float:
    return REGISTRY.get_sample_value(metric) or 0


def repairs(actor: Actor, database: Database) -> Repairs:
    return Repairs(actor=actor, database=database)


class TestARepair:
    async def test_makes_a_waiting_order_paid(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database, tiers={3: 25000})
        order = await opened(actor, await buy(actor, sale, quantity=3))
        await keeps_money(database, order)

        assert await repairs(actor, database).mend(order.id)

        mended = await actor.load(order.id)
        assert (mended.status, mended.payment_status) == (OrderStatus.PAID, PaymentStatus.PAID)
        assert await seats_taken(database, sale) == 3
        assert await unsettled(database, 10) == []

    async def test_makes_a_closing_order_paid_and_closes_the_rest(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        order = await opened(actor, await buy(actor, sale))
        await database.execute("UPDATE orders SET status = 'CLOSING', closing_for = 'EXPIRE'")
        await keeps_money(database, order)

        assert await repairs(actor, database).mend(order.id)

        mended = await actor.load(order.id)
        assert (mended.status, mended.closing_for) == (OrderStatus.PAID, None)

    async def test_happens_once_however_many_try(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await keeps_money(database, order)

        done = await asyncio.gather(
            *(repairs(one, database).mend(order.id) for one in (actor, other) for _ in range(5))
        )

        assert sum(done) == 1
        kept = await database.fetchval(
            "SELECT count(*) FROM order_events WHERE kind = 'settlement_repaired'"
        )
        assert kept == 1

    async def test_leaves_an_ended_order_to_a_person(self, actor: Actor, emptied: Database) -> None:
        sale = await put_on_sale(emptied)
        order = await opened(actor, await buy(actor, sale))
        await emptied.execute("UPDATE payment_attempts SET state = 'CLOSED'")
        await emptied.execute("UPDATE orders SET status = 'EXPIRED', seats_held = 0")
        await keeps_money(emptied, order)

        for _ in range(2):
            assert not await repairs(actor, emptied).mend(order.id)

        assert (await actor.load(order.id)).status is OrderStatus.EXPIRED
        told = [row[0] for row in await emptied.fetch(OPEN_CASES)]
        assert told == [f"settlement:{order.id} seats_gone"]

    @pytest.mark.parametrize("part", [100, None])
    async def test_never_touches_a_refund(
        self, actor: Actor, emptied: Database, part: int | None
    ) -> None:
        order = await paid(actor, await put_on_sale(emptied))
        await actor.take_turn(refund_of(order, part))
        before = await actor.load(order.id)
        assert before.payment_status is PaymentStatus.REFUNDING

        assert not await repairs(actor, emptied).mend(order.id)

        assert await actor.load(order.id) == before
        assert await emptied.fetch(OPEN_CASES) == []


class TestTheRepairSweep:
    async def test_mends_what_it_can_and_counts_what_is_left(
        self, actor: Actor, emptied: Database
    ) -> None:
        sale = await put_on_sale(emptied)
        safe, wrong, back = [
            await opened(actor, await buy(actor, sale, user)) for user in (1, 2, 3)
        ]
        await keeps_money(emptied, safe)
        await keeps_money(emptied, wrong, 1)
        await paid(actor, sale, 4)
        mended = counted("guichet_settlements_repaired_total")

        sweep = Repair(database=emptied, repairs=repairs(actor, emptied))
        assert not await sweep.do_round()
        assert not await sweep.do_round()

        assert (await actor.load(safe.id)).status is OrderStatus.PAID
        assert (await actor.load(wrong.id)).status is OrderStatus.PENDING
        assert (await actor.load(back.id)).version == back.version
        assert counted("guichet_settlements_repaired_total") == mended + 1
        assert counted("guichet_orders_unpaid_though_honoured") == 1
        told = [row[0] for row in await emptied.fetch(OPEN_CASES)]
        assert told == [f"settlement:{wrong.id} amount"]

    async def test_finds_an_open_order_among_newer_payments(
        self, actor: Actor, emptied: Database
    ) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(emptied)))
        await keeps_money(emptied, order)
        await emptied.execute(
            "INSERT INTO payments (id, order_id, attempt_no, provider, provider_txn_id,"
            " amount_minor, currency, honoured, refund_minor, source, paid_at)"
            " SELECT 20000, order_id, 'x', 'wechat', 'x', 1, 'CNY', false, 0, 'notice', now()"
            " FROM payments"
        )
        await time_is_up(emptied, order)

        assert [row.id for row in await unsettled(emptied, 10)] == [order.id]
