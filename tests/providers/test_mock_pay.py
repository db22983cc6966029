"""The mock provider's adapter: what only this provider does."""

import traceback
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from contracts.attempt import AttemptRequest, Redirect
from contracts.evidence import Evidence
from contracts.facts import AttemptClosedAtProvider, PaymentSucceeded
from contracts.money import Money
from providers.mock.adapter import MockPay
from providers.provider import (
    NoticeRefused,
    NoticeUnreadable,
    OutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from tests.providers.merchant import a_refund_of
from tests.providers.stages import MockStage, a_mock_attempt, mock, mock_settings, mock_settings_at
from tests.providers.wire_server import Script, Sent, WireServer, an_answer
from tests.sandbox.mock_merchant import signature
from tests.sandbox.simulator import WEBHOOK_SECRET

KEY = WEBHOOK_SECRET.encode()


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MockStage]:
    async with mock(tmp_path_factory.mktemp("mock")) as stage:
        yield stage


async def paid_by_itself(stage: MockStage, **changes: Any) -> AttemptRequest:  # noqa: ANN401
    attempt = a_mock_attempt(None, **changes)
    await stage.provider.open(attempt)
    return attempt


def an_honest_answer(sent: Sent, body: bytes, *, status: int = 200) -> bytes:
    call_id, at = sent.headers["webhook-id"], sent.headers["webhook-timestamp"]
    signed = signature(call_id, at, f"{status}\n".encode() + body, KEY)
    headers = {"webhook-id": call_id, "webhook-timestamp": at, "webhook-signature": signed}
    return an_answer(status, body, headers)


class TestOpening:
    @pytest.mark.parametrize(
        "simulate",
        [None, "succeeded", "duplicate", "out_of_order", "delayed", "wrong_amount", "anything"],
    )
    async def test_of_what_goes_on_by_itself_needs_no_payer(
        self, stage: MockStage, simulate: str | None
    ) -> None:
        attempt = a_mock_attempt(simulate)

        opened = await stage.provider.open(attempt)

        assert not opened.needs_payer
        fact = await stage.provider.query(attempt)
        assert isinstance(fact, PaymentSucceeded)
        assert fact.provider_txn_id == opened.reference
        assert fact.provider_txn_id.startswith("txn_mock_")

    async def test_of_what_waits_says_where_its_payer_goes_on(self, stage: MockStage) -> None:
        attempt = a_mock_attempt("requires_action")

        opened = await stage.provider.open(attempt)

        assert opened.needs_payer
        parameters = stage.provider.payer_parameters(attempt, opened, attempt.payable_until)
        assert isinstance(parameters, Redirect)
        page = stage.simulated.control.get(parameters.url)
        assert attempt.attempt_no in page.text

    async def test_of_what_is_declined_is_refused_each_time(self, stage: MockStage) -> None:
        attempt = a_mock_attempt("failed")

        for _ in range(2):
            with pytest.raises(ProviderRefused) as refused:
                await stage.provider.open(attempt)
            assert refused.value.code == "MOCK_DECLINED"
        assert isinstance(await stage.provider.query(attempt), AttemptClosedAtProvider)

    async def test_whose_answer_never_comes_has_taken_the_money(self, stage: MockStage) -> None:
        attempt = a_mock_attempt("timeout_after_success")

        with pytest.raises(OutcomeUnknown, match="timeout"):
            await stage.impatient.open(attempt)

        fact = await stage.provider.query(attempt)
        assert isinstance(fact, PaymentSucceeded)
        assert (await stage.provider.open(attempt)).reference == fact.provider_txn_id

    async def test_that_took_too_much_is_said_to_have(self, stage: MockStage) -> None:
        attempt = a_mock_attempt("wrong_amount")
        await stage.provider.open(attempt)

        fact = await stage.provider.query(attempt)

        assert isinstance(fact, PaymentSucceeded)
        assert fact.paid == Money(amount_minor=9901, currency="CNY")

    @pytest.mark.parametrize(
        "changes",
        [{"confirmation": None}, {"merchant_id": "1900000001"}, {"attempt_no": "../../control"}],
        ids=["of no intent", "of another merchant", "of a number that bends the path"],
    )
    async def test_is_not_even_tried(self, stage: MockStage, changes: dict[str, Any]) -> None:
        with pytest.raises(ProviderRefused, match="not_sent"):
            await stage.provider.open(a_mock_attempt(**changes))


class TestARefund:
    async def test_goes_back_in_parts_until_all_is_back(self, stage: MockStage) -> None:
        attempt = await paid_by_itself(stage)
        for number, amount in (("R1", 4000), ("R2", 5900)):
            part = a_refund_of(
                attempt,
                refund_no=f"{attempt.attempt_no}{number}",
                amount=Money(amount_minor=amount, currency="CNY"),
            )
            moved = await stage.provider.refund(part)
            assert moved.refunded == part.amount
            assert moved.provider_refund_id.startswith("rf_mock_")

        more = a_refund_of(
            attempt,
            refund_no=f"{attempt.attempt_no}R3",
            amount=Money(amount_minor=1, currency="CNY"),
        )
        with pytest.raises(ProviderRefused, match="EXCEEDS_PAID"):
            await stage.provider.refund(more)

    async def test_under_one_number_takes_no_other_words(self, stage: MockStage) -> None:
        refund = a_refund_of(await paid_by_itself(stage))
        await stage.provider.refund(refund)
        less = msgspec.structs.replace(refund, amount=Money(amount_minor=1, currency="CNY"))

        with pytest.raises(ProviderRefused, match="NUMBER_USED"):
            await stage.provider.refund(less)


