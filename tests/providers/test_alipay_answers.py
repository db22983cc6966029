"""What Alipay's answers let the adapter believe, and what it asks."""

import asyncio
import base64
import json
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from structlog.testing import capture_logs

from contracts.attempt import AttemptRequest, BilledRefund, CodeToScan, Opened, Redirect
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundOutcome,
)
from contracts.money import Money
from contracts.states import Channel
from providers.alipay.adapter import Alipay
from providers.provider import (
    Capability,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)
from tests.providers.alipay_signing import (
    ATTEMPT_NO,
    CHINA,
    FOREIGN_KEY,
    PAYER,
    TRADE_NO,
    Kept,
    a_raw_answer,
    says,
    settings,
    signature,
)
from tests.providers.alipay_stage import an_alipay_attempt
from tests.providers.merchant import MERCHANT_KEY, a_refund_of
from tests.providers.signing import private_pem, public_pem
from tests.providers.wire_server import Sent, WireServer, an_answer

QUERY, CLOSE, REFUND = "alipay.trade.query", "alipay.trade.close", "alipay.trade.refund"
QUERY_REFUND, PRECREATE = "alipay.trade.fastpay.refund.query", "alipay.trade.precreate"
METHODS = {
    "open": PRECREATE,
    "query": QUERY,
    "close": CLOSE,
    "refund": REFUND,
    "query_refund": QUERY_REFUND,
}
TRADE = {
    "out_trade_no": ATTEMPT_NO,
    "trade_no": TRADE_NO,
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "99.00",
    "send_pay_date": "2026-11-21 20:00:00",
    "buyer_user_id": PAYER,
}
ATTEMPT = an_alipay_attempt(attempt_no=ATTEMPT_NO)


class Gateway:
    """An adapter and a gateway that answers what a test tells it to."""

    def __init__(self, provider: Alipay, server: WireServer, kept: Kept) -> None:
        self.provider = provider
        self.server = server
        self.kept = kept

    def answers(self, *raw: bytes | None) -> None:
        left = list(raw)

        async def script(_: Sent) -> bytes | None:
            return left.pop(0) if len(left) > 1 else left[0]

        self.server.script = script

    def sent(self) -> dict[str, str]:
        return dict(parse_qsl(self.server.sent.get_nowait().body.decode()))

    async def call(self, operation: str) -> Any:  # noqa: ANN401 - whatever it answers
        about_refund = operation in {"refund", "query_refund"}
        argument = a_refund_of(ATTEMPT) if about_refund else ATTEMPT
        return await getattr(self.provider, operation)(argument)


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Gateway]:
    async def hang_up(_: Sent) -> None:
        return None

    kept = Kept()
    async with WireServer(hang_up) as server:
        at = settings(gateway=f"{server.url}/gateway.do")
        async with Alipay(at, kept) as provider:
            yield Gateway(provider, server, kept)


@pytest.fixture
def gateway(shared: Gateway) -> Gateway:
    shared.kept.clear()
    while not shared.server.sent.empty():
        shared.server.sent.get_nowait()
    return shared


def refused(method: str, sub_code: str, code: str = "40004") -> bytes:
    return says(method, code=code, sub_code=sub_code)


