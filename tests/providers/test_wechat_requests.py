"""Calls to WeChat Pay over real HTTP: what is sent, and what never is."""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from contracts.attempt import Opened
from contracts.money import Money
from contracts.states import Channel
from providers.provider import (
    ProviderRefused,
    ProviderUnreachable,
)
from providers.wechat.adapter import WeChatPay
from tests.providers.merchant import (
    APP_ID,
    MERCHANT_ID,
    MERCHANT_KEY,
    OPENID,
    SERIAL_NO,
    a_refund_of,
    an_attempt,
    settings_of,
)
from tests.providers.scripted import Scripted, hang_up, public_key_mode
from tests.providers.signing import (
    PUBLIC_KEY_ID,
)
from tests.providers.wire_server import Sent, WireServer, a_refusal


def check_signed(sent: Sent) -> None:
    scheme, _, pairs = sent.headers["authorization"].partition(" ")
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    said = dict(re.findall(r'(\w+)="([^"]*)"', pairs))
    assert said["mchid"] == MERCHANT_ID
    assert said["serial_no"] == SERIAL_NO
    lines = [sent.method, sent.target, said["timestamp"], said["nonce_str"]]
    message = "\n".join([*lines, ""]).encode() + sent.body + b"\n"
    signature = base64.b64decode(said["signature"])
    MERCHANT_KEY.public_key().verify(signature, message, padding.PKCS1v15(), SHA256())


