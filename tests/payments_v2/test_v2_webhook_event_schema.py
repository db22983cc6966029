"""Webhook event schema: the signature, the row first, the event and what it may move."""

import json
from typing import Any

import pytest

from models.engine import Database
from tests.journeys.service import Service, act
from tests.journeys.test_first_sale import wait_for_row
from tests.payments_v2.shop import PRICE, SECRET, Payer, event, signed, tell

pytestmark = pytest.mark.xdist_group("payments_v2")

FOREIGN = "whsec_" + "A" * 44


async def status_of(books: Database, told: dict[str, Any]) -> str | None:
    """Look for the stored event."""
    found: str | None = await books.fetchval(
        "SELECT status FROM webhook_events WHERE event_id = $1", told["event_id"]
    )
    return found


async def until_done(books: Database, told: dict[str, Any]) -> str:
    """Wait until the event has been dealt with."""
    row = await wait_for_row(
        books,
        "SELECT status FROM webhook_events WHERE event_id = $1 AND status <> 'RECEIVED'",
        told["event_id"],
    )
    return str(row["status"])


class TestTheSignature:
    def test_is_checked_before_the_body_is_read(self, shop: Service) -> None:
        headers = {"webhook-id": "x", "Content-Type": "application/json"}

        answer = shop.client.post("/payments/webhook", content=b"{", headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "BAD_SIGNATURE")

    @pytest.mark.parametrize(("secret", "age_seconds"), [(FOREIGN, 0), (SECRET, 900)])
    async def test_of_somebody_else_or_of_long_ago_is_refused(
        self, payer: Payer, books: Database, secret: str, age_seconds: int
    ) -> None:
        told = event(payer, "payment.succeeded")

        answer = tell(payer.service, told, secret=secret, age_seconds=age_seconds)

        assert (answer.status_code, answer.json()["code"]) == (401, "BAD_SIGNATURE")
        assert await status_of(books, told) is None

    def test_may_come_under_its_other_name(self, payer: Payer) -> None:
        payer.confirm(simulate="requires_action")
        told = event(payer, "payment.succeeded")
        body = json.dumps(told).encode()
        headers = signed(told["event_id"], body, SECRET)
        headers["x-signature"] = headers.pop("webhook-signature")

        answer = payer.service.client.post("/payments/webhook", content=body, headers=headers)

        assert answer.json() == {"ok": True}
        payer.wait(paymentStatus="PAID")