class TestACall:
    async def test_is_signed_as_a_whole(self, gateway: Gateway) -> None:
        gateway.answers(says(PRECREATE, out_trade_no=ATTEMPT_NO, qr_code="https://qr.example/1"))
        attempt = msgspec.structs.replace(ATTEMPT, description="演示票 a/b=c&d %+")

        await gateway.provider.open(attempt)

        form = gateway.sent()
        sign = form.pop("sign")
        text = "&".join(f"{name}={form[name]}" for name in sorted(form))
        assert sign == signature(text.encode(), MERCHANT_KEY)
        fixed = {"format": "JSON", "charset": "utf-8", "sign_type": "RSA2", "version": "1.0"}
        assert form.items() >= fixed.items()
        assert form["notify_url"] == ATTEMPT.notify_url
        at = datetime.strptime(form["timestamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
        words = json.loads(form["biz_content"])
        assert words["total_amount"] == "99.00"
        assert words["subject"] == "演示票 a b c d %+"

    async def test_to_open_lets_nobody_pay_later_than_allowed(self, gateway: Gateway) -> None:
        gateway.answers(says(PRECREATE, out_trade_no=ATTEMPT_NO, qr_code="https://qr.example/1"))
        until = datetime.now(UTC) + timedelta(minutes=10, seconds=40, milliseconds=900)

        await gateway.provider.open(msgspec.structs.replace(ATTEMPT, payable_until=until))

        words = json.loads(gateway.sent()["biz_content"])
        told = datetime.strptime(words["time_expire"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
        assert timedelta(0) <= until - told < timedelta(seconds=1)
        assert words["qr_code_timeout_express"] == "10m"

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": Money(amount_minor=0, currency="CNY")},
            {"amount": Money(amount_minor=10**10 + 1, currency="CNY")},
            {"amount": Money(amount_minor=100, currency="USD")},
            {"merchant_id": "2088999999999999"},
            {"appid": "2099"},
            {"attempt_no": "a b"},
            {"payable_until": datetime(2020, 1, 1, tzinfo=UTC)},
            {"channel": Channel.STRIPE},
        ],
    )
    async def test_that_cannot_go_well_is_not_made(
        self, gateway: Gateway, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(ProviderRefused, match=r"not_sent|unsupported"):
            await gateway.provider.open(msgspec.structs.replace(ATTEMPT, **changes))
        assert gateway.server.sent.empty()

    async def test_for_more_than_was_paid_is_not_made(self, gateway: Gateway) -> None:
        more = Money(amount_minor=9901, currency="CNY")
        with pytest.raises(ProviderRefused, match="not_sent"):
            await gateway.provider.refund(a_refund_of(ATTEMPT, amount=more))

    async def test_for_money_back_names_what_moves_it_once(self, gateway: Gateway) -> None:
        gateway.answers(
            says(
                REFUND,
                out_trade_no=ATTEMPT_NO,
                trade_no=TRADE_NO,
                fund_change="Y",
                refund_fee="99.00",
            )
        )
        refund = a_refund_of(ATTEMPT)

        moved = await gateway.provider.refund(refund)

        words = json.loads(gateway.sent()["biz_content"])
        assert words["out_request_no"] == refund.refund_no
        assert (words["out_trade_no"], words["refund_amount"]) == (ATTEMPT_NO, "99.00")
        assert (moved.outcome, moved.refunded) == (RefundOutcome.SUCCESS, refund.amount)


class TestAPage:
    @pytest.mark.parametrize(
        ("channel", "method", "product"),
        [
            (Channel.ALIPAY_WAP, "alipay.trade.wap.pay", "QUICK_WAP_WAY"),
            (Channel.ALIPAY_PC_DIRECT, "alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
        ],
    )
    async def test_needs_no_call_and_is_signed_anew(
        self, gateway: Gateway, channel: Channel, method: str, product: str
    ) -> None:
        attempt = an_alipay_attempt(channel=channel)
        opened = await gateway.provider.open(attempt)
        now = datetime.now(UTC)

        shown = gateway.provider.payer_parameters(attempt, opened, now)
        later = gateway.provider.payer_parameters(attempt, opened, now + timedelta(seconds=2))

        assert gateway.server.sent.empty()
        assert isinstance(shown, Redirect)
        assert shown != later
        form = {name: value for name, (value,) in parse_qs(urlsplit(shown.url).query).items()}
        sign = form.pop("sign")
        text = "&".join(f"{name}={form[name]}" for name in sorted(form))
        assert sign == signature(text.encode(), MERCHANT_KEY)
        assert (form["method"], form["return_url"]) == (method, attempt.return_url)
        words = json.loads(form["biz_content"])
        assert (words["out_trade_no"], words["product_code"]) == (attempt.attempt_no, product)
        assert words.get("quit_url") == (
            attempt.cancel_url if channel is Channel.ALIPAY_WAP else None
        )

    def test_of_a_code_is_the_code(self, gateway: Gateway) -> None:
        now = datetime.now(UTC)
        opened = Opened(code_url="https://qr.example/1")

        shown = gateway.provider.payer_parameters(ATTEMPT, opened, now)

        assert shown == CodeToScan(code_url="https://qr.example/1")
        with pytest.raises(ProviderRefused, match="not_sent"):
            gateway.provider.payer_parameters(ATTEMPT, Opened(), now)


class TestAnAnswer:
    async def test_is_believed_letter_for_letter(self, gateway: Gateway) -> None:
        odd = {"subject": 'a}b{"c\\', "ext_infos": '{"x":"}"}', "url": "https:\\/\\/x"}
        content = json.dumps({"code": "10000"} | TRADE | odd, indent=1).replace("/", "\\/")
        gateway.answers(a_raw_answer("alipay_trade_query_response", content.encode()))

        fact = await gateway.provider.query(ATTEMPT)

        assert isinstance(fact, PaymentSucceeded)
        assert fact.paid_at == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    async def test_may_have_had_its_slashes_escaped_after_it_was_signed(
        self, gateway: Gateway
    ) -> None:
        signed = json.dumps({"code": "10000"} | TRADE | {"u": "https://x/y"}).encode()
        sent = signed.replace(b"/", rb"\/")
        body = b'{"alipay_trade_query_response":%b,"sign":"%b"}'
        gateway.answers(an_answer(200, body % (sent, signature(signed).encode())))

        assert isinstance(await gateway.provider.query(ATTEMPT), PaymentSucceeded)

    @pytest.mark.parametrize("operation", sorted(METHODS))
    @pytest.mark.parametrize("key", [None, FOREIGN_KEY])
    async def test_that_nobody_signed_says_nothing(
        self, gateway: Gateway, operation: str, key: RSAPrivateKey | None
    ) -> None:
        about = {"out_request_no": f"{ATTEMPT_NO}R01", "fund_change": "Y", "refund_fee": "99.00"}
        gateway.answers(says(METHODS[operation], key, **TRADE, qr_code="https://x", **about))

        with pytest.raises(OutcomeUnknown, match="untrusted"):
            await gateway.call(operation)
        gateway.answers(says(METHODS[operation], key, code="40004", sub_code="ACQ.TRADE_NOT_EXIST"))
        with pytest.raises(OutcomeUnknown, match="untrusted"):
            await gateway.call(operation)
        assert gateway.kept == []

    @pytest.mark.parametrize("operation", sorted(METHODS))
    async def test_about_another_number_says_nothing(
        self, gateway: Gateway, operation: str
    ) -> None:
        other = TRADE | {"out_trade_no": "G0123456789ABCDE02"}
        about = {"out_request_no": "R9", "refund_status": "REFUND_SUCCESS", "refund_amount": "1.00"}
        gateway.answers(says(METHODS[operation], **other, **about, qr_code="https://x"))

        with pytest.raises(OutcomeUnknown, match="foreign_answer"):
            await gateway.call(operation)

    @pytest.mark.parametrize(
        "raw",
        [
            an_answer(200, b""),
            an_answer(200, b"[" * 100_000),
            an_answer(200, b'{"a":' * 5_000),
            an_answer(200, b"\xff\x00"),
            an_answer(200, b"null"),
            an_answer(200, b'{"sign":7,"alipay_trade_query_response":{}}'),
            an_answer(200, b'{"sign":"x"}'),
            an_answer(200, b'{"alipay_trade_query_response":"x","sign":"x"}'),
            an_answer(200, b"x" * 300_000),
            an_answer(302, b"", {"location": "http://127.0.0.1:1/"}),
            an_answer(200, b"{}", {"content-encoding": "gzip"}),
            an_answer(503, says(QUERY)),
            b"HTTP/1.1 nonsense\r\n\r\n",
            None,
        ],
        ids=range(14),
    )
    async def test_that_makes_no_sense_leaves_the_outcome_open(
        self, gateway: Gateway, raw: bytes | None
    ) -> None:
        gateway.answers(raw)

        with pytest.raises(OutcomeUnknown):
            await gateway.provider.query(ATTEMPT)

    @pytest.mark.parametrize(
        "changes",
        [
            {"trade_status": "TRADE_PENDING"},
            {"total_amount": "0.00"},
            {"total_amount": "NaN"},
            {"total_amount": 99.0},
            {"trade_no": "a b\0"},
            {"trade_no": None},
        ],
    )
    async def test_that_says_odd_things_is_not_believed(
        self, gateway: Gateway, changes: dict[str, object]
    ) -> None:
        gateway.answers(says(QUERY, **TRADE | changes))

        with pytest.raises(OutcomeUnknown):
            await gateway.provider.query(ATTEMPT)

    async def test_in_another_currency_is_for_the_order_to_judge(self, gateway: Gateway) -> None:
        gateway.answers(says(QUERY, **TRADE, trans_currency="USD"))

        fact = await gateway.provider.query(ATTEMPT)

        assert isinstance(fact, PaymentSucceeded)
        assert fact.paid == Money(amount_minor=9900, currency="USD")

    async def test_that_never_comes_is_waited_for_no_longer_than_allowed(self) -> None:
        async def silent(_: Sent) -> bytes | None:
            await asyncio.sleep(30)
            return None

        async with WireServer(silent) as server:
            at = settings(
                gateway=f"{server.url}/x", timeout_seconds=1.0, connect_timeout_seconds=1.0
            )
            async with Alipay(at) as provider:
                with pytest.raises(OutcomeUnknown, match="timeout"):
                    await provider.close(ATTEMPT)

    async def test_from_nobody_says_that_nothing_was_asked(self) -> None:
        async with Alipay(settings(gateway="http://127.0.0.1:1/x")) as provider:
            with pytest.raises(ProviderUnreachable, match="connect"):
                await provider.query(ATTEMPT)


class TestATrade:
    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({"trade_status": "WAIT_BUYER_PAY", "send_pay_date": ""}, PaymentNotPaid),
            ({"trade_status": "TRADE_FINISHED"}, PaymentSucceeded),
            ({"trade_status": "TRADE_CLOSED"}, PaymentSucceeded),
            (
                {"trade_status": "TRADE_CLOSED", "send_pay_date": "", "receipt_amount": "1.00"},
                PaymentSucceeded,
            ),
            (
                {"trade_status": "TRADE_CLOSED", "send_pay_date": "", "receipt_amount": "0.00"},
                AttemptClosedAtProvider,
            ),
        ],
    )
    async def test_is_closed_only_if_it_was_never_paid(
        self, gateway: Gateway, changes: dict[str, str], kind: type
    ) -> None:
        gateway.answers(says(QUERY, **TRADE | changes))

        assert type(await gateway.provider.query(ATTEMPT)) is kind

    async def test_that_nobody_has_met_is_unknown_and_cannot_be_closed(
        self, gateway: Gateway
    ) -> None:
        gateway.answers(refused(QUERY, "ACQ.TRADE_NOT_EXIST"))
        assert isinstance(await gateway.provider.query(ATTEMPT), AttemptNotFound)

        gateway.answers(refused(CLOSE, "ACQ.TRADE_NOT_EXIST"))
        assert await gateway.provider.close(ATTEMPT) is None

    @pytest.mark.parametrize("code", ["TRADE_STATUS_ERROR", "REASON_TRADE_STATUS_INVALID"])
    async def test_that_is_not_waiting_is_asked_about_before_it_counts_as_closed(
        self, gateway: Gateway, code: str
    ) -> None:
        no = refused(CLOSE, f"ACQ.{code}")

        gateway.answers(no, says(QUERY, **TRADE))
        assert await gateway.provider.close(ATTEMPT) is None

        over = TRADE | {"trade_status": "TRADE_CLOSED", "send_pay_date": ""}
        gateway.answers(no, says(QUERY, **over))
        assert isinstance(await gateway.provider.close(ATTEMPT), AttemptClosedAtProvider)


class TestARefund:
    async def test_that_moved_nothing_now_is_to_be_asked_about(self, gateway: Gateway) -> None:
        told = {"out_trade_no": ATTEMPT_NO, "trade_no": TRADE_NO, "refund_fee": "99.00"}
        gateway.answers(says(REFUND, **told, fund_change="N"))

        moved = await gateway.provider.refund(a_refund_of(ATTEMPT))

        assert moved.outcome is RefundOutcome.PROCESSING

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("REFUND_SUCCESS", RefundOutcome.SUCCESS),
            ("REFUND_PROCESSING", RefundOutcome.PROCESSING),
            ("REFUND_FAIL", RefundOutcome.CLOSED),
        ],
    )
    async def test_is_found_by_its_number(
        self, gateway: Gateway, status: str, outcome: RefundOutcome
    ) -> None:
        spotted = BilledRefund(attempt_no=ATTEMPT_NO, refund_no="R1", provider_txn_id=TRADE_NO)
        gateway.answers(
            says(
                QUERY_REFUND,
                **TRADE,
                out_request_no="R1",
                refund_amount="1.50",
                refund_status=status,
            )
        )

        moved = await gateway.provider.query_refund(spotted)

        assert moved is not None
        assert (moved.outcome, moved.refunded.amount_minor) == (outcome, 150)
        assert (moved.refund_no, moved.provider_txn_id) == ("R1", TRADE_NO)

    async def test_that_was_never_taken_is_not_there(self, gateway: Gateway) -> None:
        for raw in (says(QUERY_REFUND), refused(QUERY_REFUND, "ACQ.TRADE_NOT_EXIST")):
            gateway.answers(raw)
            assert await gateway.provider.query_refund(a_refund_of(ATTEMPT)) is None

    @pytest.mark.parametrize("status", ["", "REFUND_LATER"])
    async def test_whose_state_is_not_clear_is_unknown(self, gateway: Gateway, status: str) -> None:
        gateway.answers(
            says(
                QUERY_REFUND,
                **TRADE,
                out_request_no=f"{ATTEMPT_NO}R01",
                refund_amount="99.00",
                refund_status=status,
            )
        )

        with pytest.raises(OutcomeUnknown, match="refund_status"):
            await gateway.call("query_refund")


