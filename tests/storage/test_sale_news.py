"""What our own people are owed of a sale, and that nothing is owed where nobody listens."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from actors.actor import Actor
from contracts.commands import ApplyCoupon
from models.engine import Database
from models.sale_news import sale_story
from tests.storage.stage import (
    POLICY,
    buy,
    make_coupon,
    opened,
    paid,
    payment_of,
    put_on_sale,
    wish,
)


@pytest.fixture
async def telling(database: Database, redis: Redis) -> AsyncIterator[Actor]:
    """Stand in for a process that tells of sales."""
    policy = msgspec.structs.replace(POLICY, tells_sales=True)
    actor = Actor(database=database, redis=redis, policy=policy)
    yield actor
    await actor.close()


async def owed(database: Database) -> list[str]:
    rows = await database.fetch(
        "SELECT cause FROM effects WHERE kind = 'SALE_NEWS' AND holder_kind = 'order' ORDER BY id"
    )
    return [row["cause"] for row in rows]


class TestNews:
    async def test_are_owed_of_a_paid_order_once(self, telling: Actor, database: Database) -> None:
        order = await paid(telling, await put_on_sale(database))
        await telling.take_turn(payment_of(order))

        assert await owed(database) == [f"paid:{order.payments[0].provider_txn_id}"]

    async def test_are_owed_of_a_coupon_when_it_is_bought_with(
        self, telling: Actor, database: Database
    ) -> None:
        coupon_id = await make_coupon(database)
        sale = await put_on_sale(database)

        await telling.create(wish(sale, 1, coupon_code="HALF"))
        await telling.create(wish(sale, 2))

        assert await owed(database) == [f"coupon:{coupon_id}"]

    async def test_are_owed_of_a_coupon_that_is_applied_later(
        self, telling: Actor, database: Database
    ) -> None:
        coupon_id = await make_coupon(database)
        order = await buy(telling, await put_on_sale(database))

        for _ in range(2):
            await telling.take_turn(ApplyCoupon(order_id=order.id, code="HALF"))

        assert await owed(database) == [f"coupon:{coupon_id}"]

    async def test_are_owed_of_both_where_a_coupon_left_nothing_to_pay(
        self, telling: Actor, database: Database
    ) -> None:
        coupon_id = await make_coupon(database, value=100)
        sale = await put_on_sale(database)

        made = (await telling.create(wish(sale, 1, coupon_code="HALF"))).order

        assert made is not None
        of_coupon, of_payment = await owed(database)
        assert of_coupon == f"coupon:{coupon_id}"
        assert of_payment.startswith("paid:")
        story = await sale_story(database, made.id)
        assert story is not None
        assert story.payment is not None
        assert story.payment.amount.amount_minor == 0
        assert story.price.amount_minor == 9900

    async def test_are_not_owed_where_nobody_listens(
        self, actor: Actor, database: Database
    ) -> None:
        await make_coupon(database)
        sale = await put_on_sale(database)
        await actor.create(wish(sale, 1, coupon_code="HALF"))
        order = await opened(actor, await buy(actor, sale, 2))
        await actor.take_turn(payment_of(order))

        assert await owed(database) == []

    async def test_are_of_an_order_that_is_there(self, database: Database) -> None:
        assert await sale_story(database, 404) is None
