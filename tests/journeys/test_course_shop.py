"""The course shop's checklist for people, walked through by a machine: one class per item.

1. A code to scan at Ping++, for WeChat or Alipay: made, run out, and made anew for a coupon.
2. A card at Stripe, paid with a test card.
3. Stripe's own page where there is no card form: what the page that comes back shows, and the way
   back into the course.
4. The phone: WeChat's payment window, a card and Stripe's page, one after another for one order.
"""

import asyncio
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from models.engine import Database
from sandbox.supervisor.keys import keys_of
from tests.api.channels import verify_pay_sign
from tests.journeys.learner import (
    CHARGE,
    EVENT,
    OVER,
    PAID,
    PAYABLE,
    STANDARD,
    Learner,
    confirm_card,
    news_of,
    trade,
    visit,
)
from tests.journeys.service import Person, Service, act, eventually, trade_status
from tests.journeys.test_first_sale import wait_for_row

pytestmark = pytest.mark.xdist_group("service")

NEW = 501
GOOD_CARD, BAD_CARD = "4242 4242 4242 4242", "4000 0000 0000 0002"
CODES = pytest.mark.parametrize("channel", ["wx_pub_qr", "alipay_qr"])
EVERY_CODE = pytest.mark.parametrize(
    "way", [("pingxx", "wx_pub_qr"), ("pingxx", "alipay_qr"), ("alipay", "alipay_qr")], ids=":".join
)
OF_STRIPE = {
    "mode",
    "client_secret",
    "checkout_session_url",
    "checkout_session_id",
    "payment_intent_id",
    "latest_charge_id",
}


@pytest.fixture
def ann(service: Service) -> Learner:
    """Order a course for somebody new."""
    return Learner(service)


def without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


def a_coupon(service: Service) -> str:
    """Have the organizer make one that takes 20.00 off."""
    organizer = Person(service, "organizer", "organizer")
    code = f"LEARN-{secrets.token_hex(4)}".upper()
    answer = service.client.post(
        f"/api/events/{EVENT}/coupons",
        json={"code": code, "kind": "fixed", "value": 2000},
        headers=organizer.headers,
    )
    assert answer.status_code == 201, answer.text
    return code


async def two_hours_pass(books: Database, attempt_no: str) -> None:
    """Let a code to scan grow as old as codes get."""
    aged = (
        "UPDATE payment_attempts SET opened_at = now() - interval '2 hours' WHERE attempt_no = $1"
    )
    await books.execute(aged, attempt_no)


async def time_is_up(books: Database, attempt_no: str) -> None:
    """Let the time of an order and of its charge be over, and some more."""
    await books.execute(
        """UPDATE payment_attempts SET due_at = now(), payable_until = now() - interval '1 hour',
           request = jsonb_set(request, '{payable_until}',
                               to_jsonb(to_char(now() - interval '1 hour',
                                                'YYYY-MM-DD"T"HH24:MI:SSOF":00"')))
           WHERE attempt_no = $1""",
        attempt_no,
    )
    await books.execute(
        "UPDATE orders SET expired_at = now() - interval '1 hour' WHERE order_no = $1",
        attempt_no[:16],
    )


