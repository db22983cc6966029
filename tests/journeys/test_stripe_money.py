"""Money at Stripe, over its real doors: what settles, what is refused, and how it goes back."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.engine import Database
from sandbox.supervisor.keys import keys_of
from tests.journeys.learner import (
    CHARGE,
    EVENT,
    PAID,
    PAYABLE,
    REFUNDED,
    Learner,
    confirm_card,
    craft,
    visit,
)
from tests.journeys.service import Person, Service, eventually, trade_status
from tests.journeys.test_first_sale import count_of, sends, wait_for_row
from tests.journeys.test_money_back import a_minute_passes

pytestmark = pytest.mark.xdist_group("service")

PRICE = 5000
DETAIL = {
    "payment_channel",
    "course_id",
    "order_bid",
    "payment_intent_id",
    "checkout_session_id",
    "latest_charge_id",
    "status",
    "receipt_url",
    "payment_method",
    "metadata",
    "payment_intent_object",
    "checkout_session_object",
}


@pytest.fixture
def ann(service: Service) -> Learner:
    """Order a course for somebody new, and have it charged by a payment intent."""
    ann = Learner(service)
    ann.charge("stripe")
    return ann


@pytest.fixture
async def paid(ann: Learner) -> Learner:
    """Have it paid, too."""
    await asyncio.to_thread(ann.paid_by)
    return ann


@pytest.fixture
def organizer(service: Service) -> Person:
    return Person(service, "organizer", "organizer")


def refund(organizer: Person, learner: Learner, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    answer = organizer.service.client.post(
        f"/api/events/{EVENT}/orders/{learner.order_no}/refund",
        json={"reason": "cannot come"} | said,
        headers=organizer.headers,
    )
    assert answer.status_code == 201, answer.text
    owed: dict[str, Any] = answer.json()
    return owed


async def ends(books: Database, owed: dict[str, Any], status: str) -> Any:  # noqa: ANN401 - a row
    return await wait_for_row(
        books, "SELECT * FROM refunds WHERE id = $1 AND status = $2", owed["refundId"], status
    )


async def the_refund(books: Database, order: dict[str, Any], kind: str, status: str) -> Any:  # noqa: ANN401 - a row
    return await wait_for_row(
        books,
        "SELECT * FROM refunds WHERE order_id = $1 AND kind = $2 AND status = $3",
        order["orderId"],
        kind,
        status,
    )


async def the_case(books: Database, order: dict[str, Any], reason: str) -> Any:  # noqa: ANN401 - a row
    return await wait_for_row(
        books,
        "SELECT * FROM cases WHERE order_id = $1 AND reason = $2",
        order["orderId"],
        reason,
    )


def row_of(learner: Learner) -> dict[str, Any]:
    """Name the order as the helpers that read the books want it."""
    return {"orderId": learner.order()["id"], "orderNo": learner.order_no}


def at_stripe(service: Service, home: Path, path: str, **query: str) -> dict[str, Any]:
    """Ask Stripe as the merchant could."""
    key = keys_of(home).secrets.stripe_secret_key
    answer = service.sandbox.get(
        f"/stripe/v1/{path}", params=query, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def spoil(learner: Learner, operation: str, mode: str, **more: int) -> None:
    """Have the next call of one kind about a learner's first attempt go wrong."""
    subject = {"provider": "stripe", "out_trade_no": learner.attempt()}
    fault = {"operation": operation, "mode": mode} | subject | more
    assert learner.service.sandbox.post("/control/faults", json=fault).is_success


