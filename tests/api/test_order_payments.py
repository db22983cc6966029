"""All payments of an order, as the payments document describes `GET /orders/{id}/payments`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.api.service import HOT, ORDERS, Buyer, Service
from tests.api.test_confirm import confirm
from tests.api.test_doors import is_problem
from tests.api.test_intents import create
from tests.api.test_order_refunds import Organizer
from tests.api.test_refunds_v2 import refund
from tests.sandbox.simulator import Simulator, wait_until


def payments(who: Buyer, order: object) -> httpx.Response:
    """Ask for all of an order."""
    return who.http.get(f"/orders/{order}/payments")


@pytest.fixture
def organizer(service: Service) -> Iterator[Organizer]:
    organizer = Organizer(service)
    yield organizer
    organizer.http.close()


@pytest.fixture
def order(buyer: Buyer) -> dict[str, Any]:
    made: dict[str, Any] = buyer.order(HOT).json()
    return made


def pay(buyer: Buyer, simulator: Simulator, order: dict[str, Any], n: int = 1) -> None:
    simulator.act(f"{order['orderNo']}{n:02}", "pay")
    path = f"{ORDERS}/{order['orderId']}"
    wait_until(lambda: buyer.http.get(path).json()["status"] == "PAID")


class TestThePaymentsOfAnOrder:
    def test_are_none_at_first(self, buyer: Buyer, order: dict[str, Any]) -> None:
        answer = payments(buyer, order["orderId"])

        assert answer.status_code == 200
        assert answer.json() == {"attempts": [], "payments": [], "refunds": [], "intents": []}

    def test_are_told_with_numbers_and_minor_units(
        self,
        buyer: Buyer,
        organizer: Organizer,
        order: dict[str, Any],
        *,
        simulator: Simulator,
    ) -> None:
        intent = create(buyer, order).json()
        attempt = confirm(buyer, intent).json()
        pay(buyer, simulator, order)
        sent = refund(organizer, order, amount=900, reason="rain").json()

        told = payments(buyer, order["orderId"]).json()

        (one_intent,), (one_attempt,) = told["intents"], told["attempts"]
        (payment,), (one_refund,) = told["payments"], told["refunds"]
        assert (one_intent["intentId"], one_intent["status"]) == (intent["intentId"], "succeeded")
        assert (one_attempt["attemptId"], one_attempt["status"]) == (
            attempt["attemptId"],
            "succeeded",
        )
        assert one_attempt["intentId"] == payment["intentId"] == intent["intentId"]
        assert (payment["status"], payment["amount"], payment["isHonoured"]) == (
            "succeeded",
            5000,
            True,
        )
        assert payment["providerTxnId"]
        assert (one_refund["refundId"], one_refund["amount"], one_refund["reason"]) == (
            sent["refundId"],
            900,
            "rain",
        )
        assert one_refund["paymentId"] == payment["paymentId"]
        assert one_refund["refundNo"] == f"{one_attempt['attemptNo']}R01"
        for moment in (one_intent["createdAt"], one_attempt["createdAt"], payment["paidAt"]):
            assert datetime.fromisoformat(moment).tzinfo is not None

    def test_come_newest_first(
        self, buyer: Buyer, organizer: Organizer, order: dict[str, Any], simulator: Simulator
    ) -> None:
        intent = create(buyer, order).json()
        confirm(buyer, intent)
        confirm(buyer, intent, idempotencyKey="second", method="wx_pub")
        pay(buyer, simulator, order, 2)
        for n in (1, 2):
            refund(organizer, order, amount=n, idempotencyKey=f"k{n}")

        told = payments(buyer, order["orderId"]).json()

        assert [row["channel"] for row in told["attempts"]] == ["WECHAT_JSAPI", "WECHAT_NATIVE"]
        assert [row["amount"] for row in told["refunds"]] == [2, 1]

    def test_show_what_a_prepare_tried_too(self, buyer: Buyer) -> None:
        order = buyer.order(HOT, prepare=True).json()

        told = payments(buyer, order["orderNo"]).json()

        (intent,), (attempt,) = told["intents"], told["attempts"]
        assert attempt["intentId"] == intent["intentId"]
        assert (attempt["status"], intent["status"]) == ("requires_action", "requires_action")

    def test_show_money_that_came_by_hand(
        self, buyer: Buyer, organizer: Organizer, order: dict[str, Any]
    ) -> None:
        organizer.mark_paid(order["orderId"])

        (payment,) = payments(buyer, order["orderId"]).json()["payments"]

        assert (payment["source"], payment["attemptId"], payment["intentId"]) == (
            "manual",
            None,
            None,
        )

    def test_keep_to_themselves_what_a_payer_pays_with(self, buyer: Buyer) -> None:
        order = buyer.order(HOT, prepare=True).json()

        text = payments(buyer, order["orderId"]).text

        for secret in ("weixin://", "openid", "prepay", "clientSecret", "metadata"):
            assert secret not in text


class TestWhoMaySeeThem:
    def test_is_the_buyer_the_organizer_and_every_admin(
        self, buyer: Buyer, organizer: Organizer, service: Service, order: dict[str, Any]
    ) -> None:
        admin = Buyer(service, "admin")
        answers = [
            payments(who, order[name])
            for who in (buyer, organizer, admin)
            for name in ("orderId", "orderNo")
        ]
        admin.http.close()

        assert {answer.status_code for answer in answers} == {200}

    @pytest.mark.parametrize("role", ["buyer", "organizer"])
    def test_is_nobody_else(self, service: Service, order: dict[str, Any], role: str) -> None:
        stranger = Buyer(service, role)
        answers = [
            payments(stranger, one)
            for one in (order["orderId"], order["orderNo"], 2**53 - 1, "x", "0", "\uff11")
        ]
        stranger.http.close()

        assert all(is_problem(answer, 404, "NOT_FOUND") for answer in answers)