class TestARefusal:
    @pytest.mark.parametrize(
        ("operation", "said", "verdict", "named"),
        [
            ("open", ("40004", "ACQ.TRADE_HAS_SUCCESS"), OutcomeUnknown, "TRADE_HAS_SUCCESS"),
            ("open", ("40004", "ACQ.TRADE_HAS_CLOSE"), ProviderRefused, "TRADE_HAS_CLOSE"),
            (
                "open",
                ("40004", "ACQ.CONTEXT_INCONSISTENT"),
                ProviderRefused,
                "CONTEXT_INCONSISTENT",
            ),
            ("open", ("40004", "ACQ.SYSTEM_ERROR"), OutcomeUnknown, "SYSTEM_ERROR"),
            ("open", ("20000", "aop.ACQ.SYSTEM_ERROR"), OutcomeUnknown, "SYSTEM_ERROR"),
            ("open", ("40004", "ACQ.SOMETHING_NEW"), ProviderRefused, "other"),
            ("open", ("99999", ""), OutcomeUnknown, "unknown_code"),
            ("open", ("40001", "isv.missing-method"), ProviderRefused, "INVALID_PARAMETER"),
            ("query", ("40005", ""), ProviderUnreachable, "FREQUENCY_LIMITED"),
            ("refund", ("40005", ""), OutcomeUnknown, "FREQUENCY_LIMITED"),
            ("refund", ("40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH"), ProviderUnreachable, "SELLER"),
            ("refund", ("40004", "ACQ.TRADE_HAS_FINISHED"), ProviderRefused, "TRADE_HAS_FINISHED"),
            ("refund", ("40004", "ACQ.DISCORDANT_REPEAT_REQUEST"), ProviderRefused, "DISCORDANT"),
            (
                "query",
                ("40006", "isv.insufficient-isv-permissions"),
                ProviderUnreachable,
                "NO_AUTH",
            ),
        ],
    )
    async def test_says_what_to_do_next(
        self,
        gateway: Gateway,
        operation: str,
        said: tuple[str, str],
        verdict: type[ProviderError],
        named: str,
    ) -> None:
        code, sub_code = said
        gateway.answers(refused(METHODS[operation], sub_code, code))

        with pytest.raises(ProviderError, match=named) as caught:
            await gateway.call(operation)
        assert type(caught.value) is verdict

    @pytest.mark.parametrize("sub_code", ["isv.invalid-signature", "isv.invalid-app-id"])
    async def test_of_our_keys_is_told_to_a_person_though_nobody_signed_it(
        self, gateway: Gateway, sub_code: str
    ) -> None:
        content = json.dumps({"code": "40002", "msg": "x", "sub_code": sub_code}).encode()
        gateway.answers(a_raw_answer("error_response", content, None))

        with capture_logs() as lines, pytest.raises(ProviderUnreachable):
            await gateway.provider.query(ATTEMPT)

        assert [line["event"] for line in lines] == ["payments.provider.misconfigured"]

    @pytest.mark.parametrize("operation", sorted(METHODS))
    async def test_that_nobody_signed_says_nothing_about_money(
        self, gateway: Gateway, operation: str
    ) -> None:
        for sub_code in ("ACQ.TRADE_NOT_EXIST", "ACQ.TRADE_HAS_CLOSE", "ACQ.INVALID_PARAMETER"):
            content = json.dumps({"code": "40004", "sub_code": sub_code}).encode()
            gateway.answers(a_raw_answer("error_response", content, None))

            with pytest.raises(OutcomeUnknown, match="untrusted"):
                await gateway.call(operation)