class TestAnEvent:
    async def test_settles_the_order(self, ann: Learner, service: Service, books: Database) -> None:
        await asyncio.to_thread(ann.paid_by)

        order = row_of(ann)
        source = "SELECT source FROM payments WHERE order_id = $1"
        assert await books.fetchval(source, order["orderId"]) == "notice"
        # It is the answer that is written down, and that comes after what it settled.
        sent = await asyncio.to_thread(eventually, lambda: sends(service, ann.attempt()))
        assert {one["status"] for one in sent} == {200}

    async def test_of_a_session_settles_it_once(self, service: Service, books: Database) -> None:
        ann = Learner(service)
        ann.charge("stripe", "stripe:checkout_session")

        await asyncio.to_thread(ann.paid_by)

        # One tells of the intent, another of the session: of the same money.
        told = await asyncio.to_thread(
            eventually, lambda: len(s := sends(service, ann.attempt())) > 1 and s
        )
        assert {one["status"] for one in told} == {200}
        assert await count_of(books, "payments", row_of(ann)) == 1

    async def test_sent_a_hundred_times_makes_one_payment(
        self, ann: Learner, service: Service, books: Database
    ) -> None:
        ann.pay(duplicate=100)

        await asyncio.to_thread(ann.wait, PAID)
        await asyncio.to_thread(eventually, lambda: len(sends(service, ann.attempt())) >= 100)
        # Of so many at once some may wait longer for an answer than Stripe does.
        assert {one["status"] for one in sends(service, ann.attempt())} - {None} == {200}
        assert await count_of(books, "payments", row_of(ann)) == 1
        assert await count_of(books, "webhook_events", row_of(ann)) == 1

    async def test_that_never_comes_is_made_up_for_by_a_query(
        self, ann: Learner, books: Database
    ) -> None:
        ann.pay(drop=True)

        await asyncio.to_thread(ann.wait, PAID)
        source = "SELECT source FROM payments WHERE order_id = $1"
        assert await books.fetchval(source, row_of(ann)["orderId"]) == "query"

    async def test_of_a_wrong_amount_becomes_a_case_and_gives_no_ticket(
        self, ann: Learner, books: Database
    ) -> None:
        ann.pay(wrong_amount=1)

        case = await the_case(books, row_of(ann), "amount")
        assert case["kind"] == "PAYMENT_MISMATCH"
        assert ann.standing()["status"] == PAYABLE
        assert await count_of(books, "payments", row_of(ann)) == 0

    @pytest.mark.parametrize(
        "forgery",
        [
            {"forged": True},
            {"timestamp_offset_seconds": -301},
            {"timestamp_offset_seconds": 310},
            {"bytes_appended": 1},
            {"omit_headers": ["Stripe-Signature"]},
            {"header": "t=1,v1=00"},
            {"header": "nonsense"},
        ],
        ids=["forged", "stale", "from the future", "longer", "unsigned", "signed long ago", "odd"],
    )
    async def test_that_proves_nothing_is_refused(
        self, ann: Learner, service: Service, books: Database, forgery: dict[str, Any]
    ) -> None:
        answer = craft(service, ann.attempt(), "success", **forgery)

        assert answer["status"] == 400, answer
        assert '"BAD_SIGNATURE"' in answer["body"]
        assert ann.standing()["status"] == PAYABLE
        assert await count_of(books, "webhook_events", row_of(ann)) == 0

    async def test_that_is_too_large_is_refused(
        self, ann: Learner, service: Service, books: Database
    ) -> None:
        answer = craft(service, ann.attempt(), "success", bytes_appended=70_000)

        assert answer["status"] == 413
        assert await count_of(books, "webhook_events", row_of(ann)) == 0

    @pytest.mark.parametrize("lie", [{"livemode": True}, {"account": "acct_1Somebody"}])
    async def test_about_another_account_becomes_a_case(
        self, ann: Learner, service: Service, books: Database, lie: dict[str, Any]
    ) -> None:
        assert craft(service, ann.attempt(), "success", **lie)["status"] == 200

        case = await the_case(books, row_of(ann), "merchant")
        assert case["kind"] == "PAYMENT_MISMATCH"
        assert ann.standing()["status"] == PAYABLE

    @pytest.mark.parametrize(
        ("kind", "overrides", "answered"),
        [
            ("customer.created", {}, '"acknowledged"'),
            ("success", {"omit_object": ["metadata"]}, '"no_order"'),
            ("success", {"object": {"amount_received": "much"}}, '"unreadable"'),
        ],
        ids=["about nothing of ours", "with no number", "with nonsense in it"],
    )
    async def test_that_says_nothing_is_set_aside(
        self,
        *,
        ann: Learner,
        service: Service,
        books: Database,
        kind: str,
        overrides: dict[str, Any],
        answered: str,
    ) -> None:
        answer = craft(service, ann.attempt(), kind, **overrides)

        assert (answer["status"], answered in answer["body"]) == (202, True), answer
        stored = "SELECT 1 FROM webhook_events WHERE provider = 'stripe' AND event_id = $1"
        await wait_for_row(books, stored, answer["id"])
        assert ann.standing()["status"] == PAYABLE
        assert await count_of(books, "payments", row_of(ann)) == 0

    async def test_that_a_bank_payment_failed_sets_the_word_of_the_last_attempt_only(
        self, service: Service, books: Database
    ) -> None:
        ann = Learner(service)
        ann.charge("stripe", "stripe:checkout_session")
        before = ann.order()

        over = {"status": "complete", "url": None}
        answer = craft(service, ann.attempt(), "checkout.session.async_payment_failed", object=over)

        assert (answer["status"], '"failed"' in answer["body"]) == (200, True)
        await asyncio.to_thread(
            eventually, lambda: ann.order()["lastPaymentAttemptStatus"] == "failed"
        )
        assert ann.order() == before | {"lastPaymentAttemptStatus": "failed"}
        assert ann.standing()["status"] == PAYABLE
        ann.charge("stripe")
        await asyncio.to_thread(ann.paid_by, 2)
        assert books


