"""Notices of the WeChat Pay simulator as they arrive at a merchant's door."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.simulator import (
    PUBLIC_KEY_ID,
    NoticeDoor,
    Simulator,
    new_trade_no,
    running_simulator,
    wait_until,
)

# The published waits are 15, 15, 30 and 180 seconds.
TIME_SCALE = 100


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder = tmp_path_factory.mktemp("sandbox")
    with running_simulator(folder, SANDBOX_TIME_SCALE=str(TIME_SCALE)) as running:
        yield running


@pytest.fixture
def door() -> Iterator[NoticeDoor]:
    with NoticeDoor() as opened:
        yield opened


def an_order(sim: Simulator, door: NoticeDoor) -> str:
    out_trade_no = new_trade_no()
    assert sim.merchant.open(out_trade_no, door.url).status_code == 200
    return out_trade_no


def crafted(sim: Simulator, out_trade_no: str, **overrides: Any) -> dict[str, Any]:  # noqa: ANN401
    body = {"out_trade_no": out_trade_no, "kind": "success", "overrides": overrides}
    reply = sim.control.post("/control/notices", json=body)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


class TestAPaymentNotice:
    def test_is_signed_sealed_and_says_what_a_query_says(
        self, sim: Simulator, door: NoticeDoor
    ) -> None:
        out_trade_no = an_order(sim, door)
        sim.act(out_trade_no, "pay")

        (notice,) = door.wait_for(out_trade_no)

        assert sim.merchant.verifies(notice.headers, notice.body)
        assert notice.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
        assert notice.headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
        assert notice.message["event_type"] == "TRANSACTION.SUCCESS"
        assert notice.message["resource_type"] == "encrypt-resource"
        assert notice.message["resource"]["original_type"] == "transaction"
        assert len(notice.message["id"]) == 36
        assert notice.plaintext == sim.merchant.query(out_trade_no).json()

    def test_is_not_sent_again_once_accepted(self, sim: Simulator, door: NoticeDoor) -> None:
        door.statuses = [200]
        out_trade_no = an_order(sim, door)
        sim.act(out_trade_no, "pay")
        door.wait_for(out_trade_no)

        # What was sent is written down first, and then that it is over.
        wait_until(lambda: not sim.notices(out_trade_no)["pending"])
        assert [send["status"] for send in sim.notices(out_trade_no)["notices"]] == [200]

    def test_comes_again_and_again_on_the_published_schedule(
        self, sim: Simulator, door: NoticeDoor
    ) -> None:
        door.statuses = [500, 401, 302, 201]
        out_trade_no = an_order(sim, door)
        sim.act(out_trade_no, "pay")

        notices = door.wait_for(out_trade_no, count=5)

        waits = [b.at - a.at for a, b in itertools.pairwise(notices)]
        for wait, published in zip(waits, (15, 15, 30, 180), strict=True):
            # A busy machine is late, as the world may be; nothing comes early.
            assert published / TIME_SCALE * 0.9 < wait
        assert len({notice.message["id"] for notice in notices}) == 1
        assert len({notice.headers["Wechatpay-Nonce"] for notice in notices}) == 5
        assert len({notice.headers["Wechatpay-Timestamp"] for notice in notices}) > 1
        assert all(sim.merchant.verifies(n.headers, n.body) for n in notices)
        wait_until(lambda: not sim.notices(out_trade_no)["pending"])
        history = [(s["attempt"], s["status"]) for s in sim.notices(out_trade_no)["notices"]]
        assert history == [(1, 500), (2, 401), (3, 302), (4, 201), (5, 204)]

    def test_comes_again_when_nobody_answers(self, sim: Simulator) -> None:
        out_trade_no = new_trade_no()
        sim.merchant.open(out_trade_no, "http://127.0.0.1:9/closed")
        sim.act(out_trade_no, "pay")

        wait_until(lambda: len(sim.notices(out_trade_no)["notices"]) > 1)

        assert sim.notices(out_trade_no)["notices"][0]["status"] is None
        assert len(sim.notices(out_trade_no)["pending"]) == 1

    def test_says_the_wrong_amount_when_asked_to(self, sim: Simulator, door: NoticeDoor) -> None:
        out_trade_no = an_order(sim, door)
        sim.act(out_trade_no, "pay", wrong_amount=1)

        (notice,) = door.wait_for(out_trade_no)

        assert notice.plaintext["amount"]["total"] == 1
        assert sim.merchant.query(out_trade_no).json()["amount"]["total"] == 1

    def test_comes_in_copies_under_one_id(self, sim: Simulator, door: NoticeDoor) -> None:
        out_trade_no = an_order(sim, door)
        sim.act(out_trade_no, "pay", duplicate=100)

        notices = door.wait_for(out_trade_no, count=100)

        assert len({notice.message["id"] for notice in notices}) == 1
        assert len({notice.headers["Wechatpay-Nonce"] for notice in notices}) == 100

    def test_comes_later_when_asked_to(self, sim: Simulator, door: NoticeDoor) -> None:
        out_trade_no = an_order(sim, door)
        reply = sim.act(out_trade_no, "pay", delay_ms=600_000)

        assert reply.json() == {"status": "SUCCESS"}
        assert door.of(out_trade_no) == []
        assert len(sim.notices(out_trade_no)["pending"]) == 1

    def test_can_be_dropped_and_sent_after_all(self, sim: Simulator, door: NoticeDoor) -> None:
        out_trade_no = an_order(sim, door)
        sim.act(out_trade_no, "pay", drop=True)
        assert sim.notices(out_trade_no) == {"notices": [], "pending": []}
        assert sim.merchant.query(out_trade_no).json()["trade_state"] == "SUCCESS"

        sim.act(out_trade_no, "pay")
        first = door.wait_for(out_trade_no)[0]
        wait_until(lambda: not sim.notices(out_trade_no)["pending"])
        sim.act(out_trade_no, "pay")

        assert door.wait_for(out_trade_no, count=2)[1].message["id"] == first.message["id"]

    def test_of_a_forger_does_not_verify_and_nothing_was_paid(
        self, sim: Simulator, door: NoticeDoor
    ) -> None:
        door.statuses = [401]
        out_trade_no = an_order(sim, door)
        reply = sim.act(out_trade_no, "pay", forged=True)

        (notice,) = door.wait_for(out_trade_no)

        assert reply.json() == {"status": "NOTPAY"}
        assert notice.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
        assert not sim.merchant.verifies(notice.headers, notice.body)
        assert sim.merchant.query(out_trade_no).json()["trade_state"] == "NOTPAY"
        wait_until(lambda: not sim.notices(out_trade_no)["pending"])


class TestANoticeOfAConsoleRefund:
    def test_is_unsigned_xml(self, sim: Simulator, door: NoticeDoor) -> None:
        out_trade_no = an_order(sim, door)
        sim.act(out_trade_no, "pay", drop=True)
        path = f"/control/trades/{out_trade_no}/console-refund"
        reply = sim.control.post(path, json={"amount": 100})

        (notice,) = door.wait_for(out_trade_no)

        assert reply.json()["status"] == "SUCCESS"
        assert notice.body.startswith(b"<xml>")
        assert "Wechatpay-Signature" not in notice.headers
        assert sim.merchant.query(out_trade_no).json()["trade_state"] == "REFUND"

    def test_that_another_service_asked_for_is_signed(
        self, sim: Simulator, door: NoticeDoor
    ) -> None:
        out_trade_no = an_order(sim, door)
        sim.act(out_trade_no, "pay", drop=True)
        path = f"/control/trades/{out_trade_no}/console-refund"
        number = sim.control.post(path, json={"amount": 100, "signed": True}).json()

        (notice,) = door.wait_for(out_trade_no)

        assert sim.merchant.verifies(notice.headers, notice.body)
        assert notice.plaintext["out_refund_no"] == number["out_refund_no"]
        assert notice.plaintext["amount"]["refund"] == 100


class TestASpoiltNotice:
    @pytest.mark.parametrize(("mode", "verifies"), [("bad_signature", False), ("signtest", False)])
    def test_does_not_verify_but_the_next_one_does(
        self, sim: Simulator, door: NoticeDoor, mode: str, *, verifies: bool
    ) -> None:
        door.statuses = [401]
        out_trade_no = an_order(sim, door)
        sim.fault("notice", mode, out_trade_no=out_trade_no)
        sim.act(out_trade_no, "pay")

        first, second = door.wait_for(out_trade_no, count=2)

        assert sim.merchant.verifies(first.headers, first.body) is verifies
        assert sim.merchant.verifies(second.headers, second.body)

    def test_comes_twice_when_its_answer_is_lost(self, sim: Simulator, door: NoticeDoor) -> None:
        out_trade_no = an_order(sim, door)
        sim.fault("notice", "timeout_after", out_trade_no=out_trade_no)
        sim.act(out_trade_no, "pay")

        first, second = door.wait_for(out_trade_no, count=2)

        assert first.message["id"] == second.message["id"]

    def test_comes_later_when_it_is_lost(self, sim: Simulator, door: NoticeDoor) -> None:
        out_trade_no = an_order(sim, door)
        sim.fault("notice", "error_500", out_trade_no=out_trade_no)
        sim.act(out_trade_no, "pay")

        door.wait_for(out_trade_no)
        wait_until(lambda: len(sim.notices(out_trade_no)["notices"]) == 2)
        attempts = [send["attempt"] for send in sim.notices(out_trade_no)["notices"]]
        assert attempts == [1, 2]


class TestACraftedNotice:
    def test_tells_what_the_merchant_answered(self, sim: Simulator, door: NoticeDoor) -> None:
        door.statuses = [418]
        out_trade_no = an_order(sim, door)

        reply = crafted(sim, out_trade_no)

        (notice,) = door.wait_for(out_trade_no)
        assert (reply["status"], reply["id"]) == (418, notice.message["id"])
        assert sim.merchant.verifies(notice.headers, notice.body)
        assert sim.status(out_trade_no) == "NOTPAY"

    @pytest.mark.parametrize("name", ["mchid", "appid", "transaction_id", "trade_state"])
    def test_can_say_anything_under_a_good_signature(
        self, sim: Simulator, door: NoticeDoor, name: str
    ) -> None:
        out_trade_no = an_order(sim, door)
        crafted(sim, out_trade_no, amount=7, currency="USD", **{name: "another"})

        (notice,) = door.wait_for(out_trade_no)

        assert notice.plaintext[name] == "another"
        assert notice.plaintext["amount"]["total"] == 7
        assert notice.plaintext["amount"]["currency"] == "USD"
        assert sim.merchant.verifies(notice.headers, notice.body)

    def test_can_come_from_another_time(self, sim: Simulator, door: NoticeDoor) -> None:
        out_trade_no = an_order(sim, door)
        crafted(sim, out_trade_no)
        crafted(sim, out_trade_no, timestamp_offset_seconds=-301)

        now, then = (
            int(n.headers["Wechatpay-Timestamp"]) for n in door.wait_for(out_trade_no, count=2)
        )
        assert 240 <= now - then <= 301

    @pytest.mark.parametrize(
        "overrides",
        [
            {"signature_prefix": "WECHATPAY/SIGNTEST/"},
            {"bytes_appended": 1},
            {"forged": True},
        ],
    )
    def test_can_fail_to_verify(
        self, sim: Simulator, door: NoticeDoor, overrides: dict[str, Any]
    ) -> None:
        out_trade_no = an_order(sim, door)
        crafted(sim, out_trade_no, **overrides)

        (notice,) = door.wait_for(out_trade_no)

        assert not sim.merchant.verifies(notice.headers, notice.body)

    def test_can_be_long_unnamed_or_under_another_serial(
        self, sim: Simulator, door: NoticeDoor
    ) -> None:
        out_trade_no = an_order(sim, door)
        crafted(
            sim,
            out_trade_no,
            padding_bytes=70_000,
            serial="PUB_KEY_ID_X",
            omit_headers=["wechatpay-signature-type"],
        )

        (notice,) = door.wait_for(out_trade_no)

        assert len(notice.body) > 70_000
        assert notice.headers["Wechatpay-Serial"] == "PUB_KEY_ID_X"
        assert "Wechatpay-Signature-Type" not in notice.headers
        assert sim.merchant.verifies(notice.headers, notice.body)

    @pytest.mark.parametrize("overrides", [{"colour": "red"}, {"amount": "1"}])
    def test_must_be_spelt_right(
        self, sim: Simulator, door: NoticeDoor, overrides: dict[str, Any]
    ) -> None:
        body = {"out_trade_no": an_order(sim, door), "kind": "success", "overrides": overrides}

        assert sim.control.post("/control/notices", json=body).status_code == 400


class TestARestart:
    def test_keeps_trades_and_goes_on_sending(self, tmp_path: Path, door: NoticeDoor) -> None:
        door.statuses = [500]
        with running_simulator(tmp_path, SANDBOX_TIME_SCALE="10") as sim:
            out_trade_no = an_order(sim, door)
            sim.act(out_trade_no, "pay")
            first = door.wait_for(out_trade_no)[0]
            wait_until(lambda: sim.notices(out_trade_no)["notices"])
            before = sim.merchant.query(out_trade_no).json()
            sim.kill()
            sim.restart()

            second = door.wait_for(out_trade_no, count=2)[1]

            assert sim.merchant.query(out_trade_no).json() == before
            assert second.message["id"] == first.message["id"]
            assert sim.calls(out_trade_no) == {"native": 1, "query": 2}

    def test_signs_by_certificate_when_set_so(self, tmp_path: Path, door: NoticeDoor) -> None:
        with running_simulator(tmp_path, SANDBOX_WECHAT_NOTICE_KEY="certificate") as sim:
            out_trade_no = an_order(sim, door)
            sim.act(out_trade_no, "pay")
            (notice,) = door.wait_for(out_trade_no)

            assert notice.headers["Wechatpay-Serial"] == sim.keyring.certificate_serial
            assert sim.merchant.verifies(notice.headers, notice.body)
