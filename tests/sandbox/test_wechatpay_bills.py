"""Refund bills at the WeChat Pay simulator, over HTTP as a merchant fetches them."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.sandbox.simulator import (
    CHINA,
    Simulator,
    clear_of_midnight,
    new_trade_no,
    running_simulator,
    wait_until,
)

URL = "http://127.0.0.1:9/notices"


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(autouse=True)
def one_day() -> None:
    """Stay within one day of the bills."""
    clear_of_midnight()


def day(days_ago: int) -> str:
    return (datetime.now(UTC).astimezone(CHINA) - timedelta(days=days_ago)).date().isoformat()


def ask(sim: Simulator, bill_date: str, more: str = "&bill_type=REFUND") -> httpx.Response:
    return sim.merchant.call("GET", f"/v3/bill/tradebill?bill_date={bill_date}{more}")


def download(sim: Simulator, offer: httpx.Response) -> httpx.Response:
    parts = urlsplit(offer.json()["download_url"])
    return sim.merchant.call("GET", f"{parts.path}?{parts.query}")


def a_refund_at_the_console(sim: Simulator, amount: int, **more: Any) -> tuple[str, str]:  # noqa: ANN401
    out_trade_no = new_trade_no()
    sim.merchant.open(out_trade_no, URL)
    sim.act(out_trade_no, "pay", drop=True)
    path = f"/control/trades/{out_trade_no}/console-refund"
    told = sim.control.post(path, json={"amount": amount} | more)
    return out_trade_no, told.json()["out_refund_no"]


class TestABill:
    def test_is_offered_signed_and_handed_out_with_the_hash_of_its_bytes(
        self, sim: Simulator
    ) -> None:
        out_trade_no, refund_no = a_refund_at_the_console(sim, 1234, days_ago=3)
        offer = ask(sim, day(3))
        file = download(sim, offer)

        assert sim.merchant.verifies(offer.headers, offer.content)
        assert offer.json()["hash_type"] == "SHA1"
        assert hashlib.sha1(file.content).hexdigest() == offer.json()["hash_value"]  # noqa: S324
        assert "Wechatpay-Signature" not in file.headers
        names, row, totals_names, totals = file.content.decode("utf-8-sig").split("\r\n")[:-1]
        told = dict(zip(names.split(","), row.removeprefix("`").split(",`"), strict=True))
        assert (told["商户订单号"], told["商户退款单号"]) == (out_trade_no, refund_no)
        assert (told["退款金额"], told["退款状态"]) == ("12.34", "SUCCESS")
        assert told["退款申请时间"].startswith(day(3))
        assert totals_names.startswith("总交易单数,")
        assert totals.startswith("`1.0,")

    def test_has_the_merchants_own_refunds_too_but_never_todays(self, sim: Simulator) -> None:
        out_trade_no, _ = a_refund_at_the_console(sim, 100, days_ago=5)
        sim.merchant.refund(out_trade_no, f"{out_trade_no}R1", 200)

        bill = download(sim, ask(sim, day(5))).text

        assert bill.count(out_trade_no) == 1
        assert ask(sim, day(0)).json()["code"] == "PARAM_ERROR"

    def test_of_a_quiet_day_is_not_made(self, sim: Simulator) -> None:
        reply = ask(sim, day(80))

        assert (reply.status_code, reply.json()["code"]) == (400, "NO_STATEMENT_EXIST")

    @pytest.mark.parametrize("words", ["2026-1-1", "yesterday", "", "20260101"])
    def test_is_of_a_day_that_can_be_read(self, sim: Simulator, words: str) -> None:
        assert ask(sim, words).json()["code"] == "PARAM_ERROR"

    def test_is_kept_for_three_months(self, sim: Simulator) -> None:
        assert ask(sim, day(91)).json()["code"] == "PARAM_ERROR"

    def test_lies_there_for_five_minutes(self, tmp_path: Path) -> None:
        with running_simulator(tmp_path, SANDBOX_TIME_SCALE="60") as hurried:
            a_refund_at_the_console(hurried, 1, days_ago=1)
            offer = ask(hurried, day(1))

            assert download(hurried, offer).status_code == 200
            wait_until(lambda: download(hurried, offer).status_code == 400)

    def test_is_for_the_merchant_alone(self, sim: Simulator) -> None:
        a_refund_at_the_console(sim, 1, days_ago=4)
        offer = ask(sim, day(4))

        stranger = httpx.get(offer.json()["download_url"], trust_env=False)

        assert stranger.status_code == 401

    @pytest.mark.parametrize(
        ("mode", "status"), [("error_500", 500), ("rate_limited", 429), ("bad_signature", 200)]
    )
    def test_meets_the_faults_there_are(self, sim: Simulator, mode: str, status: int) -> None:
        a_refund_at_the_console(sim, 1, days_ago=6)
        sim.fault("bill", mode)
        spoilt = ask(sim, day(6))
        offer = ask(sim, day(6))
        sim.fault("bill_file", mode)
        file = download(sim, offer)

        assert (spoilt.status_code, file.status_code) == (status, status)
        if status == 200:
            assert not sim.merchant.verifies(spoilt.headers, spoilt.content)
            digest = hashlib.sha1(file.content).hexdigest()  # noqa: S324 - the vendor's choice
            assert digest != offer.json()["hash_value"]
