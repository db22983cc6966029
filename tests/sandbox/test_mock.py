"""The mock provider, spoken to by a merchant with code of its own."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.mock_merchant import (
    PAYMENTS,
    REFUNDS,
    MockMerchant,
    a_payment,
    is_signed,
    types,
)
from tests.sandbox.simulator import NoticeDoor, Simulator, running_simulator, wait_until

# Sixty times as fast: 6 s are 100 ms, the first resend comes after 83 ms.
FAST = {"SANDBOX_TIME_SCALE": "60", "MOCK_WEBHOOK_DELAY_MS": "6000"}


@pytest.fixture(scope="module")
def door() -> Iterator[NoticeDoor]:
    with NoticeDoor() as door:
        yield door


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("mock"), **FAST) as simulator:
        yield simulator


@pytest.fixture
def merchant(simulator: Simulator) -> Iterator[MockMerchant]:
    merchant = MockMerchant(simulator.base_url)
    yield merchant
    merchant.http.close()


class TestAPayment:
    def test_takes_its_money_at_once_and_is_told_of_in_normalized_words(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url)

        opened = merchant.open(wanted)

        assert opened.status_code == 200
        assert opened.json()["status"] == "succeeded"
        assert opened.json()["id"].startswith("pi_mock_")
        (event,) = door.wait_for_events(wanted["order_id"])
        assert event.message == {
            "event_id": event.headers["webhook-id"],
            "type": "payment.succeeded",
            "provider": "mock",
            "created_at": event.message["created_at"],
            "data": {
                "order_id": wanted["order_id"],
                "intent_id": 4,
                "amount": 9900,
                "currency": "CNY",
                "status": "succeeded",
                "provider_txn_id": opened.json()["txn_id"],
                "attempt_no": wanted["attempt_no"],
            },
        }
        assert event.message["event_id"].startswith("evt_mock_")
        assert event.message["data"]["provider_txn_id"].startswith("txn_mock_")
        assert event.message["created_at"].endswith("Z")
        assert is_signed(event.headers, event.body)

    def test_that_is_declined_says_so_twice(self, merchant: MockMerchant, door: NoticeDoor) -> None:
        wanted = a_payment(door.url, simulate="failed")

        for _ in range(2):
            declined = merchant.open(wanted)
            assert (declined.status_code, declined.json()["code"]) == (402, "MOCK_DECLINED")

        (event,) = door.wait_for_events(wanted["order_id"])
        assert event.message["type"] == "payment.failed"
        assert event.message["data"]["status"] == "failed"
        assert merchant.status(wanted) == "failed"

    def test_that_needs_its_payer_waits_for_them(
        self, simulator: Simulator, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url, simulate="requires_action")
        assert merchant.open(wanted).json()["status"] == "requires_action"
        door.wait_for_events(wanted["order_id"])

        assert simulator.act(wanted["attempt_no"], "pay").json() == {"status": "succeeded"}

        events = door.wait_for_events(wanted["order_id"], 2)
        assert types(events) == ["payment.requires_action", "payment.succeeded"]
        assert merchant.status(wanted) == "succeeded"

    def test_may_be_declined_by_its_payers_bank(
        self, simulator: Simulator, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url, simulate="requires_action")
        merchant.open(wanted)
        door.wait_for_events(wanted["order_id"])

        assert simulator.act(wanted["attempt_no"], "fail").json() == {"status": "failed"}

        events = door.wait_for_events(wanted["order_id"], 2)
        assert types(events)[1] == "payment.failed"
        assert simulator.act(wanted["attempt_no"], "pay").status_code == 409

    def test_is_shown_to_its_payer_on_a_page(
        self, simulator: Simulator, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url, simulate="requires_action")
        merchant.open(wanted)

        page = simulator.control.get(f"/mock/pay/{wanted['attempt_no']}")

        assert f"/control/trades/{wanted['attempt_no']}/pay" in page.text

    def test_is_told_of_three_times_under_one_id_if_so_told(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url, simulate="duplicate")
        merchant.open(wanted)

        events = door.wait_for_events(wanted["order_id"], 3)

        assert len({event.message["event_id"] for event in events}) == 1

    def test_may_be_told_of_out_of_order(self, merchant: MockMerchant, door: NoticeDoor) -> None:
        wanted = a_payment(door.url, simulate="out_of_order")
        merchant.open(wanted)

        events = door.wait_for_events(wanted["order_id"], 2)

        assert types(events) == ["payment.succeeded", "payment.requires_action"]

    def test_may_be_told_of_late(
        self, simulator: Simulator, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        late = a_payment(door.url, simulate="delayed")
        opened_at_ms = time.time() * 1000
        merchant.open(late)

        door.wait_for_events(late["order_id"])

        # A second instead of a tenth of one.
        wait_until(lambda: simulator.notices(late["attempt_no"])["notices"])
        (send,) = simulator.notices(late["attempt_no"])["notices"]
        assert send["sent_at_ms"] - opened_at_ms > 900

    def test_may_take_too_much_and_says_so_whoever_asks(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url, simulate="wrong_amount")
        merchant.open(wanted)

        (event,) = door.wait_for_events(wanted["order_id"])

        assert event.message["data"]["amount"] == 9901
        asked = merchant.call("GET", f"{PAYMENTS}/{wanted['attempt_no']}")
        assert asked.json()["amount"] == 9901

    def test_goes_well_by_any_other_word(self, merchant: MockMerchant, door: NoticeDoor) -> None:
        wanted = a_payment(door.url, simulate="whatever")

        assert merchant.open(wanted).json()["status"] == "succeeded"

    def test_is_the_same_however_often_it_is_asked_for(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url)

        first = merchant.open(wanted).json()

        assert merchant.open(wanted).json() == first
        assert len(door.wait_for_events(wanted["order_id"])) == 1
        for other in ({"amount": 1}, {"intent_id": 5}, {"simulate": "failed"}):
            refused = merchant.open(wanted | other)
            assert (refused.status_code, refused.json()["code"]) == (409, "NUMBER_USED")

    def test_is_closed_for_good_unless_it_is_paid(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        waiting = a_payment(door.url, simulate="requires_action")
        paid = a_payment(door.url)
        for wanted in (waiting, paid):
            merchant.open(wanted)

        closed = merchant.call("POST", f"{PAYMENTS}/{waiting['attempt_no']}/close")
        refused = merchant.call("POST", f"{PAYMENTS}/{paid['attempt_no']}/close")

        assert closed.json()["status"] == "closed"
        assert refused.json()["code"] == "ALREADY_PAID"
        assert merchant.open(waiting).json()["code"] == "PAYMENT_CLOSED"

    def test_takes_no_money_when_its_time_is_over(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url, expires_at="2026-01-01T00:00:00Z")

        assert merchant.open(wanted).status_code == 400

    @pytest.mark.parametrize(
        "changes", [{"amount": 0}, {"currency": "yuan"}, {"attempt_no": "../x"}, {"more": 1}]
    )
    def test_is_refused_in_words_it_does_not_know(
        self, merchant: MockMerchant, door: NoticeDoor, changes: dict[str, object]
    ) -> None:
        refused = merchant.open(a_payment(door.url) | changes)

        assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST")


class TestACall:
    @pytest.mark.parametrize(
        "flaw",
        [
            {"key": b"somebody else"},
            {"age_seconds": 301},
            {"age_seconds": -330},
            {"signed_as": f"POST {REFUNDS}"},
            {"signed_as": "200"},
        ],
        ids=["another key", "stale", "early", "of another door", "of an answer"],
    )
    def test_that_proves_nothing_is_refused(
        self, merchant: MockMerchant, door: NoticeDoor, flaw: dict[str, object]
    ) -> None:
        wanted = a_payment(door.url)

        refused = merchant.call("POST", PAYMENTS, wanted, **flaw)  # type: ignore[arg-type]

        assert (refused.status_code, refused.json()["code"]) == (401, "BAD_SIGNATURE")
        asked = merchant.call("GET", f"{PAYMENTS}/{wanted['attempt_no']}")
        assert asked.json()["code"] == "NOT_FOUND"

    def test_without_a_signature_is_refused(self, merchant: MockMerchant) -> None:
        assert merchant.http.get(f"{PAYMENTS}/T1").status_code == 401

    def test_is_counted(
        self, simulator: Simulator, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url)
        merchant.open(wanted)
        merchant.refund(wanted, f"{wanted['attempt_no']}R1", 100)
        merchant.call("GET", f"{REFUNDS}/{wanted['attempt_no']}R1")

        counted = simulator.calls(wanted["attempt_no"])

        assert counted == {"open": 1, "refund": 1, "query_refund": 1}


class TestARefund:
    def test_is_under_way_until_it_is_told_of(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url)
        opened = merchant.open(wanted).json()
        # Two that are on their way at once may overtake one another.
        door.wait_for_events(wanted["order_id"])
        refund_no = f"{wanted['attempt_no']}R1"

        accepted = merchant.refund(wanted, refund_no, 4000).json()

        assert accepted["status"] == "processing"
        assert accepted["id"].startswith("rf_mock_")
        told = door.wait_for_events(wanted["order_id"], 2)[1].message
        assert told["type"] == "refund.succeeded"
        assert told["data"] == {
            "order_id": wanted["order_id"],
            "intent_id": 4,
            "amount": 4000,
            "currency": "CNY",
            "status": "succeeded",
            "provider_txn_id": opened["txn_id"],
            "attempt_no": wanted["attempt_no"],
            "refund_id": refund_no,
        }
        asked = merchant.call("GET", f"{REFUNDS}/{refund_no}").json()
        assert asked == accepted | {"status": "succeeded"}

    def test_of_one_number_goes_back_once_and_never_above_what_was_paid(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url)
        merchant.open(wanted)
        number = wanted["attempt_no"]

        for _ in range(3):
            assert merchant.refund(wanted, f"{number}R1", 6000).status_code == 200
        assert merchant.refund(wanted, f"{number}R1", 6001).json()["code"] == "NUMBER_USED"
        assert merchant.refund(wanted, f"{number}R2", 3901).json()["code"] == "EXCEEDS_PAID"
        assert merchant.refund(wanted, f"{number}R3", 3900).status_code == 200
        assert merchant.refund(wanted, f"{number}R4", 1).json()["code"] == "EXCEEDS_PAID"

    def test_that_fails_says_so_and_leaves_the_money_to_the_next(
        self, simulator: Simulator, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url)
        merchant.open(wanted)
        number = wanted["attempt_no"]
        door.wait_for_events(wanted["order_id"])
        simulator.fault("refund", "hold", provider="mock", out_trade_no=number)
        merchant.refund(wanted, f"{number}R1", 9900)

        ended = simulator.control.post(f"/control/refunds/{number}R1/close")

        assert ended.json() == {"status": "failed"}
        told = door.wait_for_events(wanted["order_id"], 2)[1].message
        assert (told["type"], told["data"]["status"]) == ("refund.failed", "failed")
        assert merchant.refund(wanted, f"{number}R2", 9900).status_code == 200

    def test_of_what_was_never_paid_is_refused(
        self, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        waiting = a_payment(door.url, simulate="requires_action")
        merchant.open(waiting)

        assert merchant.refund(waiting, "R1", 1).json()["code"] == "NOT_PAID"
        assert merchant.refund(a_payment(door.url), "R2", 1).json()["code"] == "NOT_FOUND"

    def test_made_at_the_console_counts_too(
        self, simulator: Simulator, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url)
        merchant.open(wanted)
        door.wait_for_events(wanted["order_id"])

        made = simulator.control.post(
            f"/control/trades/{wanted['attempt_no']}/console-refund",
            json={"amount": 9000, "signed": True},
        ).json()

        told = door.wait_for_events(wanted["order_id"], 2)[1].message
        assert told["data"]["refund_id"] == made["out_refund_no"]
        assert merchant.refund(wanted, "R9", 901).json()["code"] == "EXCEEDS_PAID"


class TestAnEvent:
    def test_is_sent_until_somebody_says_that_they_heard(self, merchant: MockMerchant) -> None:
        with NoticeDoor() as deaf:
            deaf.statuses = [500, 401, 200]
            wanted = a_payment(deaf.url)
            merchant.open(wanted)

            first, second, *_ = deaf.wait_for_events(wanted["order_id"], 2)

        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]

    def test_may_be_crafted_word_for_word(
        self, simulator: Simulator, merchant: MockMerchant, door: NoticeDoor
    ) -> None:
        wanted = a_payment(door.url, simulate="requires_action")
        merchant.open(wanted)
        body = {
            "out_trade_no": wanted["attempt_no"],
            "kind": "payment.succeeded",
            "overrides": {"data": {"amount": 1}, "omit_data": ["provider_txn_id"], "forged": True},
        }

        sent = simulator.control.post("/control/notices", json=body).json()

        events = [e.message | {"at": e} for e in door.wait_for_events(wanted["order_id"])]
        crafted = next(e for e in events if e["event_id"] == sent["id"])
        assert crafted["data"]["amount"] == 1
        assert "provider_txn_id" not in crafted["data"]
        assert not is_signed(crafted["at"].headers, crafted["at"].body)

    def test_goes_out_to_nobody_when_told_so(self, door: NoticeDoor, tmp_path: Path) -> None:
        with running_simulator(tmp_path, **FAST, MOCK_WEBHOOK_AUTOFIRE="0") as quiet:
            merchant = MockMerchant(quiet.base_url)
            wanted = a_payment(door.url, simulate="duplicate")
            merchant.open(wanted)
            merchant.refund(wanted, "R1", 100)
            wait_until(
                lambda: merchant.call("GET", f"{REFUNDS}/R1").json()["status"] == "succeeded"
            )
            quiet.act(wanted["attempt_no"], "pay")

            assert quiet.notices(wanted["attempt_no"]) == {"notices": [], "pending": []}
            assert merchant.status(wanted) == "succeeded"
            merchant.http.close()


class TestTheSimulator:
    def test_knows_after_a_restart_what_it_knew_before(
        self, door: NoticeDoor, tmp_path: Path
    ) -> None:
        with running_simulator(tmp_path, MOCK_WEBHOOK_DELAY_MS="6000") as simulator:
            merchant = MockMerchant(simulator.base_url)
            paid = a_payment(door.url)
            waiting = a_payment(door.url, simulate="requires_action")
            before = merchant.open(paid).json()
            merchant.open(waiting)
            refund = merchant.refund(paid, "R1", 100).json()

            simulator.kill()
            simulator.restart()

            assert merchant.open(paid).json() == before
            assert merchant.status(waiting) == "requires_action"
            assert merchant.refund(paid, "R1", 100).json()["id"] == refund["id"]
            events = door.wait_for_events(paid["order_id"], 2)
            assert sorted(types(events)) == ["payment.succeeded", "refund.succeeded"]
            merchant.http.close()

    def test_takes_a_secret_in_either_form_and_several(
        self, door: NoticeDoor, tmp_path: Path
    ) -> None:
        key = b"k" * 32
        secrets = f"whsec_{base64.b64encode(key).decode()}, old"
        with running_simulator(tmp_path, **FAST, PAYMENT_WEBHOOK_SECRET=secrets) as simulator:
            merchant = MockMerchant(simulator.base_url, key)
            wanted = a_payment(door.url)

            assert merchant.call("POST", PAYMENTS, wanted, key=b"old").status_code == 200
            assert merchant.status(wanted) == "succeeded"
            (event,) = door.wait_for_events(wanted["order_id"])
            assert is_signed(event.headers, event.body, key)
            merchant.http.close()

    def test_has_no_such_provider_without_a_secret(self, tmp_path: Path) -> None:
        with running_simulator(tmp_path, PAYMENT_WEBHOOK_SECRET="") as simulator:
            assert simulator.control.get(f"{PAYMENTS}/T1").status_code == 404
