"""Money by Alipay: codes and pages, told of, lied about, lost, sent back."""

import asyncio
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from models.engine import Database
from tests.journeys.payer import (
    CHARGE_DETAIL,
    PAID,
    PRICE,
    REFUNDED,
    Desk,
    Learner,
    at_provider,
    calls_of,
    case_of,
    craft,
    is_eventually,
    no_secret_in,
    refund_that,
    spoil,
    statuses_of,
)
from tests.journeys.service import Service, act, eventually
from tests.journeys.test_first_sale import count_of, end_time, wait_for_row
from tests.journeys.test_money_back import a_minute_passes

pytestmark = pytest.mark.xdist_group("service")

ALIPAY = "alipay"


@pytest.fixture
async def paid(learner: Learner, service: Service) -> Learner:
    """Have a course paid by a code to scan."""
    learner.charge(ALIPAY, "alipay_qr")
    act(service, learner.number_of())
    await asyncio.to_thread(learner.wait)
    return learner


def pay_on_page(address: str) -> httpx.Response:
    """Go where a payer goes, press the only button, and stop where they are sent back to."""
    with httpx.Client(trust_env=False, timeout=20) as browser:
        cashier = browser.get(address, follow_redirects=True)
        assert cashier.status_code == 200, cashier.text
        (button,) = re.findall(r'action="([^"]+)"', cashier.text)
        return browser.post(cashier.url.join(button))


