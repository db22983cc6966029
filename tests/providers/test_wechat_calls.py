"""Calls to WeChat Pay over real HTTP against a scripted gateway: what is sent, what is believed."""

import asyncio
import base64
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from contracts.attempt import AttemptRequest, Opened
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundOutcome,
)
from contracts.money import Money
from contracts.states import Channel
from providers.provider import (
    NoticeRefused,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)
from providers.wechat.adapter import WeChatPay
from providers.wechat.gateway import MAX_ANSWER_BYTES
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
from tests.providers.signing import (
    PUBLIC_KEY_ID,
    Platform,
    a_transaction,
    certificate_of,
    public_pem,
    seal,
)
from tests.providers.wire_server import Sent, WireServer, a_refusal, an_answer

PLATFORM = Platform()
Say = Callable[[bytes | None], None]


class Scripted:
    """An adapter and the gateway it talks to."""

    def __init__(self, provider: WeChatPay, gateway: WireServer) -> None:
        self.provider = provider
        self.gateway = gateway

    def answers(self, raw: bytes | None) -> None:
        async def script(_: Sent) -> bytes | None:
            return raw

        self.gateway.script = script

    def says(self, content: object, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.answers(an_answer(200, body, PLATFORM.headers(body) | headers))


@pytest.fixture(scope="module")
async def adapter() -> AsyncIterator[Scripted]:
    """One adapter for all tests that do not change its keys: loading keys takes a while."""
    async with (
        WireServer(_hang_up) as gateway,
        WeChatPay(_public_key_mode(gateway.url)) as provider,
    ):
        yield Scripted(provider, gateway)


@pytest.fixture
def scripted(adapter: Scripted) -> Scripted:
    adapter.gateway.script = _hang_up
    while not adapter.gateway.sent.empty():
        adapter.gateway.sent.get_nowait()
    return adapter


async def _hang_up(_: Sent) -> None:
    return None


def _public_key_mode(url: str, **changes: Any) -> Any:  # noqa: ANN401 - any field
    return settings_of(
        gateway=url,
        platform_public_key_pem=public_pem(PLATFORM.key),
        platform_public_key_id=PLATFORM.serial,
        **changes,
    )


def _calls(provider: WeChatPay) -> dict[str, Callable[[], Awaitable[object]]]:
    attempt = an_attempt()
    return {
        "open": lambda: provider.open(attempt),
        "query": lambda: provider.query(attempt),
        "close": lambda: provider.close(attempt),
        "refund": lambda: provider.refund(a_refund_of(attempt)),
        "query_refund": lambda: provider.query_refund(a_refund_of(attempt)),
    }


OPERATIONS = ["open", "query", "close", "refund", "query_refund"]


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
            WireServer(_hang_up) as gateway,
            WeChatPay(_public_key_mode(gateway.url)) as provider,
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

    async def test_to_refund_more_than_was_paid_is_never_made(self, scripted: Scripted) -> None:
        refund = a_refund_of(an_attempt(), amount=Money(amount_minor=9901, currency="CNY"))

        with pytest.raises(ProviderRefused, match="not_sent"):
            await scripted.provider.refund(refund)

        assert scripted.gateway.sent.empty()


class TestARefusal:
    @pytest.mark.parametrize(
        ("operation", "status", "code", "verdict"),
        [
            *((op, 500, "SYSTEM_ERROR", OutcomeUnknown) for op in OPERATIONS),
            *((op, 401, "SIGN_ERROR", ProviderUnreachable) for op in OPERATIONS),
            *((op, 403, "NO_AUTH", ProviderUnreachable) for op in OPERATIONS),
            *((op, 400, "PARAM_ERROR", ProviderRefused) for op in OPERATIONS),
            *((op, 418, "SOMETHING_NEW", ProviderRefused) for op in OPERATIONS),
            *((op, 302, "OK", OutcomeUnknown) for op in OPERATIONS),
            *((op, 429, "FREQUENCY_LIMITED", ProviderUnreachable) for op in OPERATIONS[:3]),
            ("refund", 429, "FREQUENCY_LIMITED", OutcomeUnknown),
            ("refund", 502, "whatever", OutcomeUnknown),
            ("refund", 403, "NOT_ENOUGH", ProviderUnreachable),
            ("refund", 403, "NOTENOUGH", ProviderUnreachable),
            ("refund", 404, "RESOURCE_NOT_EXISTS", ProviderRefused),
            ("refund", 403, "USER_ACCOUNT_ABNORMAL", ProviderRefused),
            ("open", 400, "APPID_MCHID_NOT_MATCH", ProviderRefused),
            ("open", 403, "OUT_TRADE_NO_USED", ProviderRefused),
            ("open", 400, "ORDER_CLOSED", ProviderRefused),
            ("open", 400, "ORDERPAID", OutcomeUnknown),
            ("close", 400, "INVALID_REQUEST", ProviderUnreachable),
            # No words of a failing server are believed, not even "paid".
            ("close", 500, "ORDERPAID", OutcomeUnknown),
            ("query", 503, "ORDER_NOT_EXIST", OutcomeUnknown),
        ],
    )
    async def test_names_the_next_move(
        self,
        scripted: Scripted,
        operation: str,
        status: int,
        code: str,
        verdict: type[ProviderError],
    ) -> None:
        scripted.answers(a_refusal(status, code))

        with pytest.raises(ProviderError) as caught:
            await _calls(scripted.provider)[operation]()

        assert type(caught.value) is verdict
        assert caught.value.operation == operation

    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b'{"code":7}', b"\xff"])
    async def test_without_a_code_says_nothing(
        self, scripted: Scripted, operation: str, body: bytes
    ) -> None:
        scripted.answers(an_answer(404, body))

        with pytest.raises(OutcomeUnknown, match="unreadable"):
            await _calls(scripted.provider)[operation]()

    @pytest.mark.parametrize("code", ["ORDERPAID", "ORDER_PAID", "ORDER_NOT_EXIST"])
    async def test_to_close_can_mean_ask_instead(self, scripted: Scripted, code: str) -> None:
        scripted.answers(a_refusal(400, code))

        assert await scripted.provider.close(an_attempt()) is None

    @pytest.mark.parametrize("code", ["ORDER_CLOSED", "ORDERCLOSED"])
    async def test_to_close_what_is_closed_is_a_success(
        self, scripted: Scripted, code: str
    ) -> None:
        attempt = an_attempt()
        scripted.answers(a_refusal(400, code))

        assert await scripted.provider.close(attempt) == AttemptClosedAtProvider(
            provider="wechat", attempt_no=attempt.attempt_no
        )

    async def test_to_know_a_refund_means_it_was_never_taken(self, scripted: Scripted) -> None:
        scripted.answers(a_refusal(404, "RESOURCE_NOT_EXISTS"))

        assert await scripted.provider.query_refund(a_refund_of(an_attempt())) is None