class TestWhatIsKept:
    async def test_is_what_was_answered_but_to_an_opening(self, stage: MockStage) -> None:
        kept: list[Evidence] = []
        async with MockPay(mock_settings(stage.simulated), kept.append) as provider:
            attempt = a_mock_attempt("succeeded")
            await provider.query(attempt)
            opened = await provider.open(attempt)
            await provider.query(attempt)
            refund = a_refund_of(attempt)
            await provider.refund(refund)
            await provider.query_refund(refund)

        assert [(one.source, one.kind.value, one.object_id) for one in kept] == [
            ("query", "trade", attempt.attempt_no),
            ("query", "trade", opened.reference),
            ("refund", "refund", refund.refund_no),
            ("query_refund", "refund", refund.refund_no),
        ]
        assert kept[1].body["status"] == "succeeded"


class TestASecret:
    async def test_that_is_not_the_providers_is_told_to_a_person(self, stage: MockStage) -> None:
        other = mock_settings(stage.simulated, secret="sandbox-" + "o" * 40)
        with capture_logs() as lines:
            async with MockPay(other) as provider:
                with pytest.raises(ProviderUnreachable, match="BAD_SIGNATURE"):
                    await provider.open(a_mock_attempt())

        assert [line["event"] for line in lines] == ["payments.provider.misconfigured"]

    async def test_is_shown_nowhere(self, stage: MockStage) -> None:
        settings = mock_settings(stage.simulated)
        with pytest.raises(ProviderRefused) as refused:
            await stage.provider.open(a_mock_attempt("failed"))
        told = "".join(traceback.format_exception(refused.value))

        told += repr(settings) + repr(stage.provider) + repr(vars(stage.provider))

        assert WEBHOOK_SECRET not in told


class TestAnAnswer:
    def payment(self, attempt: AttemptRequest, **changes: object) -> bytes:
        return msgspec.json.encode(
            {
                "attempt_no": attempt.attempt_no,
                "status": "succeeded",
                "txn_id": "txn_mock_1",
                "amount": 9900,
                "currency": "CNY",
                "paid_at": "2026-11-21T00:00:00Z",
            }
            | changes
        )

    async def asked(self, attempt: AttemptRequest, script: Script) -> object:
        async with (
            WireServer(script) as server,
            MockPay(mock_settings_at(server.url)) as provider,
        ):
            return await provider.query(attempt)

    async def test_that_is_signed_is_believed(self) -> None:
        attempt = a_mock_attempt()

        async def honest(sent: Sent) -> bytes:
            return an_honest_answer(sent, self.payment(attempt))

        assert isinstance(await self.asked(attempt, honest), PaymentSucceeded)

    async def test_without_a_signature_is_not(self) -> None:
        attempt = a_mock_attempt()

        async def unsigned(_: Sent) -> bytes:
            return an_answer(200, self.payment(attempt))

        with pytest.raises(OutcomeUnknown, match="untrusted"):
            await self.asked(attempt, unsigned)

    async def test_to_another_call_is_not(self) -> None:
        attempt = a_mock_attempt()

        async def replayed(sent: Sent) -> bytes:
            earlier = sent._replace(headers=sent.headers | {"webhook-id": "call_before"})
            return an_honest_answer(earlier, self.payment(attempt))

        with pytest.raises(OutcomeUnknown, match="untrusted"):
            await self.asked(attempt, replayed)

    async def test_whose_status_was_altered_is_not(self) -> None:
        attempt = a_mock_attempt()

        async def altered(sent: Sent) -> bytes:
            honest = an_honest_answer(sent, b'{"code": "NOT_FOUND"}', status=404)
            return honest.replace(b"HTTP/1.1 404", b"HTTP/1.1 409")

        with pytest.raises(OutcomeUnknown, match="untrusted"):
            await self.asked(attempt, altered)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"attempt_no": "T1"}, "foreign_answer"),
            ({"status": "refunded"}, "unreadable"),
            ({"amount": 0}, "unreadable"),
            ({"txn_id": "a b"}, "unreadable"),
        ],
    )
    async def test_that_makes_no_sense_says_nothing(
        self, changes: dict[str, object], code: str
    ) -> None:
        attempt = a_mock_attempt()

        async def odd(sent: Sent) -> bytes:
            return an_honest_answer(sent, self.payment(attempt, **changes))

        with pytest.raises(OutcomeUnknown, match=code):
            await self.asked(attempt, odd)

    async def test_that_never_comes_leaves_the_outcome_open(self) -> None:
        async def silent(_: Sent) -> bytes | None:
            return None

        with pytest.raises(OutcomeUnknown, match="transport"):
            await self.asked(a_mock_attempt(), silent)

    async def test_from_nobody_says_that_nothing_was_asked(self) -> None:
        async with MockPay(mock_settings_at("http://127.0.0.1:1")) as provider:
            with pytest.raises(ProviderUnreachable, match="connect"):
                await provider.query(a_mock_attempt())


class TestANotice:
    async def test_is_never_for_this_adapter(self, stage: MockStage) -> None:
        attempt = a_mock_attempt()

        with pytest.raises(NoticeRefused):
            stage.provider.verify({}, b"{}", attempt.payable_until)
        with pytest.raises(NoticeRefused):
            stage.provider.verify_stored({}, b"{}")
        with pytest.raises(NoticeUnreadable):
            stage.provider.read(b"{}")