class TestACharge:
    async def test_by_a_code_is_settled_by_its_notice(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        charge = learner.charge(ALIPAY)
        assert (charge["payment_channel"], charge["channel"]) == (ALIPAY, "alipay_qr")
        assert charge["payment_payload"]["credential"] == {"alipay_qr": charge["qr_url"]}

        pay_on_page(charge["qr_url"])

        await asyncio.to_thread(learner.wait)
        (payment,) = learner.payments()["payments"]
        assert payment["source"] == "notice"
        assert len(payment["providerTxnId"]) == 28
        assert learner.ask("query-order", order_id=learner.number)["status"] == 502
        assert at_provider(service, learner.number_of()) == "TRADE_SUCCESS"
        assert books

    @pytest.mark.parametrize("channel", ["alipay_wap", "alipay_pc_direct"])
    async def test_by_a_page_is_paid_there_and_leads_back(
        self, learner: Learner, books: Database, channel: str
    ) -> None:
        charge = learner.charge(ALIPAY, channel)
        assert charge["payment_payload"]["redirect_url"] == charge["qr_url"]

        back = pay_on_page(charge["qr_url"])

        assert back.status_code == 303
        told = parse_qs(urlsplit(back.headers["location"]).query)
        assert told["out_trade_no"] == [learner.number_of()]
        await asyncio.to_thread(learner.wait)
        assert books

    async def test_is_told_in_detail(self, paid: Learner, books: Database) -> None:
        detail = paid.detail()

        assert set(detail) == CHARGE_DETAIL
        assert detail["charge_id"] == paid.number_of()
        (payment,) = paid.payments()["payments"]
        assert detail["transaction_no"] == payment["providerTxnId"]
        assert (detail["status"], detail["amount"], detail["channel"]) == (PAID, PRICE, "alipay_qr")
        assert no_secret_in(str(detail))
        assert books

    async def test_whose_answer_cannot_be_believed_is_made_again_and_paid_once(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        spoil(service, learner.number_of(), ALIPAY, "open", "bad_signature")

        lost = learner.post("reqiure-to-pay", order_id=learner.number, payment_channel=ALIPAY)
        assert lost.status_code == 503, lost.text
        await asyncio.to_thread(eventually, lambda: _is_open(learner))
        act(service, learner.number_of())

        await asyncio.to_thread(learner.wait)
        assert calls_of(service, learner.number_of())["open"] == 2
        assert await count_of(books, "payments", learner.bought) == 1

    async def test_that_somebody_scanned_is_closed_when_its_order_ends(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(ALIPAY)
        act(service, learner.number_of(), "fail")

        await end_time(books, learner.bought)

        await asyncio.to_thread(learner.wait, "EXPIRED")
        assert at_provider(service, learner.number_of()) == "TRADE_CLOSED"


class TestANotice:
    async def test_sent_a_hundred_times_makes_one_payment(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(ALIPAY)

        act(service, learner.number_of(), duplicate=100)

        await asyncio.to_thread(learner.wait)
        await asyncio.to_thread(
            eventually, lambda: len(statuses_of(service, learner.number_of())) >= 100
        )
        assert 200 in statuses_of(service, learner.number_of())
        assert await count_of(books, "payments", learner.bought) == 1
        assert await count_of(books, "webhook_events", learner.bought) == 1

    async def test_that_never_comes_is_made_up_for_by_a_query(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(ALIPAY)

        act(service, learner.number_of(), drop=True)

        await asyncio.to_thread(learner.wait)
        assert [paid["source"] for paid in learner.payments()["payments"]] == ["query"]
        assert books

    async def test_of_a_wrong_amount_becomes_a_case_and_pays_nothing(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(ALIPAY)

        act(service, learner.number_of(), wrong_amount=1)

        assert await case_of(books, learner) == ("PAYMENT_MISMATCH", "amount")
        assert learner.now()["status"] == "PENDING"
        assert await count_of(books, "payments", learner.bought) == 0

    @pytest.mark.parametrize(
        "forgery",
        [
            {"forged": True},
            {"timestamp_offset_seconds": -26 * 3600 - 60},
            {"timestamp_offset_seconds": 360},
            {"bytes_appended": 1},
            {"unsigned_fields": {"total_amount": "50.00"}},
            {"twice": ["total_amount"]},
            {"omit_signed": ["sign"]},
        ],
    )
    async def test_that_proves_nothing_is_refused(
        self, learner: Learner, service: Service, books: Database, forgery: dict[str, Any]
    ) -> None:
        learner.charge(ALIPAY)
        if "unsigned_fields" in forgery:
            forgery |= {"amount": 1}

        answer = craft(service, learner.number_of(), **forgery)

        assert (answer["status"], answer["body"]) == (401, "failure"), answer
        assert learner.now()["status"] == "PENDING"
        assert await count_of(books, "webhook_events", learner.bought) == 0

    @pytest.mark.parametrize(
        ("lie", "reason"),
        [
            ({"seller_id": "2088000000000000"}, "merchant"),
            ({"app_id": "2021000000000000"}, "appid"),
        ],
    )
    async def test_about_money_of_others_becomes_a_case(
        self,
        *,
        learner: Learner,
        service: Service,
        books: Database,
        lie: dict[str, str],
        reason: str,
    ) -> None:
        learner.charge(ALIPAY)

        answer = craft(service, learner.number_of(), fields=lie)

        assert (answer["status"], answer["body"]) == (200, "success")
        assert await case_of(books, learner) == ("PAYMENT_MISMATCH", reason)
        assert learner.now()["status"] == "PENDING"

    async def test_of_others_that_nobody_paid_closes_nothing(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(ALIPAY)

        lie = {"app_id": "2021000000000000"}
        answer = craft(service, learner.number_of(), "closed", fields=lie)

        sql = "SELECT 1 FROM webhook_events WHERE event_id = $1 AND status = 'PROCESSED'"
        assert await wait_for_row(books, sql, answer["id"])
        assert learner.payments()["attempts"][0]["status"] == "requires_action"

    async def test_about_a_number_that_is_not_ours_becomes_a_case(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(ALIPAY)

        told = {"out_trade_no": "GAAAAAAAAAAAAAAA01"}
        assert craft(service, learner.number_of(), fields=told)["status"] == 200

        subject = "alipay:GAAAAAAAAAAAAAAA01"
        case = await wait_for_row(books, "SELECT * FROM cases WHERE subject = $1", subject)
        assert case["kind"] == "UNKNOWN_ATTEMPT"

    async def test_that_is_genuine_and_unreadable_is_kept_for_a_person(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(ALIPAY)

        answer = craft(service, learner.number_of(), fields={"total_amount": "a lot"})

        assert answer["body"] == "success"
        sql = "SELECT id FROM webhook_events WHERE event_id = $1 AND status = 'DEAD'"
        row = await wait_for_row(books, sql, answer["id"])
        subject = f"notice:{row['id']}"
        assert await wait_for_row(books, "SELECT 1 FROM cases WHERE subject = $1", subject)
        assert learner.now()["status"] == "PENDING"

    async def test_that_is_too_large_is_refused(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(ALIPAY)

        assert craft(service, learner.number_of(), bytes_appended=70_000)["status"] == 413
        assert await count_of(books, "webhook_events", learner.bought) == 0


class TestMoneyBack:
    async def test_goes_in_part_and_then_in_full(
        self, paid: Learner, desk: Desk, service: Service, books: Database
    ) -> None:
        part = desk.refund(paid, amount=2000)
        await refund_that(books, part, "succeeded")

        seen = paid.now()
        assert (seen["status"], seen["paymentStatus"]) == ("PAID", "PAID")
        assert paid.detail()["status"] == PAID

        await a_minute_passes(books, paid.bought)
        rest = await refund_that(books, desk.refund(paid), "succeeded")

        assert rest["amount_minor"] == PRICE - 2000
        seen = await asyncio.to_thread(paid.wait, "REFUNDED")
        assert seen["paymentStatus"] == "REFUNDED"
        assert paid.detail()["status"] == REFUNDED
        # A trade whose money has all gone back is closed, and was paid for all that.
        is_eventually(service, paid.number_of(), "TRADE_CLOSED")
        assert await count_of(books, "payments", paid.bought) == 1

    async def test_that_alipay_gives_up_is_told_as_failed_and_may_be_asked_for_again(
        self, paid: Learner, desk: Desk, service: Service, books: Database
    ) -> None:
        spoil(service, paid.number_of(), ALIPAY, "refund", "hold")
        owed = desk.refund(paid)
        row = await refund_that(books, owed, "processing")
        assert paid.now()["paymentStatus"] == "REFUNDING"

        service.sandbox.post(f"/control/refunds/{row['refund_no']}/close")
        await refund_that(books, owed, "failed")

        assert paid.now()["paymentStatus"] == "PAID"
        await a_minute_passes(books, paid.bought)
        again = await refund_that(books, desk.refund(paid), "succeeded")
        assert again["refund_no"] != row["refund_no"]
        await asyncio.to_thread(paid.wait, "REFUNDED")

    async def test_whose_answer_cannot_be_believed_moves_once(
        self, paid: Learner, desk: Desk, service: Service, books: Database
    ) -> None:
        spoil(service, paid.number_of(), ALIPAY, "refund", "bad_signature")

        row = await refund_that(books, desk.refund(paid, amount=100), "succeeded")

        gone = "SELECT refund_minor FROM payments WHERE order_id = $1"
        assert await books.fetchval(gone, paid.bought["orderId"]) == 100
        assert row["refund_no"] == f"{paid.number_of()}R01"

    async def test_at_the_console_is_noticed_and_lowers_what_is_left(
        self, paid: Learner, desk: Desk, service: Service, books: Database
    ) -> None:
        path = f"/control/trades/{paid.number_of()}/console-refund"
        told = service.sandbox.post(path, json={"amount": 2000, "signed": True}).json()

        number = told["out_refund_no"]
        sql = "SELECT * FROM refunds WHERE refund_no = $1"
        row = await wait_for_row(books, sql, number)
        assert (row["kind"], row["status"], row["amount_minor"]) == ("external", "succeeded", 2000)
        sql = "SELECT reason FROM cases WHERE subject = $1"
        assert (await wait_for_row(books, sql, f"refund:{number}"))["reason"] == "not_ours"

        rest = await refund_that(books, desk.refund(paid), "succeeded")
        assert rest["amount_minor"] == PRICE - 2000
        await asyncio.to_thread(paid.wait, "REFUNDED")


def _is_open(learner: Learner) -> bool:
    answer = learner.post("reqiure-to-pay", order_id=learner.number, payment_channel=ALIPAY)
    return answer.status_code == 200