class TestAnAnswer:
    async def told(self, scripted: Scripted, attempt: AttemptRequest, **changes: object) -> object:
        scripted.says(a_transaction(out_trade_no=attempt.attempt_no, **changes))
        return await scripted.provider.query(attempt)

    @pytest.mark.parametrize("state", ["SUCCESS", "REFUND"])
    async def test_of_money_taken_is_a_payment(self, scripted: Scripted, state: str) -> None:
        fact = await self.told(scripted, an_attempt(), trade_state=state)

        assert isinstance(fact, PaymentSucceeded)
        assert fact.paid == Money(amount_minor=9900, currency="CNY")
        assert fact.paid_at == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    @pytest.mark.parametrize("state", ["NOTPAY", "USERPAYING", "PAYERROR"])
    async def test_of_no_money_says_when_it_was_asked(self, scripted: Scripted, state: str) -> None:
        before = datetime.now(UTC)

        fact = await self.told(scripted, an_attempt(), trade_state=state, amount=None)

        assert isinstance(fact, PaymentNotPaid)
        assert before <= fact.asked_at <= datetime.now(UTC)

    @pytest.mark.parametrize("state", ["CLOSED", "REVOKED"])
    async def test_of_an_end_is_a_close(self, scripted: Scripted, state: str) -> None:
        fact = await self.told(scripted, an_attempt(), trade_state=state)

        assert isinstance(fact, AttemptClosedAtProvider)

    @pytest.mark.parametrize("state", ["ACCEPT", "success", "", "PAID"])
    async def test_of_an_unheard_state_is_nothing(self, scripted: Scripted, state: str) -> None:
        with pytest.raises(OutcomeUnknown, match="trade_state"):
            await self.told(scripted, an_attempt(), trade_state=state)

    @pytest.mark.parametrize(
        "changes",
        [
            {"mchid": None},
            {"transaction_id": ""},
            {"amount": {"total": 0}},
            {"success_time": "9999-12-31T23:59:59-12:00"},
        ],
    )
    async def test_that_lacks_something_is_nothing(
        self, scripted: Scripted, changes: dict[str, object]
    ) -> None:
        with pytest.raises(OutcomeUnknown, match="unreadable"):
            await self.told(scripted, an_attempt(), **changes)

    async def test_about_another_number_is_nothing(self, scripted: Scripted) -> None:
        scripted.says(a_transaction())

        with pytest.raises(OutcomeUnknown, match="foreign_answer"):
            await scripted.provider.query(an_attempt())

    @pytest.mark.parametrize("state", ["CLOSED", "NOTPAY"])
    async def test_of_another_merchant_gives_nothing_back(
        self, scripted: Scripted, state: str
    ) -> None:
        with pytest.raises(OutcomeUnknown, match="foreign_answer"):
            await self.told(scripted, an_attempt(), trade_state=state, mchid="1900000002")

    async def test_of_money_for_another_merchant_is_for_the_order_to_judge(
        self, scripted: Scripted
    ) -> None:
        fact = await self.told(scripted, an_attempt(), mchid="1900000002", appid="wxother")

        assert isinstance(fact, PaymentSucceeded)
        assert (fact.merchant_id, fact.appid) == ("1900000002", "wxother")

    async def test_that_the_number_is_unknown_says_when_it_was_asked(
        self, scripted: Scripted
    ) -> None:
        scripted.answers(a_refusal(404, "ORDER_NOT_EXIST"))

        fact = await scripted.provider.query(an_attempt())

        assert isinstance(fact, AttemptNotFound)
        assert abs(datetime.now(UTC) - fact.asked_at) < timedelta(seconds=10)

    async def test_to_a_refund_must_be_about_that_refund(self, scripted: Scripted) -> None:
        refund = a_refund_of(an_attempt())
        content = {
            "refund_id": "50000",
            "out_refund_no": refund.refund_no,
            "out_trade_no": refund.attempt_no,
            "status": "PROCESSING",
            "amount": {"refund": 9900, "total": 9900, "currency": "CNY"},
        }

        scripted.says(content)
        assert (await scripted.provider.refund(refund)).outcome is RefundOutcome.PROCESSING
        for name in ("out_refund_no", "out_trade_no"):
            scripted.says(content | {name: "ANOTHER"})
            with pytest.raises(OutcomeUnknown, match="foreign_answer"):
                await scripted.provider.refund(refund)

    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({"wechatpay-signature": "AAAA"}, "bad_signature"),
            ({"wechatpay-signature": "WECHATPAY/SIGNTEST/AAAA"}, "signtest"),
            ({"wechatpay-signature": ""}, "malformed"),
            ({"wechatpay-serial": "ABCDEF"}, "unknown_key"),
            ({"wechatpay-serial": "not hex"}, "malformed"),
            ({"wechatpay-timestamp": "1700000000"}, "stale"),
            ({"content-encoding": "gzip"}, "transport"),
        ],
    )
    async def test_that_is_not_provably_genuine_now_is_nothing(
        self, scripted: Scripted, operation: str, headers: dict[str, str], code: str
    ) -> None:
        scripted.says({"code_url": "weixin://x"}, **headers)

        with pytest.raises(OutcomeUnknown) as caught:
            await _calls(scripted.provider)[operation]()

        assert caught.value.code == code
        assert scripted.gateway.sent.qsize() == 1, "nothing may be downloaded on the way"

    @pytest.mark.parametrize("age", [-301, 301])
    async def test_of_another_time_is_nothing_though_validly_signed(
        self, scripted: Scripted, age: int
    ) -> None:
        body, then = b"{}", datetime.now(UTC) - timedelta(seconds=age)
        scripted.answers(an_answer(200, body, PLATFORM.headers(body, now=then)))

        with pytest.raises(OutcomeUnknown, match="stale"):
            await scripted.provider.open(an_attempt())

    async def test_that_is_endless_is_given_up(self, scripted: Scripted) -> None:
        body = b" " * (MAX_ANSWER_BYTES + 1)
        scripted.answers(an_answer(200, body, PLATFORM.headers(body)))

        with pytest.raises(OutcomeUnknown, match="transport"):
            await scripted.provider.open(an_attempt())


