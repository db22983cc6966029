"""Core endpoints: each with its request, its response and its behaviour."""

import pytest

from models.engine import Database
from tests.journeys.service import Person
from tests.payments_v2.shop import EVENT, PRICE, Desk, Payer, event, hold_refund_of, tell

pytestmark = pytest.mark.xdist_group("payments_v2")


class TestCreateIntent:
    def test_answers_intent_status_amount_currency_and_secret(self, payer: Payer) -> None:
        answer = payer.want(metadata={"seat": "front"})

        told = answer.json()
        assert answer.status_code == 201
        assert set(told) == {"intentId", "status", "amount", "currency", "clientSecret"}
        assert isinstance(told["intentId"], int)
        assert told["clientSecret"]
        assert (told["status"], told["amount"], told["currency"]) == (
            "requires_confirmation",
            PRICE,
            "CNY",
        )

    def test_names_the_price_where_another_is_offered(self, payer: Payer) -> None:
        answer = payer.want(amount=PRICE - 1)

        assert (answer.status_code, answer.json()["code"]) == (409, "PRICE_MISMATCH")
        assert answer.json()["orderAmount"] == PRICE

    def test_is_the_buyers_own(self, payer: Payer, desk: Desk) -> None:
        stranger = Payer(payer.service)
        stranger.order_id = payer.order_id

        assert stranger.want().status_code == 404
        assert desk.headers


class TestConfirm:
    def test_writes_an_attempt_calls_the_provider_and_leaves_the_order(self, payer: Payer) -> None:
        answer = payer.confirm(simulate="requires_action", method="mock_card")

        assert answer.status_code == 201
        assert answer.json()["status"] == "requires_action"
        (attempt,) = payer.payments()["attempts"]
        assert attempt["attemptId"] == answer.json()["attemptId"]
        assert payer.now()["paymentStatus"] == "UNPAID"

    def test_answers_processing_and_failed(self, payer: Payer) -> None:
        assert payer.confirm(simulate="failed").json()["status"] == "failed"
        assert payer.confirm("again").json()["status"] == "processing"

    def test_of_a_paid_intent_says_so(self, payer: Payer) -> None:
        payer.paid()

        told = payer.confirm("later").json()

        assert told["status"] == "succeeded"
        assert told["paidAt"]

    def test_is_refused_for_an_order_that_was_left(self, payer: Payer) -> None:
        intent_id = payer.want().json()["intentId"]
        payer.cancel(EVENT, payer.order_id)

        answer = payer.post("confirm", intentId=intent_id, idempotencyKey="k")

        assert (answer.status_code, answer.json()["code"]) == (409, "INVALID_STATE")


class TestRefund:
    def test_makes_a_record_and_moves_the_order(self, payer: Payer, desk: Desk) -> None:
        answer = desk.refund(payer.paid(), amount=100, reason="late")

        assert answer.status_code == 201
        assert answer.json()["status"] in {"requested", "processing"}
        (refund,) = payer.payments()["refunds"]
        assert (refund["refundId"], refund["amount"]) == (answer.json()["refundId"], 100)
        payer.wait(refundStatus="succeeded", paymentStatus="PAID")

    def test_is_for_the_organizer_and_admins_only(self, payer: Payer) -> None:
        body = {"orderId": payer.paid().order_id, "idempotencyKey": "k"}
        admin = Person(payer.service, "admin of refunds", "admin")

        assert payer.post("refund", **body).status_code == 403
        client = payer.service.client
        assert client.post("/payments/refund", json=body, headers=admin.headers).status_code == 201

    def test_of_what_nobody_paid_is_refused(self, payer: Payer, desk: Desk) -> None:
        assert desk.refund(payer).json()["code"] == "INVALID_STATE"


class TestRefundRetry:
    def test_of_one_that_succeeded_tells_it(self, payer: Payer, desk: Desk) -> None:
        refund_id = desk.refund(payer.paid()).json()["refundId"]
        payer.wait(refundStatus="succeeded")

        answer = desk.retry(refund_id)

        assert answer.json() == {"refundId": refund_id, "status": "succeeded"}

    async def test_of_one_that_failed_asks_again(
        self, payer: Payer, desk: Desk, books: Database
    ) -> None:
        payer.paid()
        hold_refund_of(payer)
        refund_id = desk.refund(payer, amount=100).json()["refundId"]
        payer.wait(refundStatus="processing")
        number = await books.fetchval("SELECT refund_no FROM refunds WHERE id = $1", refund_id)
        failed = event(payer, "refund.failed", refund_id=number, amount=100)
        assert tell(payer.service, failed).json() == {"ok": True}
        payer.wait(refundStatus="failed", paymentStatus="PAID")

        again = desk.retry(refund_id).json()

        assert again["status"] in {"requested", "processing"}
        assert again["refundId"] != refund_id
        payer.wait(refundStatus="succeeded")


class TestTheListOfAnOrdersPayments:
    def test_shows_intents_attempts_payments_and_refunds(self, payer: Payer, desk: Desk) -> None:
        desk.refund(payer.paid())
        payer.wait(paymentStatus="REFUNDED")

        listed = payer.payments()

        assert {name: len(rows) for name, rows in listed.items()} == {
            "attempts": 1,
            "payments": 1,
            "refunds": 1,
            "intents": 1,
        }
        assert listed["intents"][0]["status"] == "succeeded"

    def test_is_shown_to_the_organizer_and_to_no_stranger(self, payer: Payer, desk: Desk) -> None:
        path = f"/orders/{payer.bought['orderNo']}/payments"
        client = payer.service.client

        assert client.get(path, headers=desk.headers).status_code == 200
        assert client.get(path, headers=Payer(payer.service).headers).status_code == 404
