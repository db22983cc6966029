"""Answers of WeChat Pay over real HTTP: what is believed, and what each refusal means."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from contracts.attempt import AttemptRequest
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundOutcome,
)
from contracts.money import Money
from providers.provider import (
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)
from providers.wechat.client import MAX_ANSWER_BYTES
from tests.providers.merchant import (
    a_refund_of,
    an_attempt,
)
from tests.providers.scripted import OPERATIONS, PLATFORM, Scripted, calls
from tests.providers.signing import (
    a_transaction,
)
from tests.providers.wire_server import a_refusal, an_answer


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
            await calls(scripted.provider)[operation]()

        assert type(caught.value) is verdict
        assert caught.value.operation == operation

    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b'{"code":7}', b"\xff"])
    async def test_without_a_code_says_nothing(
        self, scripted: Scripted, operation: str, body: bytes
    ) -> None:
        scripted.answers(an_answer(404, body))

        with pytest.raises(OutcomeUnknown, match="unreadable"):
            await calls(scripted.provider)[operation]()

    async def test_for_haste_needs_no_words(self, scripted: Scripted) -> None:
        scripted.answers(an_answer(429, b"<html>slow down</html>"))

        with pytest.raises(ProviderUnreachable, match="FREQUENCY_LIMITED"):
            await scripted.provider.open(an_attempt())

    @pytest.mark.parametrize(
        ("status", "said", "code"),
        [
            (500, "SYSTEMERROR", "SYSTEM_ERROR"),
            (502, "ORDERPAID", "http_5xx"),
            (302, "SYSTEM_ERROR", "http_status"),
            (403, "NOTENOUGH", "NOT_ENOUGH"),
            (400, "oCanaryOpenid", "other"),
        ],
    )
    async def test_is_named_from_a_closed_set(
        self, scripted: Scripted, status: int, said: str, code: str
    ) -> None:
        scripted.answers(a_refusal(status, said))

        with pytest.raises(ProviderError) as caught:
            await scripted.provider.refund(a_refund_of(an_attempt()))

        assert caught.value.code == code

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
        ],
    )
    async def test_that_is_not_provably_genuine_now_is_nothing(
        self, scripted: Scripted, operation: str, headers: dict[str, str], code: str
    ) -> None:
        scripted.says({"code_url": "weixin://x"}, **headers)

        with pytest.raises(OutcomeUnknown) as caught:
            await calls(scripted.provider)[operation]()

        assert caught.value.code == code
        assert scripted.gateway.sent.qsize() == 1, "nothing may be downloaded on the way"

    @pytest.mark.parametrize("age", [-330, 330])
    async def test_of_another_time_is_nothing_though_validly_signed(
        self, scripted: Scripted, age: int
    ) -> None:
        body, then = b"{}", datetime.now(UTC) - timedelta(seconds=age)
        scripted.answers(an_answer(200, body, PLATFORM.headers(body, now=then)))

        with pytest.raises(OutcomeUnknown, match="stale"):
            await scripted.provider.open(an_attempt())

    async def test_that_is_packed_is_never_unpacked(self, scripted: Scripted) -> None:
        body = json.dumps({"code_url": "weixin://x"}).encode()
        headers = PLATFORM.headers(body) | {"content-encoding": "gzip"}
        scripted.answers(an_answer(200, gzip.compress(body), headers))

        with pytest.raises(OutcomeUnknown, match="transport"):
            await scripted.provider.open(an_attempt())

    async def test_that_is_endless_is_given_up(self, scripted: Scripted) -> None:
        body = b" " * (MAX_ANSWER_BYTES + 1)
        scripted.answers(an_answer(200, body, PLATFORM.headers(body)))

        with pytest.raises(OutcomeUnknown, match="transport"):
            await scripted.provider.open(an_attempt())