class TestAWorldThatFails:
    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_before_a_connection_leaves_the_call_to_be_repeated(self, operation: str) -> None:
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))  # never listens: connections are refused
            url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
            async with WeChatPay(_public_key_mode(url)) as provider:
                with pytest.raises(ProviderUnreachable, match="connect"):
                    await _calls(provider)[operation]()

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_after_a_connection_leaves_the_outcome_unknown(
        self, scripted: Scripted, operation: str
    ) -> None:
        scripted.answers(None)

        with pytest.raises(OutcomeUnknown, match="transport"):
            await _calls(scripted.provider)[operation]()

    async def test_by_too_many_calls_leaves_the_last_to_be_repeated(self) -> None:
        arrived = asyncio.Event()

        async def silence(_: Sent) -> bytes | None:
            arrived.set()
            await asyncio.sleep(30)
            return None

        one_at_a_time = {"max_connections": 1, "connect_timeout_seconds": 0.2}
        async with (
            WireServer(silence) as gateway,
            WeChatPay(_public_key_mode(gateway.url, **one_at_a_time)) as provider,
        ):
            first = asyncio.create_task(provider.query(an_attempt()))
            await arrived.wait()
            with pytest.raises(ProviderUnreachable, match="busy"):
                await provider.query(an_attempt())

            assert gateway.sent.qsize() == 1
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_by_silence_leaves_the_outcome_unknown(self, operation: str) -> None:
        async def silence(_: Sent) -> bytes | None:
            await asyncio.sleep(30)
            return None

        async with WireServer(silence) as gateway:
            patience = {"timeout_seconds": 0.3, "connect_timeout_seconds": 0.2}
            async with WeChatPay(_public_key_mode(gateway.url, **patience)) as provider:
                with pytest.raises(OutcomeUnknown, match="timeout"):
                    await _calls(provider)[operation]()