class TestACall:
    async def test_to_open_says_everything_once_and_signed(self, scripted: Scripted) -> None:
        until = datetime(2026, 11, 21, 12, 0, 0, 999_999, tzinfo=UTC)
        attempt = an_attempt(payable_until=until)
        scripted.says({"code_url": "weixin://wxpay/bizpayurl?pr=abc"})

        opened = await scripted.provider.open(attempt)

        assert opened == Opened(code_url="weixin://wxpay/bizpayurl?pr=abc")
        sent = scripted.gateway.sent.get_nowait()
        check_signed(sent)
        assert (sent.method, sent.target) == ("POST", "/v3/pay/transactions/native")
        assert json.loads(sent.body) == {
            "appid": APP_ID,
            "mchid": MERCHANT_ID,
            "description": "Guichet Demo Night",
            "out_trade_no": attempt.attempt_no,
            "time_expire": "2026-11-21T20:00:00+08:00",
            "notify_url": attempt.notify_url,
            "amount": {"total": 9900, "currency": "CNY"},
        }
        assert sent.headers["wechatpay-serial"] == PUBLIC_KEY_ID
        assert sent.headers["accept"] == "application/json"
        assert sent.headers["user-agent"]
        assert scripted.gateway.sent.empty()

    @pytest.mark.parametrize("channel", [Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE])
    async def test_to_open_inside_wechat_names_the_payer(
        self, scripted: Scripted, channel: Channel
    ) -> None:
        scripted.says({"prepay_id": "wx21"})

        opened = await scripted.provider.open(an_attempt(channel=channel, openid=OPENID))

        assert opened == Opened(prepay_id="wx21")
        sent = scripted.gateway.sent.get_nowait()
        assert sent.target == "/v3/pay/transactions/jsapi"
        assert json.loads(sent.body)["payer"] == {"openid": OPENID}

    @pytest.mark.parametrize(
        ("description", "sent_as"),
        [
            ("x" * 127, "x" * 127),
            ("x" * 128, "x" * 127),
            ("音" * 60, "音" * 42),
            ("a" + "音" * 60, "a" + "音" * 42),
            ("\U0001f3ab" * 40, "\U0001f3ab" * 31),
            ("a\ud800b", "ab"),
        ],
    )
    async def test_cuts_a_description_between_characters(
        self, scripted: Scripted, description: str, sent_as: str
    ) -> None:
        scripted.says({"code_url": "weixin://x"})

        await scripted.provider.open(an_attempt(description=description))

        sent = scripted.gateway.sent.get_nowait()
        check_signed(sent)
        assert json.loads(sent.body)["description"] == sent_as

    async def test_to_query_and_close_names_the_merchant(self, scripted: Scripted) -> None:
        attempt = an_attempt()
        path = f"/v3/pay/transactions/out-trade-no/{attempt.attempt_no}"
        scripted.answers(a_refusal(404, "ORDER_NOT_EXIST"))

        await scripted.provider.query(attempt)
        await scripted.provider.close(attempt)

        query, close = (scripted.gateway.sent.get_nowait() for _ in range(2))
        check_signed(query)
        check_signed(close)
        assert (query.method, query.target) == ("GET", f"{path}?mchid={MERCHANT_ID}")
        assert (close.method, close.target) == ("POST", f"{path}/close")
        assert json.loads(close.body) == {"mchid": MERCHANT_ID}

    async def test_to_refund_always_names_where_to_tell(self, scripted: Scripted) -> None:
        refund = a_refund_of(an_attempt(), amount=Money(amount_minor=100, currency="CNY"))
        scripted.answers(a_refusal(403, "NOT_ENOUGH"))

        with pytest.raises(ProviderUnreachable):
            await scripted.provider.refund(refund)

        sent = scripted.gateway.sent.get_nowait()
        check_signed(sent)
        assert json.loads(sent.body) == {
            "notify_url": refund.notify_url,
            "out_refund_no": refund.refund_no,
            "out_trade_no": refund.attempt_no,
            "reason": refund.reason,
            "amount": {"refund": 100, "total": 9900, "currency": "CNY"},
        }

    async def test_keeps_its_connection(self, scripted: Scripted) -> None:
        scripted.says({"code_url": "weixin://x"})
        before = scripted.gateway.connections

        for _ in range(3):
            await scripted.provider.open(an_attempt())

        assert scripted.gateway.connections <= before + 1

    async def test_on_loopback_ignores_proxies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        async with (
            WireServer(hang_up) as gateway,
            WeChatPay(public_key_mode(gateway.url)) as provider,
        ):
            scripted = Scripted(provider, gateway)
            scripted.says({"code_url": "weixin://x"})

            await provider.open(an_attempt())

            assert gateway.connections == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"merchant_id": "1900000002"},
            {"appid": "wxforeign"},
            {"attempt_no": "../../refunds"},
            {"attempt_no": "A|B*CDEF"},
            {"attempt_no": "ABCDEF\n"},
            {"attempt_no": "AB?mchid=1"},
            {"attempt_no": "short"},
            {"attempt_no": "A" * 33},
            {"amount": Money(amount_minor=0, currency="CNY")},
            {"amount": Money(amount_minor=100, currency="USD")},
            {"description": ""},
            {"notify_url": ""},
            {"channel": Channel.WECHAT_JSAPI, "openid": None},
        ],
    )
    async def test_that_cannot_succeed_is_never_made(
        self, scripted: Scripted, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(ProviderRefused, match="not_sent"):
            await scripted.provider.open(an_attempt(**changes))

        assert scripted.gateway.sent.empty()

    @pytest.mark.parametrize("operation", ["query", "close"])
    async def test_never_builds_a_path_from_a_strange_number(
        self, scripted: Scripted, operation: str
    ) -> None:
        attempt = an_attempt(attempt_no="../../v3/certificates")

        with pytest.raises(ProviderRefused, match="not_sent"):
            await getattr(scripted.provider, operation)(attempt)
        with pytest.raises(ProviderRefused, match="not_sent"):
            await scripted.provider.query_refund(a_refund_of(attempt))

        assert scripted.gateway.sent.empty()

    @pytest.mark.parametrize("number", ["", "AB/../../x", "AB?x", "AB\n", "A" * 65])
    @pytest.mark.parametrize("operation", ["refund", "query_refund"])
    async def test_never_builds_a_path_from_a_strange_refund_number(
        self, scripted: Scripted, operation: str, number: str
    ) -> None:
        with pytest.raises(ProviderRefused, match="not_sent"):
            await getattr(scripted.provider, operation)(a_refund_of(an_attempt(), refund_no=number))

        assert scripted.gateway.sent.empty()

    async def test_to_refund_more_than_was_paid_is_never_made(self, scripted: Scripted) -> None:
        refund = a_refund_of(an_attempt(), amount=Money(amount_minor=9901, currency="CNY"))

        with pytest.raises(ProviderRefused, match="not_sent"):
            await scripted.provider.refund(refund)

        assert scripted.gateway.sent.empty()


class TestSettings:
    @pytest.mark.parametrize(
        "changes",
        [
            {"api_v3_key": "too short"},
            {"gateway": "http://api.mch.weixin.qq.com"},
            {"gateway": "ftp://127.0.0.1"},
            {"platform_public_keys_pem": {"": ""}},
            {"merchant_id": ""},
            {"merchant_serial_no": "not hex"},
            {"app_ids": ()},
            {"connect_timeout_seconds": 60.0},
        ],
    )
    def test_that_could_only_fail_later_are_refused_now(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="WeChat Pay setting is malformed"):
            settings_of(**changes)

    @pytest.mark.parametrize("pem", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "secret"])
    def test_with_a_broken_key_say_so_and_not_what_it_is(self, pem: str) -> None:
        with pytest.raises(ValueError, match="merchant_private_key") as caught:
            WeChatPay(settings_of(merchant_private_key_pem=pem))

        assert "secret" not in str(caught.value)

    def test_show_no_secret_when_printed(self) -> None:
        shown = repr(settings_of())

        assert "PRIVATE" not in shown
        assert settings_of().api_v3_key not in shown