class TestTheAdapter:
    def test_says_what_it_can_do(self) -> None:
        provider = Alipay(settings())

        assert provider.capabilities == frozenset(Capability) - {Capability.BILLS}
        assert (provider.merchant_id, provider.appid) == ("2088000000000001", "2021000000000001")
        assert Alipay(settings(seller_id=None)).merchant_id == "2021000000000001"

    async def test_keeps_what_it_was_told_but_not_what_pays_or_names_the_payer(
        self, gateway: Gateway
    ) -> None:
        code = "https://qr.alipay.example/secret"
        gateway.answers(says(PRECREATE, out_trade_no=ATTEMPT_NO, qr_code=code))
        await gateway.provider.open(ATTEMPT)
        gateway.answers(says(QUERY, **TRADE, buyer_logon_id="138****0000", subject="x"))
        await gateway.provider.query(ATTEMPT)

        first, second = gateway.kept

        assert (first.source, first.object_id) == ("open", ATTEMPT_NO)
        assert (second.source, second.object_id) == ("query", TRADE_NO)
        assert second.body["trade_status"] == "TRADE_SUCCESS"
        for secret in (code, PAYER, "138****0000"):
            assert secret not in repr(gateway.kept)

    async def test_shows_no_key(self, gateway: Gateway) -> None:
        own = settings()
        gateway.answers(refused(QUERY, "ACQ.INVALID_PARAMETER"))
        with pytest.raises(ProviderRefused) as caught:
            await gateway.provider.query(ATTEMPT)
        told = "".join(traceback.format_exception(caught.value))
        told += repr(own) + repr(gateway.provider) + repr(vars(gateway.provider))

        assert own.private_key_pem.splitlines()[1] not in told

    @pytest.mark.parametrize(
        "changes",
        [
            {"app_id": "a b"},
            {"seller_id": "x"},
            {"alipay_public_keys_pem": ()},
            {"gateway": "http://openapi.alipay.com/gateway.do"},
            {"gateway": "https://openapi.alipay.com/gateway.do?x=1"},
            {"timeout_seconds": 1.0},
        ],
    )
    def test_refuses_settings_that_cannot_work(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="Alipay setting"):
            settings(**changes)

    @pytest.mark.parametrize("field", ["private_key_pem", "alipay_public_keys_pem"])
    def test_refuses_keys_that_are_none_and_shows_none_of_them(self, field: str) -> None:
        broken: dict[str, Any] = {field: "secretsecret"}
        if field != "private_key_pem":
            broken[field] = ("secretsecret",)

        with pytest.raises(ValueError, match="neither PEM nor bare") as caught:
            Alipay(settings(**broken))
        assert "secretsecret" not in "".join(traceback.format_exception(caught.value))

    def test_takes_keys_as_the_console_shows_them(self) -> None:
        bare = "".join(private_pem(MERCHANT_KEY).splitlines()[1:-1])
        public = "".join(public_pem(MERCHANT_KEY).splitlines()[1:-1])

        provider = Alipay(settings(private_key_pem=bare, alipay_public_keys_pem=(public,)))

        attempt: AttemptRequest = an_alipay_attempt(channel=Channel.ALIPAY_WAP)
        shown = provider.payer_parameters(attempt, Opened(), datetime.now(UTC))
        assert isinstance(shown, Redirect)
        form = dict(parse_qsl(urlsplit(shown.url).query))
        sign = form.pop("sign")
        text = "&".join(f"{name}={form[name]}" for name in sorted(form)).encode()
        raw = base64.b64decode(sign)
        MERCHANT_KEY.public_key().verify(raw, text, PKCS1v15(), SHA256())