class TestCertificateMode:
    def certificates(self, *certificates: Any, key: str | None = None) -> dict[str, Any]:  # noqa: ANN401
        pems = [c.public_bytes(Encoding.PEM) for c in certificates]
        return {
            "data": [
                {
                    "serial_no": f"{certificate.serial_number:X}",
                    "effective_time": "2026-01-01T00:00:00+08:00",
                    "expire_time": "2031-01-01T00:00:00+08:00",
                    "encrypt_certificate": seal(
                        pem, label="certificate", **({"key": key} if key else {})
                    ),
                }
                for certificate, pem in zip(certificates, pems, strict=True)
            ]
        }

    def script(self, signer: Platform, content: object) -> Callable[[Sent], Awaitable[bytes]]:
        async def answer(sent: Sent) -> bytes:
            about_keys = sent.target == "/v3/certificates"
            body = json.dumps(content if about_keys else {"code_url": "weixin://x"}).encode()
            return an_answer(200, body, signer.headers(body))

        return answer

    async def test_downloads_the_keys_it_then_believes(self) -> None:
        signer = Platform()
        certificate = certificate_of(signer.key)
        signer.serial = f"{certificate.serial_number:X}"
        content = self.certificates(certificate)
        async with WireServer(self.script(signer, content)) as gateway:
            async with WeChatPay(settings_of(gateway=gateway.url)) as provider:
                assert provider.can_verify
                assert (await provider.open(an_attempt())).code_url == "weixin://x"
                headers = signer.headers(b"{}")
                assert provider.verify(headers, b"{}", datetime.now(UTC)).serial == signer.serial

            targets = [gateway.sent.get_nowait().target for _ in range(2)]
            assert targets == ["/v3/certificates", "/v3/pay/transactions/native"]
            assert gateway.sent.empty()

    async def test_starts_without_keys_and_gets_them_later(self) -> None:
        signer = Platform()
        certificate = certificate_of(signer.key)
        signer.serial = f"{certificate.serial_number:X}"
        async with (
            WireServer(_hang_up) as gateway,
            WeChatPay(settings_of(gateway=gateway.url)) as provider,
        ):
            assert not provider.can_verify
            with pytest.raises(NoticeRefused):
                provider.verify(signer.headers(b"{}"), b"{}", datetime.now(UTC))

            gateway.script = self.script(signer, self.certificates(certificate))
            assert await provider.refresh_certificates() == 1

            provider.verify(signer.headers(b"{}"), b"{}", datetime.now(UTC))

    async def test_keeps_its_keys_when_a_refresh_fails_and_adds_when_it_succeeds(self) -> None:
        async with (
            WireServer(_hang_up) as gateway,
            WeChatPay(_public_key_mode(gateway.url)) as provider,
        ):
            await self.fail_then_succeed(provider, gateway)

    async def fail_then_succeed(self, provider: WeChatPay, gateway: WireServer) -> None:
        signer, expired = Platform(), certificate_of(Platform().key, ends_in=timedelta(days=-1))
        certificate = certificate_of(signer.key)
        signer.serial = f"{certificate.serial_number:X}"
        now = datetime.now(UTC)
        by_certificate, by_key = signer.headers(b"{}"), PLATFORM.headers(b"{}")

        bad = self.certificates(certificate, key="another key of thirty-two bytes!")
        for script in (
            _hang_up,
            self.script(signer, bad),
            self.script(signer, {"data": "none"}),
            self.script(Platform("ABCDEF"), self.certificates(certificate)),
        ):
            gateway.script = script
            with pytest.raises(OutcomeUnknown):
                await provider.refresh_certificates()
            provider.verify(by_key, b"{}", now)
            with pytest.raises(NoticeRefused):
                provider.verify(by_certificate, b"{}", now)

        gateway.script = self.script(signer, self.certificates(certificate, expired))
        assert await provider.refresh_certificates() == 1

        provider.verify(by_key, b"{}", now)
        provider.verify(by_certificate, b"{}", now)


class TestSettings:
    @pytest.mark.parametrize(
        "changes",
        [
            {"api_v3_key": "too short"},
            {"gateway": "http://api.mch.weixin.qq.com"},
            {"gateway": "ftp://127.0.0.1"},
            {"platform_public_key_id": PUBLIC_KEY_ID},
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