class TestAnAnswerThatIsLost:
    async def test_of_an_opening_finds_the_same_intent_again(
        self, service: Service, books: Database
    ) -> None:
        ann = Learner(service)
        # Made, and answered with a page for people.
        spoil(ann, "open", "bad_signature")
        lost = ann.ask(CHARGE, order_id=ann.order_no, payment_channel="stripe")
        assert (lost.status_code, lost.json()["code"]) == (503, "PROVIDER_UNAVAILABLE")

        charge = ann.charge("stripe")

        assert len(ann.books()["attempts"]) == 1
        told = service.sandbox.get("/control/trades", params={"order_no": ann.order_no}).json()
        assert [one["out_trade_no"] for one in told["trades"]] == [ann.attempt()]
        secret = charge["payment_payload"]["client_secret"]
        assert confirm_card(service, secret, "4242424242424242").status_code == 200
        await asyncio.to_thread(ann.wait, PAID)
        assert books

    async def test_after_a_long_silence_is_found_by_asking(
        self, service: Service, books: Database
    ) -> None:
        ann = Learner(service)
        spoil(ann, "open", "timeout_after", delay_ms=30_000)

        lost = ann.ask(CHARGE, order_id=ann.order_no, payment_channel="stripe")

        assert (lost.status_code, lost.json()["code"]) == (503, "PROVIDER_UNAVAILABLE")
        # The money was taken meanwhile by somebody who knows the secret; we never heard of either.
        ann.pay(drop=True)
        await asyncio.to_thread(ann.wait, PAID)
        source = "SELECT source FROM payments WHERE order_id = $1"
        assert await books.fetchval(source, row_of(ann)["orderId"]) == "query"

    async def test_of_a_refund_makes_it_once(
        self, paid: Learner, organizer: Person, service: Service, books: Database
    ) -> None:
        spoil(paid, "refund", "bad_signature")

        row = await ends(books, refund(organizer, paid, amount=100), "succeeded")

        asked = {"out_trade_no": paid.attempt()}
        assert service.sandbox.get("/control/calls", params=asked).json()["calls"]["refund"] == 1
        assert row["refund_no"] == f"{paid.attempt()}R01"


