"""Orders and refunds at the WeChat Pay simulator, over HTTP as a merchant makes them."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox.simulator import (
    APP_ID,
    MCH_ID,
    REFUNDS,
    Merchant,
    NoticeDoor,
    Simulator,
    in_china,
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


@pytest.fixture(scope="module")
def merchant(sim: Simulator) -> Merchant:
    return sim.merchant


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def a_paid_trade(sim: Simulator) -> str:
    out_trade_no = new_trade_no()
    assert sim.merchant.open(out_trade_no, URL).status_code == 200
    assert sim.act(out_trade_no, "pay", drop=True).json() == {"status": "SUCCESS"}
    return out_trade_no


def a_held_refund(sim: Simulator, out_trade_no: str, amount: int, **more: Any) -> str:  # noqa: ANN401
    sim.fault("refund", "hold", out_trade_no=out_trade_no)
    out_refund_no = f"{out_trade_no}R{time.monotonic_ns()}"
    reply = sim.merchant.refund(out_trade_no, out_refund_no, amount, **more)
    assert reply.json()["status"] == "PROCESSING"
    return out_refund_no


class TestAnOrder:
    def test_shows_a_code_to_scan(self, merchant: Merchant) -> None:
        code_url = merchant.open(new_trade_no(), URL).json()["code_url"]

        assert re.fullmatch(r"weixin://wxpay/bizpayurl\?pr=[\w-]+", code_url)

    def test_is_not_paid_at_first(self, merchant: Merchant) -> None:
        out_trade_no = new_trade_no()
        merchant.open(out_trade_no, URL, attach="seat 7")

        answer = merchant.query(out_trade_no).json()

        assert answer["trade_state"] == "NOTPAY"
        assert (answer["appid"], answer["mchid"], answer["attach"]) == (APP_ID, MCH_ID, "seat 7")
        assert answer["amount"] == {"total": 9900, "currency": "CNY"}
        assert "transaction_id" not in answer

    def test_tells_all_about_its_payment(self, sim: Simulator, merchant: Merchant) -> None:
        out_trade_no = a_paid_trade(sim)

        answer = merchant.query(out_trade_no).json()

        assert (answer["trade_state"], answer["trade_type"]) == ("SUCCESS", "NATIVE")
        assert re.fullmatch(r"\d{28}", answer["transaction_id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", answer["success_time"])
        assert answer["payer"]["openid"]
        assert answer["amount"] == {
            "total": 9900,
            "payer_total": 9900,
            "currency": "CNY",
            "payer_currency": "CNY",
        }

    def test_is_found_by_both_numbers(self, sim: Simulator, merchant: Merchant) -> None:
        answer = merchant.query(a_paid_trade(sim)).json()
        target = f"/v3/pay/transactions/id/{answer['transaction_id']}?mchid={MCH_ID}"

        assert merchant.call("GET", target).json() == answer

    def test_comes_back_unchanged_for_the_same_parameters(self, merchant: Merchant) -> None:
        body = order(new_trade_no(), URL)
        replies = [
            merchant.call("POST", "/v3/pay/transactions/native", sent)
            for sent in (body, dict(reversed(body.items())))
        ]

        assert replies[0].json() == replies[1].json()

    @pytest.mark.parametrize(
        "changes",
        [{"amount": {"total": 1}}, {"description": "another"}, {"attach": "x"}],
    )
    def test_is_not_opened_again_with_others(
        self, merchant: Merchant, changes: dict[str, Any]
    ) -> None:
        out_trade_no, until = new_trade_no(), in_china(minutes=30)
        merchant.open(out_trade_no, URL, time_expire=until)

        reply = merchant.open(out_trade_no, URL, time_expire=until, **changes)

        assert code(reply) == (403, "OUT_TRADE_NO_USED")

    def test_is_not_opened_again_once_paid(self, sim: Simulator, merchant: Merchant) -> None:
        assert code(merchant.open(a_paid_trade(sim), URL)) == (400, "ORDERPAID")

    def test_is_not_opened_again_once_closed(self, merchant: Merchant) -> None:
        out_trade_no = new_trade_no()
        merchant.open(out_trade_no, URL)
        merchant.close(out_trade_no)

        assert code(merchant.open(out_trade_no, URL)) == (400, "ORDER_CLOSED")

    def test_is_unknown_until_it_is_opened(self, merchant: Merchant) -> None:
        out_trade_no = new_trade_no()

        assert code(merchant.query(out_trade_no)) == (404, "ORDER_NOT_EXIST")
        assert code(merchant.close(out_trade_no)) == (404, "ORDER_NOT_EXIST")
        assert code(merchant.call("GET", f"/v3/pay/transactions/id/42?mchid={MCH_ID}")) == (
            404,
            "ORDER_NOT_EXIST",
        )

    def test_is_told_only_to_the_merchant_who_asks_for_themselves(self, merchant: Merchant) -> None:
        path = f"/v3/pay/transactions/out-trade-no/{new_trade_no()}"

        assert code(merchant.call("GET", path)) == (400, "PARAM_ERROR")
        assert code(merchant.call("GET", f"{path}?mchid=1900000002")) == (400, "INVALID_REQUEST")


class TestAnExpiredOrder:
    def test_cannot_be_paid_but_stays_open_until_closed(
        self, sim: Simulator, merchant: Merchant
    ) -> None:
        out_trade_no = new_trade_no()
        opened = merchant.open(out_trade_no, URL, time_expire=in_china(minutes=4 / 60))
        assert opened.status_code == 200
        end = time.time() + 4.05
        wait_until(lambda: time.time() > end)

        assert sim.act(out_trade_no, "pay").status_code == 409
        assert merchant.query(out_trade_no).json()["trade_state"] == "NOTPAY"
        assert merchant.close(out_trade_no).status_code == 204


class TestAClose:
    def test_ends_an_unpaid_order_and_can_be_repeated(
        self, sim: Simulator, merchant: Merchant
    ) -> None:
        out_trade_no = new_trade_no()
        merchant.open(out_trade_no, URL)

        assert [merchant.close(out_trade_no).status_code for _ in range(2)] == [204, 204]
        assert merchant.query(out_trade_no).json()["trade_state"] == "CLOSED"
        assert sim.act(out_trade_no, "pay").status_code == 409

    def test_is_refused_once_paid(self, sim: Simulator, merchant: Merchant) -> None:
        assert code(merchant.close(a_paid_trade(sim))) == (400, "ORDERPAID")

    def test_names_its_merchant(self, merchant: Merchant) -> None:
        target = f"/v3/pay/transactions/out-trade-no/{new_trade_no()}/close"

        assert code(merchant.call("POST", target, {})) == (400, "PARAM_ERROR")

    def test_can_be_refused_while_the_order_is_young(
        self, sim: Simulator, merchant: Merchant
    ) -> None:
        out_trade_no = new_trade_no()
        merchant.open(out_trade_no, URL)
        sim.fault("close", "min_age", delay_ms=3_600_000, out_trade_no=out_trade_no)

        assert code(merchant.close(out_trade_no)) == (400, "INVALID_REQUEST")
        assert merchant.close(out_trade_no).status_code == 204


class TestARefund:
    def test_is_accepted_first_and_settles_a_little_later(
        self, sim: Simulator, merchant: Merchant
    ) -> None:
        out_trade_no = a_paid_trade(sim)
        with NoticeDoor() as door:
            out_refund_no = f"{out_trade_no}R1"
            accepted = merchant.refund(out_trade_no, out_refund_no, 9900, notify_url=door.url)
            (notice,) = door.wait_for(out_trade_no)

        asked = merchant.call("GET", f"{REFUNDS}/{out_refund_no}").json()
        assert (accepted.json()["status"], asked["status"]) == ("PROCESSING", "SUCCESS")
        assert asked["amount"]["refund"] == 9900
        assert notice.message["event_type"] == "REFUND.SUCCESS"
        assert notice.plaintext["refund_status"] == "SUCCESS"
        assert "appid" not in notice.plaintext
        assert merchant.query(out_trade_no).json()["trade_state"] == "REFUND"

    def test_of_a_part_makes_the_whole_order_refunded(
        self, sim: Simulator, merchant: Merchant
    ) -> None:
        out_trade_no = a_paid_trade(sim)
        merchant.refund(out_trade_no, f"{out_trade_no}R1", 1)

        assert merchant.query(out_trade_no).json()["trade_state"] == "REFUND"

    def test_is_the_same_refund_under_the_same_number(
        self, sim: Simulator, merchant: Merchant
    ) -> None:
        out_trade_no = a_paid_trade(sim)
        first, again, other = (
            merchant.refund(out_trade_no, f"{out_trade_no}R1", amount) for amount in (70, 70, 80)
        )

        assert first.json()["refund_id"] == again.json()["refund_id"]
        assert code(other) == (400, "REFUND_FEE_MISMATCH")

    def test_never_exceeds_what_was_paid(self, sim: Simulator, merchant: Merchant) -> None:
        out_trade_no = a_paid_trade(sim)
        merchant.refund(out_trade_no, f"{out_trade_no}R1", 9000)

        too_much = merchant.refund(out_trade_no, f"{out_trade_no}R2", 901)
        the_rest = merchant.refund(out_trade_no, f"{out_trade_no}R3", 900)

        assert code(too_much) == (400, "INVALID_REQUEST")
        assert the_rest.status_code == 200

    def test_states_the_true_total(self, sim: Simulator, merchant: Merchant) -> None:
        out_trade_no = a_paid_trade(sim)
        amount = {"refund": 1, "total": 9901, "currency": "CNY"}

        reply = merchant.refund(out_trade_no, f"{out_trade_no}R1", 1, amount=amount)

        assert (code(reply), reply.json()["detail"]["field"]) == (
            (400, "PARAM_ERROR"),
            "/amount/total",
        )

    def test_states_its_currency(self, sim: Simulator, merchant: Merchant) -> None:
        out_trade_no = a_paid_trade(sim)
        amount = {"refund": 1, "total": 9900}

        reply = merchant.refund(out_trade_no, f"{out_trade_no}R1", 1, amount=amount)

        assert reply.json()["detail"]["field"] == "/amount/currency"

    def test_comes_in_fifty_parts_at_most(self, sim: Simulator, merchant: Merchant) -> None:
        out_trade_no = a_paid_trade(sim)
        replies = [merchant.refund(out_trade_no, f"{out_trade_no}R{part}", 1) for part in range(51)]

        assert {reply.status_code for reply in replies[:50]} == {200}
        assert code(replies[50]) == (400, "INVALID_REQUEST")

    def test_needs_a_payment(self, merchant: Merchant) -> None:
        out_trade_no = new_trade_no()
        merchant.open(out_trade_no, URL)

        unpaid = merchant.refund(out_trade_no, f"{out_trade_no}R1", 1)
        unknown = merchant.refund(new_trade_no(), "R1", 1)
        unasked = merchant.call("GET", f"{REFUNDS}/{out_trade_no}R1")

        for reply in (unpaid, unknown, unasked):
            assert code(reply) == (404, "RESOURCE_NOT_EXISTS")

    @pytest.mark.parametrize(("end", "trade_state"), [("close", "SUCCESS"), ("abnormal", "REFUND")])
    def test_can_go_wrong(
        self, sim: Simulator, merchant: Merchant, end: str, trade_state: str
    ) -> None:
        out_trade_no = a_paid_trade(sim)
        with NoticeDoor() as door:
            out_refund_no = a_held_refund(sim, out_trade_no, 9900, notify_url=door.url)
            sim.control.post(f"/control/refunds/{out_refund_no}/{end}")
            (notice,) = door.wait_for(out_trade_no)

        status = {"close": "CLOSED", "abnormal": "ABNORMAL"}[end]
        assert notice.message["event_type"] == f"REFUND.{status}"
        assert notice.plaintext["refund_status"] == status
        assert merchant.call("GET", f"{REFUNDS}/{out_refund_no}").json()["status"] == status
        assert merchant.query(out_trade_no).json()["trade_state"] == trade_state

    def test_may_succeed_after_trouble_but_not_after_its_end(self, sim: Simulator) -> None:
        out_refund_no = a_held_refund(sim, a_paid_trade(sim), 100)
        ends = [
            sim.control.post(f"/control/refunds/{out_refund_no}/{end}").status_code
            for end in ("abnormal", "close", "success", "abnormal")
        ]

        assert ends == [200, 409, 200, 409]

    def test_that_was_closed_leaves_its_money_refundable(
        self, sim: Simulator, merchant: Merchant
    ) -> None:
        out_trade_no = a_paid_trade(sim)
        out_refund_no = a_held_refund(sim, out_trade_no, 9900)
        sim.control.post(f"/control/refunds/{out_refund_no}/close")

        assert merchant.refund(out_trade_no, f"{out_trade_no}R2", 9900).status_code == 200