class TestAnEvent:
    async def test_is_a_row_first_and_processed_then(self, payer: Payer, books: Database) -> None:
        payer.confirm(simulate="requires_action")
        told = event(payer, "payment.succeeded")

        assert tell(payer.service, told).json() == {"ok": True}

        assert await status_of(books, told) is not None
        assert await until_done(books, told) == "PROCESSED"
        assert payer.now()["paymentStatus"] == "PAID"

    async def test_sent_a_hundred_times_counts_once(self, payer: Payer, books: Database) -> None:
        payer.confirm(simulate="requires_action")
        told = event(payer, "payment.succeeded")

        answers = [tell(payer.service, told) for _ in range(100)]

        assert {answer.status_code for answer in answers} == {200}
        assert await until_done(books, told) == "PROCESSED"
        assert len(payer.payments()["payments"]) == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"amount": PRICE + 1},
            {"currency": "USD"},
            {"order_id": 2**40},
            {"intent_id": 2**40},
        ],
        ids=str,
    )
    async def test_that_fits_no_order_is_held_for_a_person(
        self, payer: Payer, books: Database, wrong: dict[str, Any]
    ) -> None:
        payer.confirm(simulate="requires_action")
        told = event(payer, "payment.succeeded", **wrong)

        assert tell(payer.service, told).json() == {"ok": True}

        assert await until_done(books, told) == "QUARANTINED"
        assert payer.now()["paymentStatus"] == "UNPAID"

    async def test_of_another_orders_intent_moves_neither(
        self, payer: Payer, books: Database
    ) -> None:
        other = Payer(payer.service)
        for one in (payer, other):
            one.confirm(simulate="requires_action")
        theirs = other.want().json()["intentId"]
        told = event(payer, "payment.succeeded", intent_id=theirs)

        tell(payer.service, told)

        assert await until_done(books, told) == "QUARANTINED"
        assert payer.now()["paymentStatus"] == other.now()["paymentStatus"] == "UNPAID"

    @pytest.mark.parametrize("is_named", [False, True])
    async def test_under_a_number_of_no_payment_gives_nobody_a_ticket(
        self, payer: Payer, books: Database, *, is_named: bool
    ) -> None:
        payer.confirm(simulate="requires_action")
        number = payer.payments()["attempts"][0]["attemptNo"]
        named = {"attempt_no": number} if is_named else {}
        told = event(payer, "payment.succeeded", provider_txn_id="txn_invented", **named)

        assert tell(payer.service, told).json() == {"ok": True}

        assert await until_done(books, told) == "QUARANTINED"
        case = await books.fetchrow(
            """SELECT c.kind, c.reason FROM cases c
               JOIN webhook_events w ON c.subject = 'notice:' || w.id WHERE w.event_id = $1""",
            told["event_id"],
        )
        assert case is not None
        assert tuple(case) == ("EVENT_MISMATCH", "txn")
        assert payer.now()["paymentStatus"] == "UNPAID"

        act(payer.service, number)

        payer.wait(paymentStatus="PAID")
        await wait_for_row(
            books,
            """SELECT 1 FROM webhook_events CROSS JOIN LATERAL (
                 SELECT convert_from(body, 'UTF8')::json AS told) AS t
               WHERE status = 'PROCESSED' AND told ->> 'type' = 'payment.succeeded'
                 AND told #>> '{data,attempt_no}' = $1
                 AND told #>> '{data,provider_txn_id}' LIKE 'txn_mock_%'""",
            number,
        )
        assert len(payer.payments()["payments"]) == 1
        assert payer.payments()["refunds"] == []

    async def test_of_a_declined_attempt_leaves_the_next_one(
        self, payer: Payer, books: Database
    ) -> None:
        payer.confirm(simulate="failed")
        payer.confirm("second", simulate="requires_action")
        declined = payer.payments()["attempts"][-1]["attemptNo"]
        told = event(payer, "payment.failed", attempt_no=declined)

        tell(payer.service, told)

        assert await until_done(books, told) == "PROCESSED"
        assert payer.now()["lastPaymentAttemptStatus"] == "requires_action"

    async def test_of_success_finds_the_attempt_that_came_after_a_failure(
        self, payer: Payer, books: Database
    ) -> None:
        payer.confirm(simulate="requires_action")
        failed = event(payer, "payment.failed")
        tell(payer.service, failed)
        assert await until_done(books, failed) == "PROCESSED"
        payer.confirm("second", simulate="requires_action")
        told = event(payer, "payment.succeeded")

        tell(payer.service, told)

        assert await until_done(books, told) == "PROCESSED"
        paid, failed_one = payer.payments()["attempts"]
        assert (paid["status"], failed_one["status"]) == ("succeeded", "failed")

    async def test_of_a_provider_that_is_not_enabled_is_held(
        self, payer: Payer, books: Database
    ) -> None:
        payer.confirm(simulate="requires_action")
        told = event(payer, "payment.succeeded") | {"provider": "elsewhere"}

        assert tell(payer.service, told).json() == {"ok": True}

        # Who is no word of ours is kept under a hash, so that two senders may use one id.
        await wait_for_row(
            books,
            "SELECT 1 FROM webhook_events WHERE status = 'QUARANTINED' AND provider = 'unknown'"
            " AND convert_from(body, 'UTF8')::json ->> 'event_id' = $1",
            told["event_id"],
        )
        assert payer.now()["paymentStatus"] == "UNPAID"


class TestTheEventSchema:
    def test_is_published(self, shop: Service) -> None:
        described = shop.client.get("/schema/openapi.json").json()

        body = described["paths"]["/payments/webhook"]["post"]["requestBody"]
        named = json.dumps(body) + json.dumps(described["components"]["schemas"])
        for field in ("event_id", "created_at", "order_id", "intent_id", "provider_txn_id"):
            assert field in named
