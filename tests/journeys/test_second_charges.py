"""One order, charged at one provider after the other: one of them is paid in the end."""

import asyncio

import pytest

from models.engine import Database
from tests.journeys.payer import Learner, at_provider, is_eventually, spoil
from tests.journeys.service import Service, act
from tests.journeys.test_first_sale import wait_for_row

pytestmark = pytest.mark.xdist_group("service")

WECHAT, PINGXX, ALIPAY = "wechat", "pingxx", "alipay"
CLOSED = {WECHAT: "CLOSED", ALIPAY: "TRADE_CLOSED"}
GIVEN_BACK = {WECHAT: "REFUND", ALIPAY: "TRADE_CLOSED", PINGXX: "paid"}
PAIRS = [
    (WECHAT, PINGXX),
    (WECHAT, ALIPAY),
    (PINGXX, WECHAT),
    (PINGXX, ALIPAY),
    (ALIPAY, WECHAT),
    (ALIPAY, PINGXX),
]
CLOSABLE = [pair for pair in PAIRS if pair[0] in CLOSED]


def scan(learner: Learner, provider: str, n: int) -> None:
    """Let Alipay know of a charge, which it does not until somebody has scanned the code."""
    if provider == ALIPAY:
        act(learner.service, learner.number_of(n), "fail")


class TestASecondCharge:
    @pytest.mark.parametrize(("first", "second"), CLOSABLE)
    async def test_closes_the_first_at_its_provider_and_is_paid(
        self, learner: Learner, service: Service, books: Database, first: str, second: str
    ) -> None:
        learner.charge(first)
        scan(learner, first, 1)
        charge = await asyncio.to_thread(learner.charge, second)
        assert charge["payment_channel"] == second

        await asyncio.to_thread(is_eventually, service, learner.number_of(1), CLOSED[first])
        act(service, learner.number_of(2))

        await asyncio.to_thread(learner.wait)
        (payment,) = learner.payments()["payments"]
        assert (payment["provider"], payment["isHonoured"]) == (second, True)
        assert learner.detail()["payment_channel"] == second
        assert books

    async def test_by_the_same_words_is_the_first(self, learner: Learner, books: Database) -> None:
        for provider in (WECHAT, PINGXX, ALIPAY):
            charges = [learner.charge(provider) for _ in range(2)]
            assert charges[0]["qr_url"].split("?")[0] == charges[1]["qr_url"].split("?")[0]
        assert len(learner.payments()["attempts"]) == 3
        assert books

    async def test_untold_goes_where_the_last_one_went(
        self, learner: Learner, books: Database
    ) -> None:
        learner.charge(ALIPAY)
        again = learner.ask("require-to-pay", order_id=learner.number)
        assert again["payment_channel"] == ALIPAY

        # A channel that the last provider lacks is Ping++'s.
        elsewhere = learner.ask("require-to-pay", order_id=learner.number, channel="wx_pub_qr")
        assert elsewhere["payment_channel"] == PINGXX
        assert books


class TestTwoSuccesses:
    @pytest.mark.parametrize(("first", "second"), PAIRS)
    async def test_keep_the_one_that_came_first_and_return_the_other(
        self, service: Service, books: Database, first: str, second: str
    ) -> None:
        learner = await asyncio.to_thread(paid_twice, service, first, second)

        sql = """SELECT p.provider, p.attempt_no FROM payments p
                 JOIN refunds r ON r.payment_id = p.id
                 WHERE p.order_id = $1 AND NOT p.honoured AND r.status = 'succeeded'
                 AND r.amount_minor = p.amount_minor"""
        returned = await wait_for_row(books, sql, learner.bought["orderId"])

        later, earlier = learner.payments()["payments"]
        assert (earlier["isHonoured"], later["isHonoured"]) == (True, False)
        assert {earlier["provider"], later["provider"]} == {first, second}
        assert returned["provider"] == later["provider"]
        assert at_provider(service, returned["attempt_no"]) == GIVEN_BACK[later["provider"]]
        assert learner.now()["status"] == "PAID"
        assert learner.detail()["payment_channel"] == earlier["provider"]


def paid_twice(service: Service, first: str, second: str) -> Learner:
    """Have an order paid at two providers: the former charge while it is about to be closed.

    The house may be quick enough to hear of the first, which is as it should be: try again. It is
    not let close the second.
    """
    for _ in range(10):
        learner = Learner(service)
        learner.charge(first)
        act(service, learner.number_of(1), delay_ms=3000)
        if second in CLOSED:
            spoil(service, learner.number_of(2), second, "close", "error_500", count=1000)
        learner.charge(second)
        if act(service, learner.number_of(2)).is_success:
            learner.wait()
            return learner
    raise AssertionError("the second was never open long enough to be paid")