class TestTwoSuccesses:
    async def test_keep_the_first_and_return_the_second_at_stripe(
        self, service: Service, service_home: Path, books: Database
    ) -> None:
        ann = Learner(service)
        ann.charge("pingxx", "wx_pub_qr")
        intent = ann.charge("stripe")["payment_payload"]["payment_intent_id"]
        # Nobody hears of Stripe's money until it is closed.
        await books.execute(
            """UPDATE payment_attempts SET due_at = now() + interval '1 hour'
               WHERE attempt_no = $1""",
            ann.attempt(2),
        )
        ann.pay(2, drop=True)

        ann.pay(1)

        await asyncio.to_thread(ann.wait, PAID)
        row = await the_refund(books, row_of(ann), "ours", "succeeded")
        assert (row["amount_minor"], row["reason"]) == (PRICE, "surplus")
        assert row["refund_no"] == f"{ann.attempt(2)}R01"
        (back,) = at_stripe(service, service_home, "refunds", payment_intent=intent)["data"]
        assert (back["amount"], back["status"]) == (PRICE, "succeeded")
        kept = {p["provider"]: p["isHonoured"] for p in ann.books()["payments"]}
        assert kept == {"pingxx": True, "stripe": False}
        assert (ann.standing()["status"], ann.order()["paymentStatus"]) == (PAID, "PAID")

    async def test_return_the_second_where_it_was_paid(
        self, service: Service, books: Database
    ) -> None:
        ann = Learner(service)
        ann.charge("pingxx", "alipay_qr")
        ann.charge("stripe")
        await asyncio.to_thread(ann.paid_by, 2)

        ann.pay(1)

        row = await the_refund(books, row_of(ann), "ours", "succeeded")
        assert (row["amount_minor"], row["reason"]) == (PRICE, "surplus")
        assert row["refund_no"] == f"{ann.attempt(1)}R01"
        assert ann.detail()["payment_channel"] == "stripe"
        assert trade_status(service, ann.attempt(2)) == "succeeded"


class TestARefund:
    async def test_goes_back_partly_and_then_in_full(
        self,
        paid: Learner,
        organizer: Person,
        service: Service,
        service_home: Path,
        books: Database,
    ) -> None:
        intent = paid.detail()["payment_intent_id"]

        await ends(books, refund(organizer, paid, amount=2000), "succeeded")

        part = paid.order()
        assert (part["status"], part["paymentStatus"]) == ("PAID", "PAID")
        assert part["refundStatus"] == "succeeded"
        assert (paid.standing()["status"], paid.detail()["status"]) == (PAID, 1)
        await a_minute_passes(books, row_of(paid))

        await ends(books, refund(organizer, paid), "succeeded")

        await asyncio.to_thread(paid.wait, REFUNDED)
        whole = paid.order()
        assert (whole["status"], whole["paymentStatus"]) == ("REFUNDED", "REFUNDED")
        assert whole["registration"]["status"] == "CANCELLED"
        assert (paid.detail()["status"], paid.books()["attempts"][0]["status"]) == (2, "succeeded")
        told = at_stripe(service, service_home, "refunds", payment_intent=intent)["data"]
        assert [(one["amount"], one["status"]) for one in told] == [
            (3000, "succeeded"),
            (2000, "succeeded"),
        ]
        assert {one["metadata"]["refund_no"] for one in told} == {
            row["refundNo"] for row in paid.books()["refunds"]
        }

    async def test_that_fails_is_said_to_have_failed_and_can_be_tried_again(
        self, paid: Learner, organizer: Person, service: Service, books: Database
    ) -> None:
        spoil(paid, "refund", "hold")
        owed = refund(organizer, paid)
        row = await ends(books, owed, "processing")
        assert paid.order()["paymentStatus"] == "REFUNDING"

        service.sandbox.post(f"/control/refunds/{row['refund_no']}/close")
        await ends(books, owed, "failed")

        seen = paid.order()
        assert (seen["status"], seen["paymentStatus"], seen["refundStatus"]) == (
            "PAID",
            "PAID",
            "failed",
        )
        assert (paid.standing()["status"], paid.detail()["status"]) == (PAID, 1)
        await a_minute_passes(books, row_of(paid))
        again = await ends(books, refund(organizer, paid), "succeeded")
        assert again["refund_no"] != row["refund_no"]
        await asyncio.to_thread(paid.wait, REFUNDED)

    async def test_that_comes_back_leaves_the_order_its_money_and_can_be_made_again(
        self, paid: Learner, organizer: Person, service: Service, books: Database
    ) -> None:
        owed = refund(organizer, paid)
        row = await ends(books, owed, "succeeded")
        await asyncio.to_thread(paid.wait, REFUNDED)

        # Days later the card's bank sends it back.
        failed = service.sandbox.post(f"/control/refunds/{row['refund_no']}/close")
        assert failed.status_code == 200, failed.text

        await ends(books, owed, "returned")
        case = await the_case(books, row_of(paid), "failed_after_success")
        assert case["kind"] == "REFUND_STUCK"
        seen = paid.order()
        assert (seen["status"], seen["paymentStatus"], seen["refundStatus"]) == (
            "PAID",
            "PAID",
            "returned",
        )
        assert seen["registration"]["status"] == "CANCELLED"
        assert (paid.standing()["status"], paid.detail()["status"]) == (PAID, 1)
        view = "SELECT status FROM order_stripe_orders WHERE stripe_order_bid = $1"
        assert await books.fetchval(view, paid.attempt()) == 1

        again = await ends(books, refund(organizer, paid), "succeeded")

        assert (again["amount_minor"], again["refund_no"] != row["refund_no"]) == (PRICE, True)
        await asyncio.to_thread(paid.wait, REFUNDED)
        whole = paid.order()
        assert (whole["paymentStatus"], whole["refundStatus"]) == ("REFUNDED", "succeeded")
        assert paid.detail()["status"] == 2
        told = {one["refundNo"]: one["status"] for one in paid.books()["refunds"]}
        assert told == {row["refund_no"]: "returned", again["refund_no"]: "succeeded"}

    async def test_in_the_dashboard_is_noticed_and_lowers_what_is_left(
        self, paid: Learner, organizer: Person, service: Service, books: Database
    ) -> None:
        path = f"/control/trades/{paid.attempt()}/console-refund"
        assert service.sandbox.post(path, json={"amount": 2000}).status_code == 200

        row = await the_refund(books, row_of(paid), "external", "succeeded")
        assert row["amount_minor"] == 2000
        await the_case(books, row_of(paid), "not_ours")
        assert paid.order()["status"] == "PAID"

        rest = await ends(books, refund(organizer, paid), "succeeded")
        assert rest["amount_minor"] == 3000
        await asyncio.to_thread(paid.wait, REFUNDED)


