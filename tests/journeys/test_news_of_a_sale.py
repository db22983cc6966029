"""A sale is told to our own people, and its buyer is one who has paid."""

import asyncio
from typing import Any

import pytest

from models.engine import Database
from tests.journeys.payer import EVENT, Desk, Learner, refund_that
from tests.journeys.service import Service, act, eventually
from tests.journeys.test_first_sale import wait_for_row

pytestmark = pytest.mark.xdist_group("service")

WAYS = [
    ("wechat", "wx_pub_qr", "WECHAT_NATIVE"),
    ("pingxx", "alipay_qr", "alipay_qr"),
    ("alipay", "alipay_qr", "alipay_qr"),
]


def news_of(learner: Learner) -> list[dict[str, Any]]:
    """List what the group was told of an order."""
    told = learner.service.sandbox.get("/control/feishu").json()["items"]
    return [one for one in told if f"订单：{learner.number}" in one["lines"]]


async def state_of(books: Database, learner: Learner) -> str:
    state: str = await books.fetchval("SELECT state FROM users WHERE id = $1", learner.id)
    return state


async def becomes_paid(books: Database, learner: Learner) -> None:
    sql = "SELECT 1 FROM users WHERE id = $1 AND state = 'paid'"
    await wait_for_row(books, sql, learner.id)


class TestASale:
    @pytest.mark.parametrize(("provider", "channel", "word"), WAYS)
    async def test_moves_its_buyer_to_paid_and_is_told_to_the_group(
        self,
        *,
        learner: Learner,
        service: Service,
        books: Database,
        provider: str,
        channel: str,
        word: str,
    ) -> None:
        learner.charge(provider, channel)
        assert await state_of(books, learner) == "registered"
        assert news_of(learner) == []

        act(service, learner.number_of(), duplicate=3)

        await asyncio.to_thread(learner.wait)
        await becomes_paid(books, learner)
        (news,) = await asyncio.to_thread(eventually, lambda: news_of(learner))
        assert news["title"] == "Guichet：新的购票"
        lines = dict(line.split("：", 1) for line in news["lines"])
        assert lines["支付渠道"] == f"{provider} / {word}"
        assert "50.00" in lines["实付"]
        assert int(lines["付费用户数"]) >= 1
        assert {"买家", "活动", "价格项", "注册用户数", "总用户数", "通知"} <= lines.keys()

    async def test_by_hand_is_told_too(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        desk = Desk(service)
        answer = service.client.post(
            f"/api/events/{EVENT}/orders/{learner.number}/mark-paid",
            json={"reason": "cash at the door"},
            headers=desk.headers,
        )

        assert answer.json() == {"status": "PAID"}
        await becomes_paid(books, learner)
        assert len(await asyncio.to_thread(eventually, lambda: news_of(learner))) == 1

    async def test_that_the_group_could_not_be_told_of_is_told_later(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        # Nobody knows whose message comes next: they are all refused until ours was.
        fault = {"provider": "feishu", "operation": "hook", "mode": "rate_limited", "count": 1000}
        assert service.sandbox.post("/control/faults", json=fault).is_success
        learner.charge("alipay")

        act(service, learner.number_of())

        owed = """SELECT 1 FROM effects WHERE kind = 'SALE_NEWS' AND holder_kind = 'order'
                  AND holder_id = $1 AND done_at IS NULL AND tries > 0"""
        await wait_for_row(books, owed, learner.bought["orderId"])
        assert news_of(learner) == []
        service.sandbox.delete("/control/faults")
        assert len(await asyncio.to_thread(eventually, lambda: news_of(learner))) == 1

    async def test_that_is_taken_back_leaves_its_buyer_as_one_who_has_paid(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge("alipay")
        act(service, learner.number_of())
        await asyncio.to_thread(learner.wait)
        await becomes_paid(books, learner)

        await refund_that(books, Desk(service).refund(learner), "succeeded")

        await asyncio.to_thread(learner.wait, "REFUNDED")
        assert await state_of(books, learner) == "paid"


class TestWhatWasNotPaid:
    async def test_leaves_its_buyer_registered_and_is_told_to_nobody(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge("pingxx")

        act(service, learner.number_of(), wrong_amount=1)

        sql = "SELECT 1 FROM cases WHERE order_id = $1"
        assert await wait_for_row(books, sql, learner.bought["orderId"])
        assert await state_of(books, learner) == "registered"
        assert news_of(learner) == []