class TestACodeToScan:
    """Checklist item 1: Ping++, WeChat or Alipay."""

    @CODES
    async def test_is_made_scanned_and_paid(
        self, ann: Learner, service: Service, books: Database, channel: str
    ) -> None:
        assert ann.standing()["status"] == NEW
        charge = ann.charge("pingxx", channel)

        code = charge["qr_url"]
        assert charge == {
            "order_id": ann.order_no,
            "user_id": str(ann.id),
            "price": "50.00",
            "channel": channel,
            "qr_url": code,
            "payment_channel": "pingxx",
            "payment_payload": {"qr_url": code, "credential": {channel: code}},
        }
        assert visit(code).status_code == 200
        assert ann.charge("pingxx", channel) == charge
        assert ann.told(CHARGE, order_id=ann.order_no, channel=channel) == charge
        assert ann.standing()["status"] == PAYABLE

        ann.pay()
        await asyncio.to_thread(ann.wait, PAID)

        detail = ann.detail()
        assert detail["charge_id"].startswith("ch_")
        assert detail["transaction_no"] == detail["charge_object"]["transaction_no"]
        assert without(detail, "charge_id", "transaction_no", "extra", "charge_object") == {
            "payment_channel": "pingxx",
            "course_id": str(ann.course_id),
            "order_bid": ann.order_no,
            "status": 1,
            "amount": 5000,
            "currency": "CNY",
            "channel": channel,
        }
        # Who asks once more is told that nothing is left to pay.
        again = ann.charge("pingxx", channel)
        assert (again["qr_url"], again["payment_payload"]["credential"]) == ("", None)
        await wait_for_row(books, "SELECT 1 FROM users WHERE id = $1 AND state = 'paid'", ann.id)
        (told,) = await asyncio.to_thread(eventually, lambda: news_of(service, ann.order_no))
        assert any("pingxx" in line for line in told["lines"])

    @CODES
    async def test_that_grew_too_old_is_made_anew_for_the_same_order(
        self, ann: Learner, service: Service, books: Database, channel: str
    ) -> None:
        first = ann.charge("pingxx", channel)
        await two_hours_pass(books, ann.attempt())

        second = ann.charge("pingxx", channel)

        assert second["qr_url"] != first["qr_url"]
        assert without(second, "qr_url", "payment_payload") == without(
            first, "qr_url", "payment_payload"
        )
        assert trade(service, ann.attempt(2))["amount"] == 5000
        await asyncio.to_thread(ann.paid_by, 2)

        # Ping++ closes nothing: who scans the old code all the same gets the money back.
        ann.pay(1)
        refunds = await asyncio.to_thread(
            eventually,
            lambda: [r for r in ann.books()["refunds"] if r["status"] == "succeeded"],
        )
        assert [(r["amount"], r["reason"]) for r in refunds] == [(5000, "surplus")]
        assert ann.standing()["status"] == PAID

    async def test_whose_time_ran_out_makes_room_for_another_order(
        self, ann: Learner, service: Service, books: Database
    ) -> None:
        before = ann.charge("pingxx", "wx_pub_qr")
        gone, old = ann.order_no, ann.attempt()
        # It ends by its time alone: nobody closes a charge at Ping++.
        assert act(service, old, "close").status_code == 200
        await time_is_up(books, old)

        await asyncio.to_thread(ann.wait, OVER)
        ended = "SELECT 1 FROM orders WHERE order_no = $1 AND status = 'EXPIRED'"
        await wait_for_row(books, ended, gone)
        refused = ann.ask(CHARGE, order_id=gone, payment_channel="pingxx", channel="wx_pub_qr")
        assert (refused.status_code, refused.json()["code"]) == (409, "ORDER_EXPIRED")

        assert ann.start_anew() != gone
        after = ann.charge("pingxx", "wx_pub_qr")
        assert after["qr_url"] != before["qr_url"]
        await asyncio.to_thread(ann.paid_by)
        assert act(service, old, "pay").status_code == 409

    @EVERY_CODE
    async def test_is_made_anew_for_less_when_a_coupon_is_used(
        self, service: Service, books: Database, way: tuple[str, str]
    ) -> None:
        ann, code = Learner(service, STANDARD), a_coupon(service)
        full = ann.charge(*way)

        cheaper = ann.told("apply-discount", order_id=ann.order_no, discount_code=code)

        assert (cheaper["price"], cheaper["discount"], cheaper["value_to_pay"]) == (
            "99.00",
            "20.00",
            "79.00",
        )
        assert [item["is_discount"] for item in cheaper["price_item"]] == [False, True]
        charge = ann.charge(*way)
        assert (full["price"], charge["price"]) == ("99.00", "79.00")
        assert charge["qr_url"] != full["qr_url"]
        assert [trade(service, ann.attempt(n))["amount"] for n in (1, 2)] == [9900, 7900]
        # Nobody met the first code, and its provider could not close it; it is still owed.
        owed = "SELECT close_owed FROM payment_attempts WHERE attempt_no = $1"
        assert await books.fetchval(owed, ann.attempt(1)) is True

        paid = await asyncio.to_thread(ann.paid_by, 2)
        assert paid["value_to_pay"] == "79.00"
        assert ann.detail()["amount"] == 7900
        kept = "SELECT amount_minor FROM payments WHERE order_id = $1 AND honoured"
        assert await books.fetchval(kept, ann.order()["id"]) == 7900

        told = await asyncio.to_thread(
            eventually, lambda: len(n := news_of(service, ann.order_no)) > 1 and n
        )
        assert sorted(one["title"] for one in told) == [
            "Guichet：使用优惠码",
            "Guichet：新的购票",
        ]
        assert all(any(code in line for line in one["lines"]) for one in told)

    async def test_for_the_price_before_the_coupon_buys_nothing(
        self, service: Service, books: Database
    ) -> None:
        ann = Learner(service, STANDARD)
        ann.charge("pingxx", "wx_pub_qr")
        ann.told("apply-discount", order_id=ann.order_no, discount_code=a_coupon(service))

        ann.pay(1)

        refunds = await asyncio.to_thread(
            eventually,
            lambda: [r for r in ann.books()["refunds"] if r["status"] == "succeeded"],
        )
        assert [(r["amount"], r["reason"]) for r in refunds] == [(9900, "surplus")]
        assert ann.standing()["status"] == PAYABLE
        ann.charge("pingxx", "wx_pub_qr")
        await asyncio.to_thread(ann.paid_by, 2)
        assert books