class TestADispute:
    def dispute(self, learner: Learner, what: str, status: str) -> None:
        told = craft(
            learner.service, learner.attempt(), f"charge.dispute.{what}", object={"status": status}
        )
        assert told["status"] == 200, told

    async def test_that_is_lost_takes_the_money_and_the_place(
        self, paid: Learner, books: Database
    ) -> None:
        self.dispute(paid, "created", "needs_response")

        await the_refund(books, row_of(paid), "dispute", "processing")
        case = await the_case(books, row_of(paid), "dispute")
        assert case["kind"] == "REFUND_STUCK"
        assert paid.order()["paymentStatus"] == "REFUNDING"

        self.dispute(paid, "funds_withdrawn", "needs_response")
        assert paid.order()["status"] == "PAID"
        self.dispute(paid, "closed", "lost")

        await the_refund(books, row_of(paid), "dispute", "succeeded")
        await asyncio.to_thread(paid.wait, REFUNDED)

    async def test_that_is_won_leaves_everything_as_it_was(
        self, paid: Learner, organizer: Person, books: Database
    ) -> None:
        before = paid.order()
        self.dispute(paid, "created", "needs_response")
        await the_refund(books, row_of(paid), "dispute", "processing")
        # What the bank may take cannot be sent back as well.
        twice = organizer.service.client.post(
            f"/api/events/{EVENT}/orders/{paid.order_no}/refund",
            json={"reason": "cannot come", "amount": PRICE},
            headers=organizer.headers,
        )
        assert (twice.status_code, twice.json()["code"]) == (409, "REFUND_EXCEEDS_PAID")

        self.dispute(paid, "closed", "won")

        await the_refund(books, row_of(paid), "dispute", "failed")
        assert paid.order() == before | {"refundStatus": "failed"}

    async def test_that_is_an_inquiry_moves_nothing(self, paid: Learner, books: Database) -> None:
        before = paid.order()

        self.dispute_inquiry(paid)

        assert paid.order() == before
        assert await count_of(books, "refunds", row_of(paid)) == 0

    def dispute_inquiry(self, learner: Learner) -> None:
        overrides = {"status": "warning_needs_response"}
        told = craft(learner.service, learner.attempt(), "charge.dispute.created", object=overrides)
        assert told["status"] == 202, told


