"""What the WeChat Pay simulator demands of a request before it does anything."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox.simulator import (
    MCH_ID,
    NATIVE,
    OTHER_APP_ID,
    PUBLIC_KEY_ID,
    Merchant,
    Simulator,
    in_china,
    new_trade_no,
    open_sealed,
    order,
    running_simulator,
)

URL = "http://127.0.0.1:9/notices"
REMOVED = None
CERTIFICATES = "/v3/certificates"


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("sandbox"), SANDBOX_TIME_SCALE="60") as running:
        yield running


@pytest.fixture(scope="module")
def merchant(sim: Simulator) -> Merchant:
    return sim.merchant


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


class TestTheCaller:
    @pytest.mark.parametrize("header", ["Accept", "User-Agent"])
    def test_must_name_itself_and_what_it_accepts(self, merchant: Merchant, header: str) -> None:
        assert code(merchant.call("GET", CERTIFICATES, **{header: ""})) == (400, "INVALID_REQUEST")

    @pytest.mark.parametrize(
        ("pairs", "field"),
        [
            ({"mchid": "1900000002"}, "mchid"),
            ({"serial_no": "00AA"}, "serial_no"),
            ({"timestamp": "soon"}, "timestamp"),
            ({"nonce_str": ""}, "nonce_str"),
            ({"nonce_str": "another"}, "signature"),
            ({"signature": "bm90IG91cnM="}, "signature"),
            ({"signature": "***"}, "signature"),
        ],
    )
    def test_is_refused_for_one_wrong_pair(
        self, merchant: Merchant, pairs: dict[str, str], field: str
    ) -> None:
        headers = merchant.headers("GET", CERTIFICATES, pairs=pairs)

        reply = merchant.http.get(CERTIFICATES, headers=headers)

        assert code(reply) == (401, "SIGN_ERROR")
        assert reply.json()["detail"]["field"] == field
        assert "Wechatpay-Signature" not in reply.headers

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Bearer abc",
            "WECHATPAY2-SHA256-RSA2048",
            'WECHATPAY2-SHA256-RSA2048 mchid="1"',
            'WECHATPAY2-SHA256-RSA2048 a="1",b="2",c="3",d="4",e="5"',
        ],
    )
    def test_is_refused_for_a_header_of_another_form(self, merchant: Merchant, header: str) -> None:
        reply = merchant.call("GET", CERTIFICATES, Authorization=header)

        assert code(reply) == (401, "SIGN_ERROR")

    def test_is_refused_for_a_space_between_the_pairs(self, merchant: Merchant) -> None:
        honest = merchant.headers("GET", CERTIFICATES)["Authorization"]

        reply = merchant.call("GET", CERTIFICATES, Authorization=honest.replace(",", ", "))

        assert code(reply) == (401, "SIGN_ERROR")

    @pytest.mark.parametrize("age_seconds", [310, -310])
    def test_is_refused_more_than_five_minutes_off(
        self, merchant: Merchant, age_seconds: int
    ) -> None:
        headers = merchant.headers("GET", CERTIFICATES, age_seconds=age_seconds)

        reply = merchant.http.get(CERTIFICATES, headers=headers)

        assert (code(reply), reply.json()["detail"]["issue"]) == ((401, "SIGN_ERROR"), "expired")

    @pytest.mark.parametrize("age_seconds", [290, -290])
    def test_may_be_nearly_five_minutes_off(self, merchant: Merchant, age_seconds: int) -> None:
        headers = merchant.headers("GET", CERTIFICATES, age_seconds=age_seconds)

        assert merchant.http.get(CERTIFICATES, headers=headers).status_code == 200

    def test_must_send_the_very_bytes_it_signed(self, merchant: Merchant) -> None:
        body = order(new_trade_no(), URL)
        headers = merchant.headers("POST", NATIVE, json.dumps(body).encode())

        reply = merchant.http.post(NATIVE, content=json.dumps(body, indent=1), headers=headers)

        assert code(reply) == (401, "SIGN_ERROR")

    def test_must_sign_the_query_string_too(self, merchant: Merchant) -> None:
        path = f"/v3/pay/transactions/out-trade-no/{new_trade_no()}"
        headers = merchant.headers("GET", path)

        reply = merchant.http.get(f"{path}?mchid={MCH_ID}", headers=headers)

        assert code(reply) == (401, "SIGN_ERROR")

    def test_signs_an_encoded_path_as_it_was_sent(self, merchant: Merchant) -> None:
        target = f"/v3/pay/transactions/out-trade-no/A%7CB%2A1234?mchid={MCH_ID}"

        assert code(merchant.call("GET", target)) == (404, "ORDER_NOT_EXIST")

    def test_cannot_ask_for_a_signature_under_an_unknown_key(self, merchant: Merchant) -> None:
        reply = merchant.call("GET", CERTIFICATES, **{"Wechatpay-Serial": "PUB_KEY_ID_1"})

        assert code(reply) == (400, "INVALID_REQUEST")


class TestTheParameters:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"appid": REMOVED}, "/appid"),
            ({"mchid": REMOVED}, "/mchid"),
            ({"description": REMOVED}, "/description"),
            ({"description": ""}, "/description"),
            ({"description": "x" * 128}, "/description"),
            ({"out_trade_no": "five5"}, "/out_trade_no"),
            ({"out_trade_no": "with space"}, "/out_trade_no"),
            ({"out_trade_no": "x" * 33}, "/out_trade_no"),
            ({"out_trade_no": "票票票票票票"}, "/out_trade_no"),
            ({"notify_url": REMOVED}, "/notify_url"),
            ({"notify_url": "ftp://127.0.0.1/x"}, "/notify_url"),
            ({"notify_url": "http://[::1/x"}, "/notify_url"),
            ({"notify_url": "http://127.0.0.1/x?order=1"}, "/notify_url"),
            ({"attach": "x" * 129}, "/attach"),
            ({"amount": REMOVED}, "/amount"),
            ({"amount": {"total": 0}}, "/amount/total"),
            ({"amount": {"total": "1"}}, "/amount/total"),
            ({"amount": {"total": True}}, "/amount/total"),
            ({"amount": {"total": 1.0}}, "/amount/total"),
            ({"amount": {"total": 1, "currency": "USD"}}, "/amount/currency"),
            ({"time_expire": "2026-11-21 10:00:00"}, "/time_expire"),
            ({"time_expire": "2099-13-41T10:00:00+08:00"}, "/time_expire"),
            ({"time_expire": in_china(minutes=-1)}, "/time_expire"),
            ({"time_expire": in_china(minutes=8 * 1440)}, "/time_expire"),
        ],
    )
    def test_are_refused_with_the_place_of_the_fault(
        self, merchant: Merchant, changes: dict[str, Any], field: str
    ) -> None:
        reply = merchant.open(new_trade_no(), URL, **changes)

        assert code(reply) == (400, "PARAM_ERROR")
        assert reply.json()["detail"]["field"] == field

    def test_ask_for_a_minute_until_the_end_in_sandbox_time(self, merchant: Merchant) -> None:
        soon = merchant.open(new_trade_no(), URL, time_expire=in_china(minutes=0.5 / 60))
        later = merchant.open(new_trade_no(), URL, time_expire=in_china(minutes=3 / 60))

        assert (soon.status_code, later.status_code) == (400, 200)

    def test_refuse_an_app_of_another_merchant(self, merchant: Merchant) -> None:
        reply = merchant.open(new_trade_no(), URL, appid="wx0000000000000000")

        assert code(reply) == (400, "APPID_MCHID_NOT_MATCH")

    def test_allow_every_app_of_the_merchant(self, merchant: Merchant) -> None:
        assert merchant.open(new_trade_no(), URL, appid=OTHER_APP_ID).status_code == 200

    def test_refuse_a_body_of_another_merchant(self, merchant: Merchant) -> None:
        reply = merchant.open(new_trade_no(), URL, mchid="1900000002")

        assert code(reply) == (400, "INVALID_REQUEST")

    @pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff"])
    def test_must_be_a_json_object(self, merchant: Merchant, raw: bytes) -> None:
        headers = merchant.headers("POST", NATIVE, raw)

        reply = merchant.http.post(NATIVE, content=raw, headers=headers)

        assert code(reply) == (400, "INVALID_REQUEST")

    def test_of_a_jsapi_order_name_the_payer(self, merchant: Merchant) -> None:
        body, path = order(new_trade_no(), URL), "/v3/pay/transactions/jsapi"
        nobody = merchant.call("POST", path, body)

        somebody = merchant.call("POST", path, body | {"payer": {"openid": "oBuyer"}})

        assert code(nobody) == (400, "PARAM_ERROR")
        assert somebody.json()["prepay_id"].startswith("wx")


class TestTheAnswer:
    def test_is_signed_under_the_public_key_when_the_caller_names_it(
        self, merchant: Merchant
    ) -> None:
        reply = merchant.call("GET", CERTIFICATES)

        assert reply.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
        assert merchant.verifies(reply.headers, reply.content)

    def test_is_signed_under_the_certificate_otherwise(
        self, merchant: Merchant, sim: Simulator
    ) -> None:
        headers = merchant.headers("GET", CERTIFICATES)
        del headers["Wechatpay-Serial"]

        reply = merchant.http.get(CERTIFICATES, headers=headers)

        assert reply.headers["Wechatpay-Serial"] == sim.keyring.certificate_serial
        assert merchant.verifies(reply.headers, reply.content)

    def test_without_a_body_is_signed_as_empty(self, merchant: Merchant) -> None:
        out_trade_no = new_trade_no()
        merchant.open(out_trade_no, URL)

        reply = merchant.close(out_trade_no)

        assert (reply.status_code, reply.content) == (204, b"")
        assert merchant.verifies(reply.headers, b"")
        assert not merchant.verifies(reply.headers, b"{}")

    def test_carries_a_request_id(self, merchant: Merchant) -> None:
        assert len(merchant.call("GET", CERTIFICATES).headers["Request-ID"]) == 32

    def test_hands_out_the_platform_certificate_sealed(
        self, merchant: Merchant, sim: Simulator
    ) -> None:
        (item,) = merchant.call("GET", CERTIFICATES).json()["data"]

        assert item["serial_no"] == sim.keyring.certificate_serial
        assert (
            open_sealed(item["encrypt_certificate"])
            == (sim.keyring.folder / "platform.crt").read_bytes()
        )