class TestACard:
    """Checklist item 2: a payment intent, confirmed as Stripe.js does it."""

    async def test_pays(self, ann: Learner, service: Service, books: Database) -> None:
        config = service.client.get("/api/config").json()
        assert config["stripeEnabled"] is True
        assert config["stripePublishableKey"].startswith("pk_test_")

        charge = ann.charge("stripe")

        payload = charge["payment_payload"]
        assert payload.keys() == OF_STRIPE
        secret = payload["client_secret"]
        assert secret.startswith(f"{payload['payment_intent_id']}_secret_")
        assert without(payload, "client_secret", "payment_intent_id") == {
            "mode": "payment_intent",
            "checkout_session_url": None,
            "checkout_session_id": None,
            "latest_charge_id": None,
        }
        assert without(charge, "payment_payload") == {
            "order_id": ann.order_no,
            "user_id": str(ann.id),
            "price": "50.00",
            "channel": "stripe",
            "qr_url": secret,
            "payment_channel": "stripe",
        }

        confirmed = confirm_card(service, secret, GOOD_CARD)

        assert (confirmed.status_code, confirmed.json()["status"]) == (200, "succeeded")
        await asyncio.to_thread(ann.wait, PAID)
        detail = ann.detail()
        assert (detail["status"], detail["payment_intent_id"]) == (1, payload["payment_intent_id"])
        assert detail["latest_charge_id"].startswith("ch_")
        await wait_for_row(books, "SELECT 1 FROM users WHERE id = $1 AND state = 'paid'", ann.id)
        (told,) = await asyncio.to_thread(eventually, lambda: news_of(service, ann.order_no))
        assert any("stripe" in line for line in told["lines"])

    async def test_that_is_declined_changes_no_more_than_the_word_of_the_last_attempt(
        self, ann: Learner, service: Service, books: Database
    ) -> None:
        payload = ann.charge("stripe")["payment_payload"]
        before = ann.order()

        declined = confirm_card(service, payload["client_secret"], BAD_CARD)

        assert declined.status_code == 402
        assert declined.json()["error"]["code"] == "card_declined"
        heard = "SELECT 1 FROM webhook_events WHERE order_id = $1 AND status = 'PROCESSED'"
        await wait_for_row(books, heard, before["id"])
        after = ann.order()
        assert after["lastPaymentAttemptStatus"] == "failed"
        last = "lastPaymentAttemptStatus"
        assert without(after, last) == without(before, last)
        assert (ann.standing()["status"], ann.detail()["status"]) == (PAYABLE, 4)
        assert news_of(service, ann.order_no) == []

        # The same intent waits for another card.
        again = ann.charge("stripe")["payment_payload"]
        assert again["client_secret"] == payload["client_secret"]
        assert confirm_card(service, again["client_secret"], GOOD_CARD).status_code == 200
        await asyncio.to_thread(ann.wait, PAID)
        assert len(ann.books()["attempts"]) == 1


class TestStripesOwnPage:
    """Checklist item 3: where no card form is shown, the payer goes to Stripe and comes back."""

    async def test_is_paid_on_and_comes_back_to_a_page_that_knows(
        self, ann: Learner, books: Database
    ) -> None:
        charge = ann.charge("stripe", "stripe:checkout_session")

        payload = charge["payment_payload"]
        assert payload.keys() == OF_STRIPE
        url, session = payload["checkout_session_url"], payload["checkout_session_id"]
        assert payload["mode"] == "checkout_session"
        assert (charge["channel"], charge["qr_url"]) == ("stripe:checkout_session", url)
        page = visit(url)
        assert (page.status_code, "50.00 CNY" in page.text) == (200, True)

        declined = visit(url, card=BAD_CARD)
        assert declined.status_code == 402
        back = visit(url, card=GOOD_CARD)

        assert back.status_code == 303
        came_to = urlsplit(back.headers["location"])
        assert came_to.path == "/payment/stripe/result"
        brought = {name: values[0] for name, values in parse_qs(came_to.query).items()}
        assert brought == {"session_id": session, "order_id": ann.order_no}

        synced = ann.told("stripe/sync", **brought)

        assert (synced["status"], synced["checkout_session_id"]) == (1, session)
        assert synced["payment_intent_id"].startswith("pi_")
        # The page may be left now: every way back to the course says that it is paid.
        assert ann.standing()["status"] == PAID
        assert ann.order()["status"] == "PAID"
        assert ann.order()["registration"]["status"] == "APPROVED"
        assert ann.charge("stripe")["qr_url"] == ""
        kept = "SELECT count(*) FROM payments WHERE order_id = $1"
        assert await books.fetchval(kept, ann.order()["id"]) == 1

    async def test_that_was_left_unpaid_can_be_gone_back_to(
        self, ann: Learner, books: Database
    ) -> None:
        url = ann.charge("stripe", "stripe:checkout_session")["qr_url"]

        synced = ann.sync(session_id="{CHECKOUT_SESSION_ID}")

        assert (synced.status_code, synced.json()["status"]) == (200, 0)
        assert (ann.standing()["status"], ann.detail()["status"]) == (PAYABLE, 0)
        assert ann.charge("stripe", "stripe:checkout_session")["qr_url"] == url
        assert visit(url, card=GOOD_CARD).status_code == 303
        await asyncio.to_thread(ann.wait, PAID)
        assert books

    async def test_takes_the_place_of_the_card_form(
        self, ann: Learner, service: Service, books: Database
    ) -> None:
        card = ann.charge("stripe")["payment_payload"]

        fallback = ann.charge("stripe", "stripe:checkout_session")

        await asyncio.to_thread(ann.wait_at_provider, 1, "canceled")
        refused = confirm_card(service, card["client_secret"], GOOD_CARD)
        assert refused.json()["error"]["code"] == "payment_intent_unexpected_state"
        done = visit(fallback["qr_url"], card=GOOD_CARD)
        assert done.status_code == 303
        await asyncio.to_thread(ann.wait, PAID)
        assert (
            ann.detail()["checkout_session_id"]
            == (fallback["payment_payload"]["checkout_session_id"])
        )
        assert books


