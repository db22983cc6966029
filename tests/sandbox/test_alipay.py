"""The simulated Alipay, spoken to by a merchant with code of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.sandbox.alipay_merchant import (
    GATEWAY,
    AlipayMerchant,
    a_trade,
    fields_of,
    in_china,
)
from tests.sandbox.simulator import (
    ALIPAY_APP_ID,
    ALIPAY_SELLER_ID,
    PUBLIC_KEY_ID,
    NoticeDoor,
    Simulator,
    running_simulator,
    wait_until,
)

# The first notice is sent again after a tenth of a second.
FAST = {"SANDBOX_TIME_SCALE": "2400"}


@pytest.fixture(scope="module")
def door() -> Iterator[NoticeDoor]:
    with NoticeDoor(says=b"success") as door:
        yield door


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("alipay"), **FAST) as simulator:
        yield simulator


@pytest.fixture
def merchant(simulator: Simulator) -> Iterator[AlipayMerchant]:
    merchant = AlipayMerchant(simulator.keyring, simulator.base_url)
    yield merchant
    merchant.http.close()


@pytest.fixture
def paid(simulator: Simulator, merchant: AlipayMerchant, door: NoticeDoor) -> str:
    words = a_trade()
    merchant.precreate(words, door.url)
    assert simulator.act(words["out_trade_no"], "pay").json() == {"status": "TRADE_SUCCESS"}
    # Two that are on their way at once may overtake one another.
    door.wait_for(words["out_trade_no"])
    return str(words["out_trade_no"])


class TestACode:
    def test_makes_no_trade_before_it_is_scanned(
        self, merchant: AlipayMerchant, door: NoticeDoor
    ) -> None:
        words = a_trade()
        number = words["out_trade_no"]

        made = merchant.precreate(words, door.url)

        assert made["code"] == "10000"
        assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        assert merchant.close(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        page = merchant.http.get(made["qr_code"])
        assert "99.00" in page.text
        assert merchant.query(number)["trade_status"] == "WAIT_BUYER_PAY"
        assert merchant.close(number)["out_trade_no"] == number
        assert merchant.query(number)["trade_status"] == "TRADE_CLOSED"
        assert merchant.close(number)["sub_code"] == "ACQ.REASON_TRADE_STATUS_INVALID"

    def test_is_the_same_however_often_it_is_asked_for(
        self, simulator: Simulator, merchant: AlipayMerchant, door: NoticeDoor
    ) -> None:
        words = a_trade(qr_code_timeout_express="30m")
        first = merchant.precreate(words, door.url)

        assert merchant.precreate(words | {"qr_code_timeout_express": "29m"}, door.url) == first
        other = merchant.precreate(words | {"total_amount": "98.00"}, door.url)
        assert other["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
        simulator.act(words["out_trade_no"], "pay")
        assert merchant.precreate(words, door.url)["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"

    def test_lives_until_its_time_is_over(
        self, simulator: Simulator, merchant: AlipayMerchant, door: NoticeDoor
    ) -> None:
        soon = in_china(datetime.now(UTC) + timedelta(seconds=5))
        scanned, unscanned = a_trade(time_expire=soon), a_trade(time_expire=soon)
        for words in (scanned, unscanned):
            assert merchant.precreate(words, door.url)["code"] == "10000"
        assert simulator.act(scanned["out_trade_no"], "fail").status_code == 200

        def status() -> object:
            return merchant.query(scanned["out_trade_no"]).get("trade_status")

        wait_until(lambda: status() == "TRADE_CLOSED")
        for words in (scanned, unscanned):
            assert simulator.act(words["out_trade_no"], "pay").status_code == 409
        late = merchant.query(unscanned["out_trade_no"])
        assert late["sub_code"] == "ACQ.TRADE_NOT_EXIST"

    @pytest.mark.parametrize(
        "changes",
        [
            {"total_amount": "0.00"},
            {"total_amount": "1.001"},
            {"total_amount": "-1"},
            {"out_trade_no": "../x"},
            {"subject": "a/b=c"},
            {"time_expire": "2020-01-01 00:00:00"},
            {"time_expire": "tomorrow"},
            {"qr_code_timeout_express": "1.5h"},
            {"qr_code_timeout_express": "16d"},
        ],
    )
    def test_is_refused_in_words_it_does_not_know(
        self, merchant: AlipayMerchant, door: NoticeDoor, changes: dict[str, str]
    ) -> None:
        refused = merchant.precreate(a_trade(**changes), door.url)

        assert (refused["code"], refused["sub_code"]) == ("40004", "ACQ.INVALID_PARAMETER")


class TestACall:
    @pytest.mark.parametrize(
        ("changes", "sub_code"),
        [
            ({"biz_content": "{}"}, "isv.invalid-signature"),
            ({"timestamp": "2026-01-01 00:00:00"}, "isv.invalid-signature"),
            ({"sign": "AAAA"}, "isv.invalid-signature"),
            ({"sign_type": "RSA"}, "isv.invalid-signature-type"),
        ],
    )
    def test_that_proves_nothing_is_refused(
        self, merchant: AlipayMerchant, changes: dict[str, str], sub_code: str
    ) -> None:
        form = merchant.form("alipay.trade.query", {"out_trade_no": "T1"})

        answer = merchant.post(form | changes).json()

        assert answer["alipay_trade_query_response"]["sub_code"] == sub_code

    def test_of_an_unknown_app_is_refused_and_nobody_signs_it(
        self, merchant: AlipayMerchant
    ) -> None:
        form = merchant.form("alipay.trade.query", {"out_trade_no": "T1"}, app_id="2099")

        answer = merchant.post(form).json()

        assert answer["error_response"]["sub_code"] == "isv.invalid-app-id"
        assert "sign" not in answer

    def test_is_answered_with_braces_in_strings_and_escaped_slashes(
        self, merchant: AlipayMerchant, door: NoticeDoor, paid: str
    ) -> None:
        assert merchant.query(paid)["ext_infos"] == '{"hall":"A} \\"{"}'
        words = a_trade()
        form = merchant.form("alipay.trade.precreate", words, notify_url=door.url)
        assert r"http:\/\/127.0.0.1" in merchant.post(form).text

    def test_is_counted(self, simulator: Simulator, merchant: AlipayMerchant, paid: str) -> None:
        merchant.query(paid)
        merchant.refund(paid, f"{paid}R1", "1.00")
        merchant.query_refund(paid, f"{paid}R1")
        merchant.close(paid)

        counted = {"open": 1, "query": 1, "refund": 1, "query_refund": 1, "close": 1}
        assert simulator.calls(paid) == counted


class TestAPage:
    @pytest.mark.parametrize(
        ("method", "product", "channel"),
        [
            ("alipay.trade.wap.pay", "QUICK_WAP_WAY", "alipay_wap"),
            ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY", "alipay_pc_direct"),
        ],
    )
    def test_lets_its_payer_pay_and_sends_them_back(  # noqa: PLR0917 - fixtures
        self,
        simulator: Simulator,
        merchant: AlipayMerchant,
        door: NoticeDoor,
        method: str,
        product: str,
        channel: str,
    ) -> None:
        words = a_trade(product_code=product, quit_url="https://tickets.example/left")
        back = "https://tickets.example/paid?order_id=G1"
        form = merchant.form(method, words, notify_url=door.url, return_url=back)

        entered = merchant.http.get(f"{GATEWAY}?{urlencode(form)}", follow_redirects=True)
        paid = merchant.http.post(f"{entered.url.path}/pay")

        assert words["quit_url"] in entered.text
        assert paid.status_code == 303
        assert paid.headers["location"].startswith(f"{back}&")
        returned = dict(parse_qsl(urlsplit(paid.headers["location"]).query))
        assert returned.pop("order_id") == "G1"
        assert merchant.believes(returned)
        assert (returned["out_trade_no"], returned["total_amount"]) == (
            words["out_trade_no"],
            "99.00",
        )
        (notice,) = door.wait_for(words["out_trade_no"])
        assert fields_of(notice)["trade_status"] == "TRADE_SUCCESS"
        (listed,) = simulator.control.get(
            "/control/trades", params={"order_no": words["out_trade_no"][:16]}
        ).json()["trades"]
        assert (listed["channel"], listed["status"]) == (channel, "TRADE_SUCCESS")
        again = merchant.http.get(f"{GATEWAY}?{urlencode(form)}")
        assert "TRADE_HAS_SUCCESS" in again.text

    def test_that_was_altered_opens_nothing(
        self, merchant: AlipayMerchant, door: NoticeDoor
    ) -> None:
        words = a_trade(product_code="QUICK_WAP_WAY")
        form = merchant.form("alipay.trade.wap.pay", words, notify_url=door.url)

        altered = form | {"biz_content": form["biz_content"].replace("99.00", "0.01")}
        refused = merchant.http.get(GATEWAY, params=altered)

        assert refused.status_code == 400
        assert "invalid-signature" in refused.text
        assert merchant.query(words["out_trade_no"])["sub_code"] == "ACQ.TRADE_NOT_EXIST"

    def test_of_a_guessed_token_shows_nothing(self, merchant: AlipayMerchant, paid: str) -> None:
        assert merchant.http.get(f"/alipay/cashier/{paid}.0000000000000000").status_code == 404
        assert merchant.http.post("/alipay/cashier/x/pay").status_code == 404


class TestANotice:
    def test_is_signed_and_tells_what_a_query_tells(
        self, merchant: AlipayMerchant, door: NoticeDoor, paid: str
    ) -> None:
        (notice,) = door.wait_for(paid)

        fields = fields_of(notice)
        assert merchant.believes(fields)
        assert not merchant.believes(fields | {"total_amount": "0.01"})
        asked = merchant.query(paid)
        assert asked["send_pay_date"] == fields["gmt_payment"]
        for name in ("trade_no", "out_trade_no", "trade_status", "total_amount"):
            assert fields[name] == asked[name]
        assert (fields["app_id"], fields["seller_id"]) == (ALIPAY_APP_ID, ALIPAY_SELLER_ID)

    @pytest.mark.parametrize("said", [b"", b"SUCCESS", b"success\n", b'"success"', b"fail"])
    def test_is_sent_until_somebody_says_the_very_word(
        self, simulator: Simulator, merchant: AlipayMerchant, said: bytes
    ) -> None:
        with NoticeDoor(says=said) as deaf:
            words = a_trade()
            merchant.precreate(words, deaf.url)
            simulator.act(words["out_trade_no"], "pay")
            first, second, *_ = deaf.wait_for(words["out_trade_no"], 2)
            deaf.says = b"success"

        assert fields_of(first)["notify_id"] == fields_of(second)["notify_id"]

    def test_that_was_heard_is_not_sent_again(
        self, simulator: Simulator, door: NoticeDoor, paid: str
    ) -> None:
        door.wait_for(paid)
        wait_until(lambda: not simulator.notices(paid)["pending"])

        assert [one["status"] for one in simulator.notices(paid)["notices"]] == [200]

    def test_may_be_doubled_lost_wrong_or_forged(
        self, simulator: Simulator, merchant: AlipayMerchant, door: NoticeDoor
    ) -> None:
        doubled, lost, wrong, forged = (a_trade() for _ in range(4))
        for words in (doubled, lost, wrong, forged):
            merchant.precreate(words, door.url)
        simulator.act(lost["out_trade_no"], "pay", drop=True)
        simulator.act(doubled["out_trade_no"], "pay", duplicate=3)
        simulator.act(wrong["out_trade_no"], "pay", wrong_amount=1)
        simulator.act(forged["out_trade_no"], "pay", forged=True)

        copies = door.wait_for(doubled["out_trade_no"], 3)
        assert len({fields_of(copy)["notify_id"] for copy in copies}) == 1
        assert fields_of(door.wait_for(wrong["out_trade_no"])[0])["total_amount"] == "0.01"
        assert merchant.query(wrong["out_trade_no"])["total_amount"] == "0.01"
        assert not merchant.believes(fields_of(door.wait_for(forged["out_trade_no"])[0]))
        assert merchant.query(forged["out_trade_no"])["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        assert door.of(lost["out_trade_no"]) == []
        assert merchant.query(lost["out_trade_no"])["trade_status"] == "TRADE_SUCCESS"

    def test_may_be_crafted_field_by_field(
        self, simulator: Simulator, merchant: AlipayMerchant, door: NoticeDoor, paid: str
    ) -> None:
        door.wait_for(paid)
        overrides: dict[str, Any] = {
            "fields": {"seller_id": "2088999999999999"},
            "omit": ["buyer_id"],
            "amount": 1,
            "is_service": True,
            "timestamp_offset_seconds": -3600,
        }
        body = {"out_trade_no": paid, "kind": "finished", "overrides": overrides}

        sent = simulator.control.post("/control/notices", json=body).json()

        fields = next(
            fields
            for fields in map(fields_of, door.wait_for(paid, 2))
            if fields["notify_id"] == sent["id"]
        )
        assert fields["seller_id"] == "2088999999999999"
        assert (fields["total_amount"], fields["trade_status"]) == ("0.01", "TRADE_FINISHED")
        assert "buyer_id" not in fields
        assert not merchant.believes(fields)
        names = sorted(fields.keys() - {"sign"})
        text = "&".join(f"{name}={fields[name]}" for name in names)
        assert merchant.is_signed(fields["sign"], text)
        assert sent["body"] == "success"
        unknown = body | {"overrides": {"nothing": 1}}
        assert simulator.control.post("/control/notices", json=unknown).status_code == 400


class TestARefund:
    def test_moves_money_once_however_often_it_is_asked_for(
        self, merchant: AlipayMerchant, door: NoticeDoor, paid: str
    ) -> None:
        first = merchant.refund(paid, f"{paid}R1", "40.00")
        again = merchant.refund(paid, f"{paid}R1", "40.00")

        assert (first["fund_change"], first["refund_fee"]) == ("Y", "40.00")
        assert (again["fund_change"], again["refund_fee"]) == ("N", "40.00")
        other = merchant.refund(paid, f"{paid}R1", "39.00")
        assert other["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
        asked = merchant.query_refund(paid, f"{paid}R1")
        assert (asked["refund_status"], asked["refund_amount"]) == ("REFUND_SUCCESS", "40.00")
        told = fields_of(door.wait_for(paid, 2)[1])
        assert (told["out_biz_no"], told["refund_fee"]) == (f"{paid}R1", "40.00")
        assert told["trade_status"] == "TRADE_SUCCESS"

    def test_of_all_that_was_paid_closes_the_trade(
        self, merchant: AlipayMerchant, door: NoticeDoor, paid: str
    ) -> None:
        merchant.refund(paid, f"{paid}R1", "60.00")
        too_much = merchant.refund(paid, f"{paid}R2", "39.01")
        merchant.refund(paid, f"{paid}R3", "39.00")

        assert too_much["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
        closed = merchant.query(paid)
        assert closed["trade_status"] == "TRADE_CLOSED"
        assert closed["send_pay_date"]
        told = [fields_of(one) for one in door.wait_for(paid, 3)]
        assert ("TRADE_CLOSED", "99.00") in {
            (one["trade_status"], one.get("refund_fee")) for one in told
        }
        more = merchant.refund(paid, f"{paid}R4", "0.01")
        assert more["sub_code"] == "ACQ.TRADE_STATUS_ERROR"

    def test_may_be_held_and_fail_and_be_asked_for_again(
        self, simulator: Simulator, merchant: AlipayMerchant, paid: str
    ) -> None:
        number = f"{paid}R1"
        simulator.fault("refund", "hold", provider="alipay", out_trade_no=paid)
        assert merchant.refund(paid, number, "99.00")["fund_change"] == "N"
        assert merchant.query_refund(paid, number)["refund_status"] == "REFUND_PROCESSING"

        for outcome, status in (("abnormal", 409), ("close", 200), ("success", 409)):
            ended = simulator.control.post(f"/control/refunds/{number}/{outcome}")
            assert ended.status_code == status

        assert merchant.query_refund(paid, number)["refund_status"] == "REFUND_FAIL"
        assert merchant.refund(paid, number, "99.00")["fund_change"] == "Y"

    def test_that_nobody_asked_for_is_answered_with_nothing(
        self, merchant: AlipayMerchant, paid: str
    ) -> None:
        assert merchant.query_refund(paid, "R77") == {"code": "10000", "msg": "Success"}

    def test_of_what_was_never_paid_is_refused(
        self, simulator: Simulator, merchant: AlipayMerchant, door: NoticeDoor
    ) -> None:
        words = a_trade()
        merchant.precreate(words, door.url)
        number = words["out_trade_no"]

        assert merchant.refund(number, f"{number}R1", "1.00")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        simulator.act(number, "fail")
        assert (
            merchant.refund(number, f"{number}R1", "1.00")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
        )

    def test_made_at_the_console_counts_and_is_told(
        self, simulator: Simulator, merchant: AlipayMerchant, door: NoticeDoor, paid: str
    ) -> None:
        made = simulator.control.post(
            f"/control/trades/{paid}/console-refund", json={"amount": 9000, "signed": True}
        ).json()

        told = fields_of(door.wait_for(paid, 2)[1])
        assert told["out_biz_no"] == made["out_refund_no"]
        left = merchant.refund(paid, f"{paid}R1", "9.01")
        assert left["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"


class TestKeys:
    """Rotations; each in a house of its own, since the others know only the first key."""

    def test_of_alipay_change_and_the_old_one_is_still_there(
        self, door: NoticeDoor, tmp_path: Path
    ) -> None:
        with running_simulator(tmp_path, **FAST) as simulator:
            merchant = AlipayMerchant(simulator.keyring, simulator.base_url)
            old = merchant.alipay

            handed = simulator.control.post("/control/keys/alipay/rotate").json()

            new = load_pem_public_key(handed["public_key"].encode())
            assert isinstance(new, RSAPublicKey)
            merchant.alipay = new
            words = a_trade()
            merchant.precreate(words, door.url)
            simulator.act(words["out_trade_no"], "pay")
            fields = fields_of(door.wait_for(words["out_trade_no"])[0])
            assert merchant.believes(fields)
            assert not merchant.believes(fields, old)
            body = {"out_trade_no": words["out_trade_no"], "overrides": {"key": "old"}}
            simulator.control.post("/control/notices", json=body)
            assert merchant.believes(fields_of(door.wait_for(words["out_trade_no"], 2)[1]), old)
            merchant.http.close()

    def test_of_wechat_change_their_name_too(self, tmp_path: Path) -> None:
        with running_simulator(tmp_path, **FAST) as simulator, NoticeDoor() as door:
            handed = simulator.control.post("/control/keys/wechat/rotate").json()
            number = a_trade()["out_trade_no"]

            # Whoever still asks for the old key by its name is answered by it.
            opened = simulator.merchant.open(number, door.url)
            assert opened.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
            assert simulator.merchant.verifies(opened.headers, opened.content)
            simulator.act(number, "pay")
            (notice,) = door.wait_for(number)
            assert notice.headers["Wechatpay-Serial"] == handed["public_key_id"] != PUBLIC_KEY_ID
            assert not simulator.merchant.verifies(notice.headers, notice.body)
            body = {"out_trade_no": number, "overrides": {"key": "old"}}
            simulator.control.post("/control/notices", json=body)
            crafted = door.wait_for(number, 2)[1]
            assert simulator.merchant.verifies(crafted.headers, crafted.body)

    def test_that_are_shared_or_nobodys_do_not_change(self, simulator: Simulator) -> None:
        assert simulator.control.post("/control/keys/mock/rotate").status_code == 409
        assert simulator.control.post("/control/keys/nobody/rotate").status_code == 404


class TestTheSimulator:
    def test_knows_after_a_restart_what_it_knew_before(
        self, door: NoticeDoor, tmp_path: Path
    ) -> None:
        with running_simulator(tmp_path, SANDBOX_TIME_SCALE="60") as simulator:
            merchant = AlipayMerchant(simulator.keyring, simulator.base_url)
            words = a_trade()
            made = merchant.precreate(words, door.url)
            number = words["out_trade_no"]
            simulator.act(number, "pay", delay_ms=3000)
            before = merchant.query(number)

            simulator.kill()
            simulator.restart()

            assert merchant.query(number) == before
            assert merchant.http.get(made["qr_code"]).status_code == 200
            assert fields_of(door.wait_for(number)[0])["trade_no"] == before["trade_no"]
            merchant.http.close()

    def test_has_no_such_provider_without_its_settings(self, tmp_path: Path) -> None:
        with running_simulator(tmp_path, SANDBOX_ALIPAY_APP_ID="") as simulator:
            assert simulator.control.post(GATEWAY).status_code == 404
