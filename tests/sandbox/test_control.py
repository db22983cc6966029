"""The control API by which tests and developers play the buyer, the provider and the bad day."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import build_app
from tests.sandbox.simulator import (
    REFUNDS,
    Keyring,
    NoticeDoor,
    Simulator,
    new_trade_no,
    order,
    running_simulator,
    wait_until,
)

URL = "http://127.0.0.1:9/notices"


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("sandbox"), SANDBOX_TIME_SCALE="60") as running:
        yield running


def an_order(sim: Simulator, out_trade_no: str | None = None) -> str:
    number = out_trade_no or new_trade_no()
    assert sim.merchant.open(number, URL).status_code == 200
    return number


def listed(sim: Simulator, **params: str) -> list[dict[str, Any]]:
    return list(sim.control.get("/control/trades", params=params).json()["trades"])


def patience(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(10, read=seconds)


class TestTheListOfTrades:
    def test_has_every_attempt_of_an_order_oldest_first(self, sim: Simulator) -> None:
        order_no = new_trade_no()[:16]
        for attempt in ("0002", "0001", ""):
            an_order(sim, order_no + attempt)
        an_order(sim)

        trades = listed(sim, order_no=order_no)

        assert [trade["out_trade_no"][16:] for trade in trades] == ["0002", "0001", ""]
        assert trades[0] == {
            "out_trade_no": f"{order_no}0002",
            "provider": "wechat",
            "channel": "WECHAT_NATIVE",
            "amount": 9900,
            "currency": "CNY",
            "status": "NOTPAY",
        }

    def test_names_the_channel(self, sim: Simulator) -> None:
        body = order(new_trade_no(), URL, payer={"openid": "oBuyer"})
        sim.merchant.call("POST", "/v3/pay/transactions/jsapi", body)

        (trade,) = listed(sim, order_no=body["out_trade_no"][:16])

        assert trade["channel"] == "WECHAT_JSAPI"

    def test_without_an_order_ends_with_the_newest_and_has_a_hundred(self, sim: Simulator) -> None:
        numbers = [an_order(sim) for _ in range(101)]

        trades = listed(sim)

        assert [trade["out_trade_no"] for trade in trades] == numbers[1:]

    def test_is_empty_for_an_unknown_order(self, sim: Simulator) -> None:
        assert listed(sim, order_no="Z" * 16) == []


class TestABuyer:
    def test_pays_without_a_body(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)

        reply = sim.control.post(f"/control/trades/{out_trade_no}/pay")

        assert (reply.status_code, reply.json()) == (200, {"status": "SUCCESS"})
        assert sim.status(out_trade_no) == "SUCCESS"

    def test_fails_to_pay_and_may_try_again(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)

        assert sim.act(out_trade_no, "fail").json() == {"status": "NOTPAY"}
        assert sim.act(out_trade_no, "pay", drop=True).json() == {"status": "SUCCESS"}

    def test_finds_a_trade_closed_by_the_provider(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)

        assert sim.act(out_trade_no, "close").json() == {"status": "CLOSED"}
        assert sim.act(out_trade_no, "pay").status_code == 409

    def test_has_paid_before_the_provider_closes(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)
        sim.act(out_trade_no, "pay", drop=True)

        assert sim.act(out_trade_no, "close").status_code == 409

    def test_cannot_pay_what_nobody_asked_for(self, sim: Simulator) -> None:
        assert sim.act(new_trade_no(), "pay").status_code == 404

    def test_can_only_pay_fail_or_close(self, sim: Simulator) -> None:
        assert sim.act(an_order(sim), "steal").status_code == 404

    @pytest.mark.parametrize(
        "wish",
        [
            {"tip": 1},
            {"delay_ms": "1"},
            {"delay_ms": -1},
            {"duplicate": 0},
            {"wrong_amount": 0},
            {"drop": 1},
        ],
    )
    def test_is_understood_to_the_letter(self, sim: Simulator, wish: dict[str, Any]) -> None:
        out_trade_no = an_order(sim)

        assert sim.act(out_trade_no, "pay", **wish).status_code == 400
        assert sim.status(out_trade_no) == "NOTPAY"

    def test_finds_the_trade_and_its_buttons_on_a_page(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)

        text = sim.control.get("/").text
        pressed = sim.control.post(
            f"/control/trades/{out_trade_no}/pay",
            headers={
                "Accept": "text/html",
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )

        assert f'action="/control/trades/{out_trade_no}/pay"' in text
        assert (pressed.status_code, pressed.headers["Location"]) == (303, "/")
        assert sim.status(out_trade_no) == "SUCCESS"


class TestAFault:
    @pytest.mark.parametrize(
        ("mode", "answer"),
        [("error_500", (500, "SYSTEM_ERROR")), ("rate_limited", (429, "FREQUENCY_LIMITED"))],
    )
    def test_refuses_as_often_as_told_and_does_nothing(
        self, sim: Simulator, mode: str, answer: tuple[int, str]
    ) -> None:
        out_trade_no = new_trade_no()
        sim.fault("native", mode, count=2)

        replies = [sim.merchant.open(out_trade_no, URL) for _ in range(2)]

        assert [(r.status_code, r.json()["code"]) for r in replies] == [answer, answer]
        assert listed(sim, order_no=out_trade_no[:16]) == []
        assert sim.merchant.open(out_trade_no, URL).status_code == 200

    @pytest.mark.parametrize("mode", ["bad_signature", "signtest"])
    def test_spoils_the_signature_of_something_done(self, sim: Simulator, mode: str) -> None:
        out_trade_no = new_trade_no()
        sim.fault("native", mode)

        reply = sim.merchant.open(out_trade_no, URL)

        assert reply.status_code == 200
        assert not sim.merchant.verifies(reply.headers, reply.content)
        assert sim.status(out_trade_no) == "NOTPAY"

    def test_can_do_the_work_and_keep_silent(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)
        sim.fault("close", "timeout_after", out_trade_no=out_trade_no)
        sim.merchant.http.timeout = patience(0.3)

        with pytest.raises(httpx.ReadTimeout):
            sim.merchant.close(out_trade_no)

        sim.merchant.http.timeout = patience(30)
        # Whoever waits so briefly may have hung up before it was done.
        wait_until(lambda: sim.status(out_trade_no) == "CLOSED")

    def test_can_keep_silent_and_do_nothing_once_the_caller_is_gone(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)
        sim.fault("close", "hang_before", delay_ms=4000, out_trade_no=out_trade_no)
        sim.merchant.http.timeout = patience(0.2)

        with pytest.raises(httpx.ReadTimeout):
            sim.merchant.close(out_trade_no)

        sim.merchant.http.timeout = patience(30)
        end = time.monotonic() + 4.2
        wait_until(lambda: time.monotonic() > end)
        assert sim.status(out_trade_no) == "NOTPAY"

    def test_can_only_delay(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)
        sim.fault("query", "hang_before", delay_ms=200)
        sim.fault("query", "timeout_after", delay_ms=200)

        for _ in range(2):
            begin = time.monotonic()
            assert sim.merchant.query(out_trade_no).status_code == 200
            assert time.monotonic() - begin >= 0.19

    def test_is_not_spent_on_strangers(self, sim: Simulator) -> None:
        sim.fault("query", "error_500")

        stranger = sim.merchant.call("GET", "/v3/pay/transactions/out-trade-no/x", Authorization="")

        assert stranger.status_code == 401
        assert sim.merchant.query(new_trade_no()).status_code == 500

    def test_for_one_trade_is_met_by_that_trade_alone(self, sim: Simulator) -> None:
        ours, other = an_order(sim), an_order(sim)
        sim.fault("query", "error_500", out_trade_no=ours)

        assert sim.merchant.query(other).status_code == 200
        assert sim.merchant.query(ours).status_code == 500
        assert sim.merchant.query(ours).status_code == 200

    def test_that_is_not_for_a_trade_lets_it_find_the_first_that_is(self, sim: Simulator) -> None:
        first, second = an_order(sim), an_order(sim)
        sim.fault("query", "error_500", out_trade_no=first)
        sim.fault("query", "rate_limited")
        sim.fault("query", "error_500", out_trade_no=second)

        asked = [sim.merchant.query(second).status_code for _ in range(3)]

        assert asked == [429, 500, 200]
        (left,) = sim.control.get("/control/faults").json()["faults"]
        assert left["out_trade_no"] == first
        sim.control.delete("/control/faults")

    def test_for_one_trade_is_for_its_notices_too(self, sim: Simulator) -> None:
        with NoticeDoor() as door:
            ours, other = new_trade_no(), new_trade_no()
            for number in (ours, other):
                assert sim.merchant.open(number, door.url).status_code == 200
            sim.fault("notice", "bad_signature", out_trade_no=ours)

            for number in (other, ours):
                sim.act(number, "pay")

            for number, is_good in ((other, True), (ours, False)):
                notice = door.wait_for(number)[0]
                assert sim.merchant.verifies(notice.headers, notice.body) is is_good

    @pytest.mark.parametrize(
        ("provider", "operation"),
        [
            ("wechat", "jscode2session"),
            ("wechat", "access_token"),
            ("wechat", "bill"),
            ("wechat", "bill_file"),
            ("wechat", "certificates"),
            ("feishu", "hook"),
        ],
    )
    def test_of_what_is_about_no_trade_names_none(
        self, sim: Simulator, provider: str, operation: str
    ) -> None:
        body = {"provider": provider, "operation": operation, "mode": "error_500"}

        for number in (new_trade_no(), ""):
            named = body | {"out_trade_no": number}
            assert sim.control.post("/control/faults", json=named).status_code == 400

    def test_waits_until_it_is_met_or_forgotten(self, sim: Simulator) -> None:
        sim.fault("refund", "error_500", count=2)
        waiting = sim.control.get("/control/faults").json()["faults"]

        sim.control.delete("/control/faults")

        assert [fault["operation"] for fault in waiting] == ["refund", "refund"]
        assert sim.control.get("/control/faults").json() == {"faults": []}

    @pytest.mark.parametrize(
        "changes",
        [{"provider": "bank"}, {"operation": "steal"}, {"mode": "smoke"}, {"colour": "red"}],
    )
    def test_must_be_spelt_right(self, sim: Simulator, changes: dict[str, str]) -> None:
        body = {"provider": "wechat", "operation": "native", "mode": "error_500"} | changes

        assert sim.control.post("/control/faults", json=body).status_code == 400


class TestTheCounter:
    def test_counts_authentic_calls_by_operation(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)
        sim.fault("query", "error_500")
        sim.merchant.query(out_trade_no)
        sim.act(out_trade_no, "pay", drop=True)
        transaction_id = sim.merchant.query(out_trade_no).json()["transaction_id"]
        sim.merchant.call("GET", f"/v3/pay/transactions/id/{transaction_id}?mchid=1900000001")
        sim.merchant.refund(out_trade_no, f"{out_trade_no}R1", 1)
        sim.merchant.call("GET", f"{REFUNDS}/{out_trade_no}R1")
        sim.merchant.close(out_trade_no)

        assert sim.calls(out_trade_no) == {
            "native": 1,
            "query": 3,
            "refund": 1,
            "query_refund": 1,
            "close": 1,
        }


class TestAConsoleRefund:
    def test_stays_within_what_was_paid(self, sim: Simulator) -> None:
        out_trade_no = an_order(sim)
        path = f"/control/trades/{out_trade_no}/console-refund"
        unpaid = sim.control.post(path, json={"amount": 1})
        sim.act(out_trade_no, "pay", drop=True)

        statuses = [
            sim.control.post(path, json=body).status_code
            for body in ({"amount": 9901}, {"amount": 9900}, {"amount": 1}, {"amount": 0}, {})
        ]

        assert (unpaid.status_code, statuses) == (409, [409, 200, 409, 400, 400])
        assert sim.status(out_trade_no) == "REFUND"


class TestTheProcess:
    def test_refuses_to_start_without_its_keys(self, tmp_path: Path) -> None:
        keyring = Keyring(tmp_path)
        (tmp_path / "platform.key").unlink()

        with pytest.raises(FileNotFoundError):
            build_app(keyring.settings())