class TestOnThePhone:
    """Checklist item 4: every way to pay is there, and the last one chosen is the one that pays."""

    async def test_each_way_closes_the_one_before_at_its_provider(
        self,
        ann: Learner,
        service: Service,
        service_home: Path,
        books: Database,
    ) -> None:
        key = load_pem_public_key(keys_of(service_home).merchant_public_key.read_bytes())
        assert isinstance(key, RSAPublicKey)

        window = ann.charge("wechat", "wx_pub")
        call = window["payment_payload"]["credential"]["wx_pub"]
        verify_pay_sign(call, key)
        assert window["qr_url"] == ""

        card = ann.charge("stripe")
        assert card["payment_payload"]["mode"] == "payment_intent"
        await asyncio.to_thread(ann.wait_at_provider, 1, "CLOSED")

        page = ann.charge("stripe", "stripe:checkout_session")
        assert page["payment_payload"]["mode"] == "checkout_session"
        await asyncio.to_thread(ann.wait_at_provider, 2, "canceled")

        other = ann.charge("pingxx", "wx_pub")
        signed = other["payment_payload"]["credential"]["wx_pub"]
        assert signed.keys() == call.keys()
        assert (other["qr_url"], signed["package"][:10]) == ("", "prepay_id=")
        await asyncio.to_thread(ann.wait_at_provider, 3, "canceled")
        for n in (1, 2, 3):
            assert act(service, ann.attempt(n), "pay").status_code == 409

        back = ann.charge("wechat", "wx_pub")
        assert back["payment_payload"]["credential"]["wx_pub"]["package"] != call["package"]
        await asyncio.to_thread(ann.paid_by, 5)

        # What the provider has closed is closed in our books a moment later.
        wanted = [
            ("wechat", "WECHAT_JSAPI", "succeeded"),
            # Ping++ closes nothing; its charge ends by its time.
            ("pingxx", "wx_pub", "requires_action"),
            ("stripe", "stripe:checkout_session", "failed"),
            ("stripe", "stripe", "failed"),
            ("wechat", "WECHAT_JSAPI", "failed"),
        ]

        def made() -> list[tuple[str, str, str]]:
            return [(a["provider"], a["channel"], a["status"]) for a in ann.books()["attempts"]]

        await asyncio.to_thread(eventually, lambda: made() == wanted)
        assert (ann.detail()["payment_channel"], ann.detail()["status"]) == ("wechat", 1)
        assert books

    @pytest.mark.parametrize(
        "way",
        [
            ("wechat", "wx_pub"),
            ("pingxx", "wx_pub"),
            ("stripe", "stripe"),
            ("stripe", "stripe:checkout_session"),
        ],
        ids=":".join,
    )
    async def test_each_way_pays_the_same_order_alike(
        self, ann: Learner, service: Service, books: Database, way: tuple[str, str]
    ) -> None:
        charge = ann.charge(*way)

        assert (charge["price"], charge["payment_channel"], charge["channel"]) == ("50.00", *way)
        await asyncio.to_thread(ann.paid_by)
        seen = ann.order()
        assert (seen["status"], seen["totalAmount"], seen["currency"]) == ("PAID", 5000, "CNY")
        assert seen["registration"]["status"] == "APPROVED"
        (payment,) = ann.books()["payments"]
        assert (payment["provider"], payment["amount"], payment["isHonoured"]) == (
            way[0],
            5000,
            True,
        )
        assert trade_status(service, ann.attempt()) in {"SUCCESS", "paid", "succeeded"}
        assert books
