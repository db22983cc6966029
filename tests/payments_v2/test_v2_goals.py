"""Goals: webhook first, idempotent from end to end, a mock now and a real provider by a switch."""

import pytest

from models.engine import Database
from tests.journeys.service import Service
from tests.payments_v2.shop import Desk, Payer, event, tell

pytestmark = pytest.mark.xdist_group("payments_v2")


class TestTheFinalState:
    def test_of_a_payment_comes_with_a_webhook_only(self, payer: Payer) -> None:
        answer = payer.confirm(simulate="requires_action")

        assert answer.json()["status"] == "requires_action"
        assert payer.now()["paymentStatus"] == "UNPAID"
        assert tell(payer.service, event(payer, "payment.succeeded")).json() == {"ok": True}
        payer.wait(paymentStatus="PAID", status="PAID")

    def test_of_a_refund_comes_with_a_webhook_or_a_query(self, payer: Payer, desk: Desk) -> None:
        answer = desk.refund(payer.paid())

        assert answer.json()["status"] in {"requested", "processing"}
        payer.wait(paymentStatus="REFUNDED", refundStatus="succeeded", status="REFUNDED")


class TestIdempotency:
    async def test_holds_for_client_server_and_database(
        self, payer: Payer, desk: Desk, books: Database
    ) -> None:
        intents = {payer.want().json()["intentId"] for _ in range(3)}
        attempts = {payer.confirm().json()["attemptId"] for _ in range(3)}
        payer.wait(paymentStatus="PAID")
        number = payer.payments()["payments"][0]["providerTxnId"]
        told = event(payer, "payment.succeeded", provider_txn_id=number)
        assert [tell(payer.service, told).status_code for _ in range(3)] == [200] * 3
        refunds = {desk.refund(payer).json()["refundId"] for _ in range(3)}
        payer.wait(paymentStatus="REFUNDED")

        assert (len(intents), len(attempts), len(refunds)) == (1, 1, 1)
        for table in ("payment_intents", "payment_attempts", "payments", "refunds"):
            statement = f"SELECT count(*) FROM {table} WHERE order_id = $1"  # noqa: S608 - ours
            assert await books.fetchval(statement, payer.order_id) == 1


class TestTheMock:
    def test_is_one_switch_away_from_a_real_provider(self, payer: Payer, shop: Service) -> None:
        assert payer.bought["channel"] is None
        assert payer.bought["payPayload"] is None
        assert shop.client.get("/api/config").json()["appEnv"] == "sandbox"
