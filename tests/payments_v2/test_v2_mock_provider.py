"""Mock provider behaviour: what it answers, what it sends, and what it can be told to do."""

import pytest

from models.engine import Database
from tests.journeys.service import act
from tests.journeys.test_first_sale import wait_for_row
from tests.payments_v2.shop import PRICE, Desk, Payer

pytestmark = pytest.mark.xdist_group("payments_v2")


class TestCreateIntent:
    def test_returns_an_id_and_a_client_secret(self, payer: Payer) -> None:
        told = payer.want().json()

        assert told["intentId"]
        assert told["clientSecret"]


class TestConfirm:
    def test_is_processing_and_fires_a_webhook(self, payer: Payer) -> None:
        # The webhook may be there before the answer is.
        assert payer.confirm().json()["status"] in {"processing", "succeeded"}

        payer.wait(paymentStatus="PAID")

    @pytest.mark.parametrize(
        "simulate", ["succeeded", "timeout_after_success", "duplicate", "out_of_order", "delayed"]
    )
    def test_ends_paid_once_whatever_happens_on_the_way(self, payer: Payer, simulate: str) -> None:
        # Whoever waits for a call that hangs may hear the webhook first.
        assert payer.confirm(simulate=simulate).json()["status"] in {"processing", "succeeded"}

        payer.wait(paymentStatus="PAID", lastPaymentAttemptStatus="succeeded")
        assert len(payer.payments()["payments"]) == 1
        assert payer.payments()["refunds"] == []

    def test_may_fail_and_be_tried_again(self, payer: Payer) -> None:
        assert payer.confirm(simulate="failed").json()["status"] == "failed"
        assert payer.now()["paymentStatus"] == "UNPAID"

        assert payer.confirm("second").json()["status"] in {"processing", "succeeded"}
        payer.wait(paymentStatus="PAID")

    def test_may_wait_for_its_payer(self, payer: Payer) -> None:
        assert payer.confirm(simulate="requires_action").json()["status"] == "requires_action"
        (trade,) = payer.service.sandbox.get(
            "/control/trades", params={"order_no": payer.bought["orderNo"]}
        ).json()["trades"]

        act(payer.service, trade["out_trade_no"])

        payer.wait(paymentStatus="PAID")

    async def test_of_a_wrong_amount_is_held_for_a_person(
        self, payer: Payer, books: Database
    ) -> None:
        payer.confirm(simulate="wrong_amount")

        await wait_for_row(
            books,
            "SELECT 1 FROM webhook_events WHERE status = 'QUARANTINED'"
            " AND convert_from(body, 'UTF8')::json #>> '{data,order_id}' = $1",
            str(payer.order_id),
        )
        # What the mock itself says when it is asked is the right amount.
        assert payer.now()["paymentStatus"] in {"UNPAID", "PAID"}


class TestRefund:
    def test_is_processing_and_fires_a_webhook(self, payer: Payer, desk: Desk) -> None:
        answer = desk.refund(payer.paid(), amount=PRICE)

        assert answer.json()["status"] in {"requested", "processing"}
        payer.wait(refundStatus="succeeded", paymentStatus="REFUNDED")