class TestTheDoorThatAsksStripe:
    async def test_settles_on_stripes_word_alone(self, service: Service, books: Database) -> None:
        ann = Learner(service)
        payload = ann.charge("stripe", "stripe:checkout_session")["payment_payload"]
        session = payload["checkout_session_id"]
        assert ann.sync(session_id=session).json()["status"] == 0
        ann.pay(drop=True)

        # Whoever presses the button again and again is held up, and told all the same.
        assert ann.sync(session_id=session).json()["status"] == 1

        assert ann.standing()["status"] == PAID
        source = "SELECT source FROM payments WHERE order_id = $1"
        assert await books.fetchval(source, row_of(ann)["orderId"]) == "query"

    async def test_settles_nothing_by_a_session_of_somebody_else(
        self, ann: Learner, service: Service, books: Database
    ) -> None:
        bob = Learner(service)
        theirs = bob.charge("stripe", "stripe:checkout_session")["payment_payload"]
        ours = Learner(service)
        ours.charge("stripe", "stripe:checkout_session")
        await asyncio.to_thread(bob.paid_by)

        for session in (theirs["checkout_session_id"], "cs_test_nobody", "pi_1"):
            for asker in (ann, ours):
                answer = asker.sync(session_id=session)
                assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
        # Nor by naming the other's order.
        foreign = ann.ask("stripe/sync", order_id=bob.order_no)
        assert (foreign.status_code, foreign.json()["code"]) == (404, "NOT_FOUND")

        assert [one.standing()["status"] for one in (ann, ours)] == [PAYABLE, PAYABLE]
        for one in (ann, ours):
            assert await count_of(books, "payments", row_of(one)) == 0


class TestWhatIsKnownOfAPayment:
    @pytest.mark.parametrize("channel", ["stripe", "stripe:checkout_session"])
    async def test_is_told_in_the_words_of_the_shop_and_without_secrets(
        self, service: Service, books: Database, channel: str
    ) -> None:
        ann = Learner(service)
        charge = ann.charge("stripe", channel)
        payload, address = charge["payment_payload"], charge["qr_url"]
        is_session = channel != "stripe"

        open_still = ann.ask("payment-detail", order_id=ann.order_no)
        assert open_still.json().keys() == DETAIL
        assert address not in open_still.text
        if is_session:
            assert visit(address, card="4242 4242 4242 4242").status_code == 303
        else:
            assert confirm_card(service, address, "4242 4242 4242 4242").status_code == 200
        await asyncio.to_thread(ann.wait, PAID)
        answers: list[httpx.Response] = [
            ann.sync(),
            ann.ask("payment-detail", order_id=ann.order_no),
        ]

        for answer in answers:
            told = answer.json()
            assert told.keys() == DETAIL
            assert (told["payment_channel"], told["order_bid"], told["status"]) == (
                "stripe",
                ann.order_no,
                1,
            )
            assert told["checkout_session_id"] == payload["checkout_session_id"]
            assert told["payment_intent_id"].startswith("pi_")
            assert told["metadata"]["attempt_no"] == ann.attempt()
            for secret in ("_secret_", "client_secret", "/stripe/checkout/", "Jenny", "payer@"):
                assert secret not in answer.text
            for secret in ("last4", "fingerprint", "billing_details", "customer_details"):
                assert secret not in answer.text
        view = "SELECT * FROM order_stripe_orders WHERE order_bid = $1"
        kept = await books.fetchrow(view, ann.order_no)
        assert kept is not None
        assert "_secret_" not in str(dict(kept))
        log = "\n".join(service.log)
        assert payload["client_secret"] is None or payload["client_secret"] not in log
        assert address not in log
