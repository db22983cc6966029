"""Money by Ping++: told of, lied about, lost, sent back."""

import asyncio
from typing import Any

import pytest

from models.engine import Database
from tests.api.channels import SIGNED
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
    no_secret_in,
    refund_that,
    spoil,
    statuses_of,
)
from tests.journeys.service import Service, act, eventually
from tests.journeys.test_first_sale import count_of, wait_for_row
from tests.journeys.test_money_back import a_minute_passes

pytestmark = pytest.mark.xdist_group("service")

PINGXX = "pingxx"
DAY_SECONDS = 86_400


@pytest.fixture
async def paid(learner: Learner, service: Service) -> Learner:
    """Have a course paid by a code to scan."""
    learner.charge(PINGXX, "wx_pub_qr")
    act(service, learner.number_of())
    await asyncio.to_thread(learner.wait)
    return learner


class TestACharge:
    @pytest.mark.parametrize("channel", ["wx_pub_qr", "alipay_qr"])
    async def test_is_scanned_and_settled_by_its_notice(
        self, learner: Learner, service: Service, books: Database, channel: str
    ) -> None:
        charge = learner.charge(PINGXX, channel)
        assert (charge["payment_channel"], charge["channel"]) == (PINGXX, channel)
        assert charge["payment_payload"]["credential"] == {channel: charge["qr_url"]}
        assert charge["qr_url"]

        act(service, learner.number_of())

        await asyncio.to_thread(learner.wait)
        (payment,) = learner.payments()["payments"]
        assert payment["source"] == "notice"
        assert payment["providerTxnId"].startswith("ch_")
        assert learner.ask("query-order", order_id=learner.number)["status"] == 502
        assert books

    @pytest.mark.parametrize("channel", ["wx_pub", "wx_lite"])
    async def test_in_wechat_is_a_signed_call_and_leaves_no_trace_of_its_payer(
        self, learner: Learner, service: Service, books: Database, channel: str
    ) -> None:
        charge = learner.charge(PINGXX, channel)
        assert set(charge["payment_payload"]["credential"][channel]) == SIGNED
        assert charge["qr_url"] == ""
        assert no_secret_in(str(learner.detail()))

        act(service, learner.number_of())

        await asyncio.to_thread(learner.wait)
        assert no_secret_in(str(learner.detail()))
        sql = "SELECT body::text FROM provider_records WHERE attempt_no = $1"
        kept = [row["body"] for row in await books.fetch(sql, learner.number_of())]
        assert kept
        assert all(map(no_secret_in, kept))
        package = charge["payment_payload"]["credential"][channel]["package"]
        assert not [line for line in service.log if package in line]

    async def test_is_told_in_detail(self, paid: Learner, books: Database) -> None:
        detail = paid.detail()

        assert set(detail) == CHARGE_DETAIL
        assert detail["charge_id"].startswith("ch_")
        assert detail["transaction_no"].startswith("42000")
        assert detail["charge_object"]["id"] == detail["charge_id"]
        assert (detail["status"], detail["amount"], detail["currency"]) == (PAID, PRICE, "CNY")
        assert detail["order_bid"] == paid.number
        assert no_secret_in(str(detail))
        assert books

    async def test_whose_answer_is_lost_is_made_again_and_paid_once(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        spoil(service, learner.number_of(), PINGXX, "open", "timeout_after", delay_ms=11_000)

        lost = await asyncio.to_thread(
            learner.post, "reqiure-to-pay", order_id=learner.number, payment_channel=PINGXX
        )
        assert lost.status_code == 503, lost.text
        charge = await asyncio.to_thread(eventually, lambda: _opened(learner, PINGXX))
        act(service, learner.number_of())

        await asyncio.to_thread(learner.wait)
        assert charge["qr_url"]
        assert calls_of(service, learner.number_of())["open"] >= 2
        assert await count_of(books, "payments", learner.bought) == 1


class TestANotice:
    async def test_sent_a_hundred_times_makes_one_payment(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(PINGXX)

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
        learner.charge(PINGXX)

        act(service, learner.number_of(), drop=True)

        await asyncio.to_thread(learner.wait)
        assert [paid["source"] for paid in learner.payments()["payments"]] == ["query"]
        assert books

    async def test_of_a_wrong_amount_becomes_a_case_and_pays_nothing(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(PINGXX)

        act(service, learner.number_of(), wrong_amount=1)

        assert await case_of(books, learner) == ("PAYMENT_MISMATCH", "amount")
        assert learner.now()["status"] == "PENDING"
        assert await count_of(books, "payments", learner.bought) == 0

    @pytest.mark.parametrize(
        "forgery",
        [
            {"forged": True},
            {"created_offset_seconds": -DAY_SECONDS - 2 * 3600 - 60},
            {"created_offset_seconds": 360},
            {"bytes_appended": 1},
            {"signature_prefix": "AAAA"},
            {"omit_headers": ["X-Pingplusplus-Signature"]},
        ],
    )
    async def test_that_proves_nothing_is_refused(
        self, learner: Learner, service: Service, books: Database, forgery: dict[str, Any]
    ) -> None:
        learner.charge(PINGXX)

        answer = craft(service, learner.number_of(), **forgery)

        assert answer["status"] == 401, answer
        assert "BAD_SIGNATURE" in answer["body"]
        assert learner.now()["status"] == "PENDING"
        assert await count_of(books, "webhook_events", learner.bought) == 0

    @pytest.mark.parametrize(
        "lie", [{"app": "app_of_somebody_else"}, {"livemode": True}], ids=["app", "mode"]
    )
    async def test_about_money_of_others_becomes_a_case(
        self, learner: Learner, service: Service, books: Database, lie: dict[str, Any]
    ) -> None:
        learner.charge(PINGXX)
        mode = {"livemode": lie["livemode"]} if "livemode" in lie else {}

        answer = craft(service, learner.number_of(), object=lie, **mode)

        assert (answer["status"], answer["body"]) == (200, "pingxx callback success")
        assert await case_of(books, learner) == ("PAYMENT_MISMATCH", "merchant")
        assert learner.now()["status"] == "PENDING"

    async def test_about_a_number_that_is_not_ours_becomes_a_case(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(PINGXX)

        told = {"order_no": "GPPPPPPPPPPPPPPP01"}
        assert craft(service, learner.number_of(), object=told)["status"] == 200

        subject = "pingxx:GPPPPPPPPPPPPPPP01"
        case = await wait_for_row(books, "SELECT * FROM cases WHERE subject = $1", subject)
        assert case["kind"] == "UNKNOWN_ATTEMPT"

    async def test_that_is_not_about_money_is_taken_and_moves_nothing(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(PINGXX)

        answer = craft(service, learner.number_of(), "summary.daily.available")

        sql = "SELECT 1 FROM webhook_events WHERE event_id = $1 AND status = 'PROCESSED'"
        assert await wait_for_row(books, sql, answer["id"])
        assert answer["status"] == 200
        assert learner.now()["status"] == "PENDING"

    async def test_that_is_genuine_and_unreadable_is_kept_for_a_person(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(PINGXX)
        body = '{"id": "evt_unreadable", "type": "charge.succeeded"}'

        assert craft(service, learner.number_of(), body=body)["status"] == 200

        sql = "SELECT id FROM webhook_events WHERE event_id = $1 AND status = 'DEAD'"
        row = await wait_for_row(books, sql, "evt_unreadable")
        subject = f"notice:{row['id']}"
        assert await wait_for_row(books, "SELECT 1 FROM cases WHERE subject = $1", subject)
        assert learner.now()["status"] == "PENDING"

    async def test_that_is_too_large_is_refused(
        self, learner: Learner, service: Service, books: Database
    ) -> None:
        learner.charge(PINGXX)

        assert craft(service, learner.number_of(), padding_bytes=70_000)["status"] == 413
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
        assert calls_of(service, paid.number_of())["refund"] == 2

    async def test_that_ping_gives_up_is_told_as_failed_and_may_be_asked_for_again(
        self, paid: Learner, desk: Desk, service: Service, books: Database
    ) -> None:
        spoil(service, paid.number_of(), PINGXX, "refund", "hold")
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
        assert at_provider(service, paid.number_of()) == "paid"

    async def test_whose_answer_and_notice_are_lost_is_found_by_asking(
        self, paid: Learner, desk: Desk, service: Service, books: Database
    ) -> None:
        spoil(service, paid.number_of(), PINGXX, "refund", "bad_signature")
        # What is sent again comes after four seconds.
        spoil(service, paid.number_of(), PINGXX, "notice", "error_500")

        row = await refund_that(books, desk.refund(paid), "succeeded")

        assert row["refund_no"] == f"{paid.number_of()}R01"
        assert calls_of(service, paid.number_of())["refund"] == 1
        await asyncio.to_thread(paid.wait, "REFUNDED")


def _opened(learner: Learner, provider: str) -> dict[str, Any] | None:
    answer = learner.post("reqiure-to-pay", order_id=learner.number, payment_channel=provider)
    return answer.json() if answer.status_code == 200 else None
