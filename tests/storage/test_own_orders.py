"""Many people who look for their own orders in the same moment."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from actors.actor import Actor
from actors.own_orders import OwnOrders
from contracts.channels import Openids
from contracts.order import Order
from models.engine import Database, Record
from models.people import user_at_first_sight
from models.wechat_identities import bind_openid, bind_own_openid
from tests.storage.stage import buy, put_on_sale

TICKETS = "EVENT_TICKET"


class Counting:
    """The database, and how often it was asked."""

    def __init__(self, database: Database) -> None:
        self.asked = 0
        self._database = database

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """Count, and ask."""
        self.asked += 1
        return await self._database.fetch(sql, *args)


@pytest.fixture
def counting(database: Database) -> Counting:
    return Counting(database)


@pytest.fixture
async def own_orders(counting: Counting) -> AsyncIterator[OwnOrders]:
    own_orders = OwnOrders(counting)  # type: ignore[arg-type]  # as much as a look needs
    yield own_orders
    await own_orders.close()


@pytest.fixture
async def orders(database: Database, actor: Actor) -> list[Order]:
    """Two people with an order each."""
    sale = await put_on_sale(database)
    people = [
        await user_at_first_sight(database, issuer="tests", subject=f"looker {n}") for n in range(2)
    ]
    return [await buy(actor, sale, user_id) for user_id in people]


async def seek(own_orders: OwnOrders, wanted: Sequence[tuple[Order, str, str]]) -> list[int | str]:
    """Look as the first order's owner or another's, all at once; say which was found."""
    found = await asyncio.gather(
        *(
            own_orders.find(user_id=owner.user_id, reference=reference, biz_type=biz_type)
            for owner, reference, biz_type in wanted
        ),
        return_exceptions=True,
    )
    return [
        type(seen).__name__ if isinstance(seen, BaseException) else seen.order.id for seen in found
    ]


class TestAnOwnOrder:
    async def test_is_found_by_its_id_and_by_its_number(
        self, own_orders: OwnOrders, orders: list[Order]
    ) -> None:
        one, other = orders
        wanted = [
            (one, str(one.id), TICKETS),
            (other, other.order_no, TICKETS),
            (other, str(other.id), TICKETS),
            (one, one.order_no, TICKETS),
            (one, str(one.id), TICKETS),
        ]

        assert await seek(own_orders, wanted) == [one.id, other.id, other.id, one.id, one.id]

    async def test_is_nobody_elses_whoever_asks_beside(
        self, own_orders: OwnOrders, orders: list[Order]
    ) -> None:
        one, other = orders
        wanted = [
            (one, str(one.id), TICKETS),
            (other, str(one.id), TICKETS),
            (other, one.order_no, TICKETS),
            (one, one.order_no, "DONATION"),
            (one, "9999999", TICKETS),
            (one, "nonsense", TICKETS),
        ]

        assert await seek(own_orders, wanted) == [one.id, *["NotFound"] * 5]

    async def test_costs_many_one_look(
        self, own_orders: OwnOrders, orders: list[Order], counting: Counting
    ) -> None:
        wanted = [(order, str(order.id), TICKETS) for order in orders * 10]

        assert "NotFound" not in await seek(own_orders, wanted)
        assert counting.asked == 1

    async def test_comes_whole_and_with_what_its_buyer_is_called(
        self, own_orders: OwnOrders, orders: list[Order], actor: Actor, database: Database
    ) -> None:
        one, other = orders
        await bind_own_openid(database, user_id=one.user_id, openid="o1")
        await bind_openid(database, user_id=one.user_id, appid="wx2", openid="o2")

        seen, unknown = [
            await own_orders.find(user_id=o.user_id, reference=str(o.id), biz_type=TICKETS)
            for o in (one, other)
        ]

        assert seen.order == await actor.load(one.id)
        assert seen.openids == Openids(own="o1", elsewhere={"wx2": "o2"})
        assert unknown.openids == Openids()
