"""The simulated Ping++, spoken to by a merchant with code of its own."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from sandbox.alarm import Alarm
from sandbox.faults import Faults
from sandbox.pingxx.events import RESEND_SECONDS
from sandbox.pingxx.provider import Pingxx
from sandbox.store import Store
from tests.sandbox.simulator import (
    PINGXX_APP_ID,
    PINGXX_SECRET_KEY,
    NoticeDoor,
    Received,
    Simulator,
    new_trade_no,
    pingxx_environment,
    running_simulator,
)

CHARGES = "/pingxx/v1/charges"
SIGNATURE = "X-Pingplusplus-Signature"


class PingxxMerchant:
    """Signs requests with nothing but cryptography."""

    def __init__(self, simulator: Simulator) -> None:
        self.key: RSAPrivateKey = simulator.keyring.merchant
        self.http = httpx.Client(base_url=simulator.base_url, trust_env=False, timeout=30)

    def call(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        age_seconds: int = 0,
        signed_as: str | None = None,
        secret_key: str = PINGXX_SECRET_KEY,
    ) -> httpx.Response:
        """Send one call; *signed_as* is the target that is signed instead of the true one."""
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        at = str(int(time.time()) - age_seconds)
        message = raw + (signed_as or target).encode() + at.encode()
        signature = base64.b64encode(self.key.sign(message, PKCS1v15(), SHA256())).decode()
        headers = {
            "Authorization": f"Bearer {secret_key}",
            "Pingplusplus-Request-Timestamp": at,
            "Pingplusplus-Signature": signature,
        }
        return self.http.request(method, target, content=raw, headers=headers)

    def open(self, **changes: object) -> dict[str, Any]:
        """Make a charge that must work."""
        reply = self.call("POST", CHARGES, a_charge(**changes))
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def charge(self, charge_id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"{CHARGES}/{charge_id}").json())

    def list(self, **query: str | int) -> dict[str, Any]:
        asked = urlencode({"app[id]": PINGXX_APP_ID} | query)
        return dict(self.call("GET", f"{CHARGES}?{asked}").json())

    def refund(self, charge_id: str, **words: object) -> httpx.Response:
        body = {"description": "the show is off"} | words
        return self.call("POST", f"{CHARGES}/{charge_id}/refunds", body)


def a_charge(**changes: object) -> dict[str, Any]:
    """Return the words of a charge of 99 yuan; None removes a field."""
    number = new_trade_no()
    body: dict[str, Any] = {
        "order_no": number,
        "app": {"id": PINGXX_APP_ID},
        "channel": "wx_pub_qr",
        "amount": 9900,
        "client_ip": "127.0.0.1",
        "currency": "cny",
        "subject": "Guichet Demo Night 演示票",
        "body": "Guichet Demo Night",
        "extra": {"product_id": number},
        "time_expire": int(time.time()) + 1800,
        "metadata": {"attempt_no": number},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def is_signed_by(key: RSAPublicKey, headers: dict[str, str], body: bytes) -> bool:
    try:
        signature = base64.b64decode(headers[SIGNATURE], validate=True)
        key.verify(signature, body, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def events_of(door: NoticeDoor, number: str, count: int = 1) -> list[Received]:
    def speaks_of(one: Received) -> bool:
        told = one.message["data"]["object"]
        return number in {told.get("order_no"), told.get("charge_order_no")}

    return door.wait_where(speaks_of, count)


def error(reply: httpx.Response) -> tuple[int, str, str | None]:
    said = reply.json()["error"]
    return reply.status_code, said["type"], said.get("code")


@pytest.fixture(scope="module")
def door() -> Iterator[NoticeDoor]:
    with NoticeDoor() as door:
        yield door


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory, door: NoticeDoor) -> Iterator[Simulator]:
    folder = tmp_path_factory.mktemp("pingxx")
    # Three hundred times as fast: the first resend comes after 400 ms.
    fast = pingxx_environment(folder, door.url, SANDBOX_TIME_SCALE="300")
    with running_simulator(folder, **fast) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def merchant(simulator: Simulator) -> Iterator[PingxxMerchant]:
    merchant = PingxxMerchant(simulator)
    yield merchant
    merchant.http.close()


class TestACharge:
    def test_reads_as_ping_plus_plus_writes_it(self, merchant: PingxxMerchant) -> None:
        wanted = a_charge()

        made = merchant.call("POST", CHARGES, wanted).json()

        assert made["id"].startswith("ch_")
        assert len(made["id"]) == 27
        assert made["object"] == "charge"
        assert (made["livemode"], made["paid"], made["refunded"]) == (False, False, False)
        assert (made["app"], made["order_no"]) == (PINGXX_APP_ID, wanted["order_no"])
        assert (made["amount"], made["currency"]) == (9900, "cny")
        assert made["time_expire"] == wanted["time_expire"]
        assert merchant.charge(made["id"]) == made | {"credential": {}}

    def test_of_a_code_is_paid_on_a_page(
        self, simulator: Simulator, merchant: PingxxMerchant
    ) -> None:
        for channel, extra in (("wx_pub_qr", {"product_id": "1"}), ("alipay_qr", {})):
            made = merchant.open(channel=channel, extra=extra)

            page = simulator.control.get(made["credential"][channel])

            assert f"/control/trades/{made['order_no']}/pay" in page.text

    @pytest.mark.parametrize("channel", ["wx_pub", "wx_lite"])
    def test_of_a_known_payer_is_a_signed_call(
        self, simulator: Simulator, merchant: PingxxMerchant, channel: str
    ) -> None:
        made = merchant.open(channel=channel, extra={"open_id": "oPayer"})

        call = made["credential"][channel]

        assert call["signType"] == "RSA"
        assert call["package"].startswith("prepay_id=wx")
        message = "".join(
            f"{call[name]}\n" for name in ("appId", "timeStamp", "nonceStr", "package")
        )
        signature = base64.b64decode(call["paySign"], validate=True)
        key = simulator.keyring.platform.public_key()
        key.verify(signature, message.encode(), PKCS1v15(), SHA256())

    def test_is_made_anew_each_time_and_paid_once(
        self, simulator: Simulator, merchant: PingxxMerchant
    ) -> None:
        wanted = a_charge()
        first, second = (merchant.call("POST", CHARGES, wanted).json() for _ in range(2))

        assert simulator.act(wanted["order_no"], "pay").status_code == 200

        assert first["id"] != second["id"]
        assert first["credential"] == second["credential"]
        assert merchant.charge(first["id"])["paid"] is True
        assert merchant.charge(second["id"])["paid"] is False
        assert error(merchant.call("POST", CHARGES, wanted)) == (
            402,
            "channel_error",
            "channel_request_error",
        )

    def test_of_a_known_number_takes_no_other_words(self, merchant: PingxxMerchant) -> None:
        wanted = a_charge()
        merchant.call("POST", CHARGES, wanted)

        refused = merchant.call("POST", CHARGES, wanted | {"amount": 1})

        assert error(refused) == (402, "channel_error", "channel_request_error")

    @pytest.mark.parametrize(
        "changes",
        [
            {"order_no": "a b"},
            {"order_no": "G1"},
            {"app": {"id": "app_Somebodys"}},
            {"app": PINGXX_APP_ID},
            {"channel": "upacp"},
            {"amount": 0},
            {"amount": "9900"},
            {"currency": "CNY"},
            {"subject": "x" * 33},
            {"body": None},
            {"client_ip": "here"},
            {"extra": {}},
            {"extra": {"open_id": "o"}},
            {"extra": {"product_id": "x" * 33}},
            {"channel": "alipay_qr"},
            {"time_expire": int(time.time()) - 60},
            {"time_expire": int(time.time()) + 8 * 86_400},
            {"metadata": {"a": 1}},
            {"notify_url": "http://127.0.0.1/"},
        ],
    )
    def test_is_refused_in_words_that_make_no_sense(
        self, merchant: PingxxMerchant, changes: dict[str, object]
    ) -> None:
        refused = merchant.call("POST", CHARGES, a_charge(**changes))

        assert error(refused) == (400, "invalid_request_error", None)

    def test_that_nobody_made_is_not_found(self, merchant: PingxxMerchant) -> None:
        assert merchant.call("GET", f"{CHARGES}/ch_nobody").status_code == 404


class TestAList:
    def test_is_newest_first_and_goes_on_behind_its_cursor(self, merchant: PingxxMerchant) -> None:
        made = [merchant.open(channel="alipay_qr", extra={})["id"] for _ in range(3)]

        first = merchant.list(channel="alipay_qr", limit=2)
        rest = merchant.list(channel="alipay_qr", limit=1, starting_after=first["data"][1]["id"])

        assert [one["id"] for one in first["data"]] == [made[2], made[1]]
        assert first["has_more"] is True
        assert [one["id"] for one in rest["data"]] == [made[0]]

    def test_knows_what_was_paid_and_when_it_was_made(
        self, simulator: Simulator, merchant: PingxxMerchant
    ) -> None:
        made = merchant.open()
        simulator.act(made["order_no"], "pay")
        now = int(time.time())

        def listed(**query: str | int) -> bool:
            found = merchant.list(limit=100, **query)["data"]
            return made["id"] in {one["id"] for one in found}

        assert listed(paid="true")
        assert not listed(paid="false")
        assert listed(**{"created[gte]": now - 60, "created[lte]": now + 60})
        assert not listed(**{"created[lte]": now - 60})
        assert not listed(channel="wx_pub")

    @pytest.mark.parametrize(
        "query", [{"limit": 101}, {"order_no": "G1"}, {"starting_after": "ch_nobody"}]
    )
    def test_takes_no_other_words(
        self, merchant: PingxxMerchant, query: dict[str, str | int]
    ) -> None:
        assert merchant.list(**query)["error"]["type"] == "invalid_request_error"


class TestACall:
    @pytest.mark.parametrize(
        "flaw",
        [
            {"age_seconds": 301},
            {"age_seconds": -330},
            {"signed_as": f"{CHARGES}/ch_another"},
            {"secret_key": "sk_test_another"},
        ],
    )
    def test_that_proves_nothing_is_refused(
        self, merchant: PingxxMerchant, flaw: dict[str, Any]
    ) -> None:
        refused = merchant.call("POST", CHARGES, a_charge(), **flaw)

        assert error(refused) == (401, "authentication_error", None)

    def test_is_counted(self, simulator: Simulator, merchant: PingxxMerchant) -> None:
        made = merchant.open()
        merchant.charge(made["id"])
        merchant.call("GET", f"{CHARGES}/{made['id']}/refunds")

        counted = simulator.calls(made["order_no"])

        assert counted == {"open": 1, "query": 1, "query_refund": 1}

    def test_may_be_done_and_answered_with_what_nobody_can_read(
        self, simulator: Simulator, merchant: PingxxMerchant
    ) -> None:
        wanted = a_charge()
        number = wanted["order_no"]
        simulator.fault("open", "bad_signature", provider="pingxx", out_trade_no=number)

        reply = merchant.call("POST", CHARGES, wanted)

        assert (reply.status_code, reply.text[:9]) == (200, "<!doctype")
        (made,) = merchant.list()["data"][:1]
        assert made["order_no"] == wanted["order_no"]


class TestARefund:
    def test_is_pending_until_it_is_told_of(
        self, simulator: Simulator, merchant: PingxxMerchant, door: NoticeDoor
    ) -> None:
        made = merchant.open()
        number = made["order_no"]
        simulator.act(number, "pay")
        # Two that are on their way at once may overtake one another.
        events_of(door, number)

        asked = merchant.refund(made["id"], amount=4000, metadata={"refund_no": f"{number}R1"})

        refund = asked.json()
        assert (refund["status"], refund["succeed"]) == ("pending", False)
        assert refund["id"].startswith("re_")
        (_, told) = events_of(door, number, 2)
        assert told.message["type"] == "refund.succeeded"
        ended = told.message["data"]["object"]
        assert ended["time_succeed"] is not None
        assert ended == refund | {
            "status": "succeeded",
            "succeed": True,
            "time_succeed": ended["time_succeed"],
        }
        assert merchant.charge(made["id"])["amount_refunded"] == 4000

    def test_is_made_as_often_as_it_is_asked_for_and_never_above_what_was_paid(
        self, simulator: Simulator, merchant: PingxxMerchant
    ) -> None:
        made = merchant.open()
        simulator.act(made["order_no"], "pay")
        same = {"amount": 4000, "metadata": {"refund_no": "R1"}}

        first, second = (merchant.refund(made["id"], **same).json() for _ in range(2))

        assert first["id"] != second["id"]
        assert error(merchant.refund(made["id"], **same))[0] == 400
        assert merchant.refund(made["id"]).json()["amount"] == 1900
        listed = merchant.call("GET", f"{CHARGES}/{made['id']}/refunds?limit=2").json()
        assert [one["id"] for one in listed["data"]][1] == second["id"]
        assert listed["has_more"] is True
        found = merchant.call("GET", f"{CHARGES}/{made['id']}/refunds/{first['id']}").json()
        assert found["id"] == first["id"]

    def test_of_what_was_not_paid_is_refused(self, merchant: PingxxMerchant) -> None:
        made = merchant.open()

        assert error(merchant.refund(made["id"])) == (400, "invalid_request_error", None)
        assert merchant.refund("ch_nobody").status_code == 404

    @pytest.mark.parametrize(
        ("end", "failure_code"),
        [("close", "refund_refused"), ("abnormal", "refund_manual_intervention")],
    )
    def test_that_fails_says_why_and_leaves_the_money_to_the_next(
        self, simulator: Simulator, merchant: PingxxMerchant, end: str, failure_code: str
    ) -> None:
        made = merchant.open()
        number = made["order_no"]
        simulator.act(number, "pay")
        simulator.fault("refund", "hold", provider="pingxx", out_trade_no=number)
        refund = merchant.refund(made["id"], metadata={"refund_no": f"{number}R1"}).json()

        ended = simulator.control.post(f"/control/refunds/{number}R1/{end}")

        assert ended.json() == {"status": "failed"}
        told = merchant.call("GET", f"{CHARGES}/{made['id']}/refunds/{refund['id']}").json()
        assert (told["status"], told["failure_code"]) == ("failed", failure_code)
        assert merchant.refund(made["id"]).status_code == 200

    def test_made_at_the_console_carries_no_number_of_ours(
        self, simulator: Simulator, merchant: PingxxMerchant, door: NoticeDoor
    ) -> None:
        made = merchant.open()
        simulator.act(made["order_no"], "pay")
        events_of(door, made["order_no"])

        simulator.control.post(
            f"/control/trades/{made['order_no']}/console-refund",
            json={"amount": 100, "signed": True},
        )

        (_, told) = events_of(door, made["order_no"], 2)
        assert told.message["data"]["object"]["metadata"] == {}
        assert told.message["data"]["object"]["charge"] == made["id"]


class TestAnEvent:
    def test_says_what_was_paid_and_is_signed_over_its_bytes(
        self, simulator: Simulator, merchant: PingxxMerchant, door: NoticeDoor
    ) -> None:
        made = merchant.open()

        simulator.act(made["order_no"], "pay")

        (event,) = events_of(door, made["order_no"])
        assert event.message["type"] == "charge.succeeded"
        assert event.message["id"].startswith("evt_")
        assert (event.message["object"], event.message["livemode"]) == ("event", False)
        told = event.message["data"]["object"]
        assert (told["id"], told["paid"], told["amount"]) == (made["id"], True, 9900)
        assert told["credential"] == {}
        key = simulator.keyring.platform.public_key()
        assert is_signed_by(key, event.headers, event.body)
        assert not is_signed_by(key, event.headers, event.body + b" ")

    def test_is_sent_again_word_for_word_until_somebody_heard(self, tmp_path: Path) -> None:
        # A door of its own: at the shared one another's event could be the one that is refused.
        with NoticeDoor() as deaf:
            fast = pingxx_environment(tmp_path, deaf.url, SANDBOX_TIME_SCALE="300")
            with running_simulator(tmp_path, **fast) as simulator:
                merchant = PingxxMerchant(simulator)
                number = merchant.open()["order_no"]
                deaf.statuses = [500, 200]

                simulator.act(number, "pay")

                first, second = events_of(deaf, number, 2)
                merchant.http.close()

        assert first.body == second.body
        assert len(RESEND_SECONDS) == 7
        assert 24 * 3600 < sum(RESEND_SECONDS) < 25 * 3600

    def test_may_come_several_times_or_be_of_another_amount_or_forged(
        self, simulator: Simulator, merchant: PingxxMerchant, door: NoticeDoor
    ) -> None:
        made, forged = merchant.open(), merchant.open()
        simulator.act(made["order_no"], "pay", duplicate=3, wrong_amount=1)
        simulator.act(forged["order_no"], "pay", forged=True)

        copies = events_of(door, made["order_no"], 3)
        (lie,) = events_of(door, forged["order_no"])

        assert len({copy.message["id"] for copy in copies}) == 1
        assert copies[0].message["data"]["object"]["amount"] == 1
        assert merchant.charge(made["id"])["amount"] == 1
        assert merchant.charge(forged["id"])["paid"] is False
        assert not is_signed_by(simulator.keyring.platform.public_key(), lie.headers, lie.body)

    def test_may_be_crafted_word_for_word(
        self, simulator: Simulator, merchant: PingxxMerchant, door: NoticeDoor
    ) -> None:
        made = merchant.open()
        overrides = {
            "object": {"amount": 1, "app": "app_Somebodys"},
            "omit": ["time_paid"],
            "livemode": True,
            "created_offset_seconds": -90_000,
        }
        body = {"out_trade_no": made["order_no"], "kind": "success", "overrides": overrides}

        sent = simulator.control.post("/control/notices", json=body).json()

        (event,) = events_of(door, made["order_no"])
        assert event.message["id"] == sent["id"]
        told = event.message["data"]["object"]
        assert (told["amount"], told["app"], "time_paid" in told) == (1, "app_Somebodys", False)
        assert event.message["livemode"] is True
        assert time.time() - event.message["created"] > 80_000
        unknown = body | {"overrides": {"nothing": 1}}
        assert simulator.control.post("/control/notices", json=unknown).status_code == 400


class TestAPayer:
    def test_may_fail_and_pay_after_all_but_not_what_is_over(
        self, simulator: Simulator, merchant: PingxxMerchant
    ) -> None:
        made = merchant.open()
        number = made["order_no"]

        assert simulator.act(number, "fail").json() == {"status": "unpaid"}
        assert simulator.act(number, "pay").json() == {"status": "paid"}
        assert simulator.act(number, "close").status_code == 409

    def test_cannot_pay_what_was_reversed(
        self, simulator: Simulator, merchant: PingxxMerchant
    ) -> None:
        made = merchant.open()

        assert simulator.act(made["order_no"], "close").json() == {"status": "reversed"}
        assert simulator.act(made["order_no"], "pay").status_code == 409
        assert merchant.charge(made["id"])["reversed"] is True


class TestTheSimulator:
    def test_knows_after_a_restart_what_it_knew_before(
        self, door: NoticeDoor, tmp_path: Path
    ) -> None:
        with running_simulator(tmp_path, **pingxx_environment(tmp_path, door.url)) as simulator:
            merchant = PingxxMerchant(simulator)
            wanted = a_charge()
            made = [merchant.call("POST", CHARGES, wanted).json()["id"] for _ in range(2)]
            simulator.act(wanted["order_no"], "pay")

            simulator.kill()
            simulator.restart()

            assert [merchant.charge(one)["paid"] for one in made] == [True, False]
            assert simulator.status(wanted["order_no"]) == "paid"
            merchant.http.close()

    def test_has_no_such_provider_without_a_key(self, tmp_path: Path) -> None:
        with running_simulator(tmp_path) as simulator:
            assert simulator.control.get(CHARGES).status_code == 404

    def test_signs_with_a_new_key_once_it_is_told_to(self, tmp_path: Path) -> None:
        environment = pingxx_environment(tmp_path, "http://127.0.0.1:9/")
        with running_simulator(tmp_path, **environment) as simulator:
            merchant = PingxxMerchant(simulator)
            number = merchant.open()["order_no"]
            merchant.http.close()
            keyring = simulator.keyring
        settings = keyring.settings(**environment)
        old, new = keyring.platform.public_key(), None

        for _ in ("before a restart", "after it"):
            store = Store(settings.state)
            assert settings.pingxx is not None
            pingxx = Pingxx(
                store=store,
                settings=settings,
                own=settings.pingxx,
                faults=Faults(),
                alarm=Alarm(),
            )
            new = new or load_pem_public_key(pingxx.rotate()["public_key"].encode())
            assert isinstance(new, RSAPublicKey)
            trade = store.trade("pingxx", number)
            assert trade is not None
            for key, signer, other in (("new", new, old), ("old", old, new)):
                _, _, copy = pingxx.crafted(trade, "success", {"key": key})
                assert is_signed_by(signer, copy.headers, copy.body)
                assert not is_signed_by(other, copy.headers, copy.body)
            store.close()
