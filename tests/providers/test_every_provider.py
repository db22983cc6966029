"""What every adapter must do, each against its simulator over real HTTP and signatures.

What nobody but a pen can write, notices forged, stale, foreign or malformed, is in
test_every_notice. The mock's notices are normalized events, which no adapter reads: the same list
holds for them by TestAnEventThatProvesNothing and TestTheWebhookDoor of
tests/api/test_payment_webhook.py, and by TestAnEventThatContradicts and TestAnEventThatComesAgain
of tests/storage/test_stored_events.py.
"""

import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from contracts.attempt import AttemptRequest, Opened, RefundRequest
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    FactSource,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundMoved,
    RefundOutcome,
    RefundSpotted,
)
from contracts.money import Money
from contracts.states import Channel
from providers import watch
from providers.provider import (
    Capability,
    NoticeRefused,
    OutcomeUnknown,
    Provider,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    read_bill,
)
from tests.providers.merchant import OPENID, a_refund_of
from tests.providers.stage import Stage
from tests.providers.stages import STAGES

# Nobody waits for its end: it is long only so that a slow machine cannot outlast it.
SILENCE_MS = 20_000
A_QUIET_DAY = (datetime.now(UTC) - timedelta(days=3)).date()
KNOWN_PAYERS = frozenset(
    {Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE, Channel.WX_PUB, Channel.WX_LITE}
)


@pytest.fixture(scope="module", params=sorted(STAGES))
async def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with STAGES[request.param](tmp_path_factory.mktemp(request.param)) as on_stage:
        yield on_stage


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(watch, "_tracer", tracing.get_tracer("tests"))
    return exporter


async def opened(stage: Stage) -> AttemptRequest:
    attempt = stage.an_attempt()
    await stage.provider.open(attempt)
    await stage.arrive(attempt.attempt_no)
    return attempt


async def paid(stage: Stage) -> AttemptRequest:
    attempt = await opened(stage)
    stage.pay(attempt.attempt_no)
    return attempt


def what_pays(handed_out: Opened) -> str | None:
    if handed_out.signed_call is not None:
        return handed_out.signed_call.pay_sign
    ways = (handed_out.prepay_id, handed_out.code_url, handed_out.client_secret)
    return next(filter(None, (*ways, handed_out.redirect_url)), None)


def skip_unless_it_speaks(stage: Stage) -> None:
    if not stage.speaks:
        pytest.skip("what it has to say comes by the door of normalized events")


async def refund_of(stage: Stage, attempt: AttemptRequest, **changes: Any) -> RefundRequest:  # noqa: ANN401
    return a_refund_of(attempt, provider_txn_id=await stage.txn_of(attempt), **changes)


async def call(
    stage: Stage, operation: str, attempt: AttemptRequest, *, provider: Provider | None = None
) -> object:
    about_refund = operation in {"refund", "query_refund"}
    argument = await refund_of(stage, attempt) if about_refund else attempt
    return await getattr(provider or stage.provider, operation)(argument)


def skip_unless_it_can(stage: Stage, operation: str) -> None:
    if operation not in stage.provider.capabilities:
        pytest.skip("it does not claim to")


class TestEveryProvider:
    async def test_opens_an_attempt_and_opens_it_again_the_same(self, stage: Stage) -> None:
        attempt = stage.an_attempt()

        first = await stage.provider.open(attempt)

        assert first.code_url or first.prepay_id or first.reference
        again = await stage.provider.open(attempt)
        if stage.numbers_openings:
            assert again.reference != first.reference
            again = msgspec.structs.replace(again, reference=first.reference)
        assert again == first

    async def test_says_what_the_payer_needs_without_a_call(self, stage: Stage) -> None:
        for channel in stage.provider.channels:
            openid = OPENID if channel in KNOWN_PAYERS else None
            attempt = stage.an_attempt(channel=channel, openid=openid)
            handed_out = await stage.provider.open(attempt)

            parameters = stage.provider.payer_parameters(attempt, handed_out, datetime.now(UTC))

            shown = str(msgspec.to_builtins(parameters))
            assert (what_pays(handed_out) or attempt.attempt_no) in shown
            assert not any(secret in shown for secret in stage.secrets - {"weixin://"})

    async def test_refuses_a_known_number_with_other_words(self, stage: Stage) -> None:
        attempt = await opened(stage)
        dearer = Money(amount_minor=attempt.amount.amount_minor + 1, currency="CNY")

        with pytest.raises(ProviderRefused):
            await stage.provider.open(msgspec.structs.replace(attempt, amount=dearer))

    async def test_says_not_found_of_a_number_it_never_heard(self, stage: Stage) -> None:
        fact = await stage.provider.query(stage.an_attempt())

        assert isinstance(fact, AttemptNotFound)

    async def test_says_not_paid_until_it_is_paid(self, stage: Stage) -> None:
        attempt = await opened(stage)
        assert isinstance(await stage.provider.query(attempt), PaymentNotPaid)

        stage.pay(attempt.attempt_no)

        fact = await stage.provider.query(attempt)
        assert isinstance(fact, PaymentSucceeded)
        assert fact.provider == attempt.provider
        assert fact.attempt_no == attempt.attempt_no
        assert fact.paid == attempt.amount
        assert (fact.merchant_id, fact.appid) == (attempt.merchant_id, attempt.appid)
        assert fact.source is FactSource.QUERY
        assert abs(datetime.now(UTC) - fact.paid_at) < timedelta(minutes=1)

    async def test_closes_an_attempt_and_closes_it_again(self, stage: Stage) -> None:
        skip_unless_it_can(stage, "close")
        attempt = await opened(stage)
        closed = AttemptClosedAtProvider(provider=attempt.provider, attempt_no=attempt.attempt_no)

        assert await stage.provider.close(attempt) == closed
        assert await stage.provider.close(attempt) == closed
        assert await stage.provider.query(attempt) == closed
        with pytest.raises(ProviderRefused):
            await stage.provider.open(attempt)

    async def test_closes_nothing_that_was_paid_or_never_opened(self, stage: Stage) -> None:
        skip_unless_it_can(stage, "close")
        attempt = await paid(stage)

        assert await stage.provider.close(attempt) is None
        assert await stage.provider.close(stage.an_attempt()) is None
        assert isinstance(await stage.provider.query(attempt), PaymentSucceeded)

    async def test_refuses_what_it_does_not_claim_to_do(self, stage: Stage) -> None:
        claimed = stage.provider.capabilities
        lacking = {"open", "query", "close", "refund", "query_refund"} - claimed
        for operation in lacking:
            with pytest.raises(ProviderRefused, match="unsupported"):
                await call(stage, operation, await opened(stage))
        if Capability.BILLS not in claimed:
            with pytest.raises(ProviderRefused, match="unsupported"):
                await read_bill(stage.provider, A_QUIET_DAY)
        if Capability.NOTICES not in claimed:
            with pytest.raises(NoticeRefused):
                stage.provider.verify({}, b"{}", datetime.now(UTC))

    async def test_keeps_the_bills_that_it_claims_to_keep(self, stage: Stage) -> None:
        skip_unless_it_can(stage, "bills")

        assert list(await read_bill(stage.provider, A_QUIET_DAY)) == []

    async def test_never_takes_a_paid_number_for_a_refusal(self, stage: Stage) -> None:
        attempt = await paid(stage)

        with suppress(OutcomeUnknown):
            assert not (await stage.provider.open(attempt)).needs_payer

    async def test_tells_the_same_by_notice_as_by_query(self, stage: Stage) -> None:
        skip_unless_it_speaks(stage)
        attempt = await paid(stage)

        (notice,) = await stage.notices(attempt.attempt_no, 1)

        now = datetime.now(UTC)
        verified = stage.provider.verify(notice.headers, notice.body, now)
        again = stage.provider.verify(notice.headers, notice.body, now)
        assert verified == again
        stage.provider.verify_stored(notice.headers, notice.body)
        (told,) = stage.provider.read(notice.body)
        asked = await stage.provider.query(attempt)
        assert isinstance(told, PaymentSucceeded)
        assert isinstance(asked, PaymentSucceeded)
        assert told == msgspec.structs.replace(asked, source=FactSource.NOTICE)

    async def test_refuses_a_notice_that_is_altered_or_late(self, stage: Stage) -> None:
        skip_unless_it_speaks(stage)
        attempt = await paid(stage)
        (notice,) = await stage.notices(attempt.attempt_no, 1)
        now = datetime.now(UTC)

        with pytest.raises(NoticeRefused):
            stage.provider.verify(notice.headers, notice.body + b" ", now)
        with pytest.raises(NoticeRefused):
            stage.provider.verify({}, b"" if stage.signs_in_body else notice.body, now)
        with pytest.raises(NoticeRefused):
            stage.provider.verify(notice.headers, notice.body, now + stage.fresh_for * 1.1)
        with pytest.raises(NoticeRefused):
            stage.provider.verify_stored(notice.headers, notice.body + b" ")

    @pytest.mark.parametrize("flaw", ["bad_signature", "signtest"])
    async def test_refuses_a_notice_badly_signed(self, stage: Stage, flaw: str) -> None:
        skip_unless_it_speaks(stage)
        attempt = await opened(stage)
        stage.spoil(attempt.attempt_no, "notice", flaw)
        stage.pay(attempt.attempt_no)
        (notice,) = await stage.notices(attempt.attempt_no, 1)

        with pytest.raises(NoticeRefused):
            stage.provider.verify(notice.headers, notice.body, datetime.now(UTC))

    async def test_refunds_once_however_often_it_is_asked(self, stage: Stage) -> None:
        attempt = await paid(stage)
        half = Money(amount_minor=attempt.amount.amount_minor // 2, currency="CNY")
        refund = await refund_of(stage, attempt, amount=half)
        stage.spoil(attempt.attempt_no, "refund", "hold")

        first = await stage.provider.refund(refund)
        again = await stage.provider.refund(refund)

        assert first == again == await stage.provider.query_refund(refund)
        assert first.outcome is RefundOutcome.PROCESSING
        assert first.refunded == half
        stage.settle(refund.refund_no, "success")
        asked = await stage.provider.query_refund(refund)
        assert asked == msgspec.structs.replace(first, outcome=RefundOutcome.SUCCESS)
        assert isinstance(await stage.provider.query(attempt), PaymentSucceeded)
        if not stage.speaks:
            return
        (_, notice) = await stage.notices(attempt.attempt_no, 2)
        *before, told = stage.provider.read(notice.body)
        if isinstance(told, RefundSpotted):
            assert (told.attempt_no, told.refund_no) == (attempt.attempt_no, refund.refund_no)
        else:
            assert [*before, told] == [msgspec.structs.replace(asked, source=FactSource.NOTICE)]

    async def test_refunds_part_by_part_until_nothing_is_left(self, stage: Stage) -> None:
        attempt = await paid(stage)
        all_of_it = attempt.amount.amount_minor
        for number, part in enumerate((all_of_it // 3, all_of_it - all_of_it // 3), 1):
            refund = await refund_of(
                stage,
                attempt,
                refund_no=f"{attempt.attempt_no}R0{number}",
                amount=Money(amount_minor=part, currency="CNY"),
            )
            await stage.provider.refund(refund)
            asked = await stage.provider.query_refund(refund)

            assert isinstance(asked, RefundMoved)
            assert (asked.refund_no, asked.refunded) == (refund.refund_no, refund.amount)

        one_more = Money(amount_minor=1, currency="CNY")
        third = f"{attempt.attempt_no}R03"
        with pytest.raises(ProviderRefused):
            await stage.provider.refund(
                await refund_of(stage, attempt, refund_no=third, amount=one_more)
            )

    @pytest.mark.parametrize(
        ("end", "outcome"), [("close", RefundOutcome.CLOSED), ("abnormal", RefundOutcome.ABNORMAL)]
    )
    async def test_tells_a_refund_that_did_not_succeed(
        self, stage: Stage, end: str, outcome: RefundOutcome
    ) -> None:
        if outcome is RefundOutcome.ABNORMAL and not stage.sticks:
            pytest.skip("its refunds succeed or fail")
        attempt = await paid(stage)
        refund = await refund_of(stage, attempt)
        stage.spoil(attempt.attempt_no, "refund", "hold")
        await stage.provider.refund(refund)

        stage.settle(refund.refund_no, end)

        asked = await stage.provider.query_refund(refund)
        assert isinstance(asked, RefundMoved)
        assert asked.outcome is outcome

    async def test_knows_no_refund_that_was_never_taken(self, stage: Stage) -> None:
        assert await stage.provider.query_refund(await refund_of(stage, await paid(stage))) is None

    async def test_refuses_to_refund_more_than_was_paid(self, stage: Stage) -> None:
        attempt = await paid(stage)
        await stage.provider.refund(await refund_of(stage, attempt))
        more = await refund_of(stage, attempt, refund_no=f"{attempt.attempt_no}R02")

        with pytest.raises(ProviderRefused):
            await stage.provider.refund(more)

    async def test_refuses_to_refund_what_was_never_paid(self, stage: Stage) -> None:
        refund = await refund_of(stage, await opened(stage))

        with pytest.raises(ProviderRefused):
            await stage.provider.refund(refund)

    @pytest.mark.parametrize("operation", ["open", "query", "close", "refund", "query_refund"])
    @pytest.mark.parametrize("mode", ["error_500", "bad_signature", "signtest"])
    async def test_knows_nothing_after_an_answer_it_cannot_trust(
        self, stage: Stage, operation: str, mode: str
    ) -> None:
        skip_unless_it_can(stage, operation)
        if mode != "error_500" and not stage.signs_answers:
            pytest.skip("its answers are not signed")
        refunding = operation.endswith("refund")
        attempt = await (paid if refunding else opened)(stage)
        if operation == "query_refund":
            await stage.provider.refund(await refund_of(stage, attempt))
        stage.spoil(attempt.attempt_no, operation, mode)

        with pytest.raises(OutcomeUnknown):
            await call(stage, operation, attempt)

    @pytest.mark.parametrize("operation", ["open", "query", "close", "refund", "query_refund"])
    async def test_can_be_asked_again_after_a_rate_limit(
        self, stage: Stage, operation: str
    ) -> None:
        skip_unless_it_can(stage, operation)
        prepared = {"refund": paid, "query_refund": paid, "query": opened}.get(operation)
        attempt = await prepared(stage) if prepared else stage.an_attempt()
        stage.spoil(attempt.attempt_no, operation, "rate_limited")
        # Only of a refund may something be under way all the same.
        verdict = OutcomeUnknown if operation == "refund" else ProviderUnreachable

        with pytest.raises(ProviderError) as caught:
            await call(stage, operation, attempt)

        assert type(caught.value) is verdict
        await call(stage, operation, attempt)

    @pytest.mark.parametrize("operation", ["open", "close", "refund"])
    async def test_loses_no_call_whose_answer_was_lost(self, stage: Stage, operation: str) -> None:
        skip_unless_it_can(stage, operation)
        refunding = operation == "refund"
        prepared = {"open": None, "close": opened, "refund": paid}[operation]
        attempt = await prepared(stage) if prepared else stage.an_attempt()
        stage.spoil(attempt.attempt_no, operation, "timeout_after", SILENCE_MS)

        with pytest.raises(OutcomeUnknown, match="timeout"):
            await call(stage, operation, attempt, provider=stage.impatient)

        if refunding:
            assert await stage.provider.query_refund(await refund_of(stage, attempt)) is not None
        else:
            if operation == "open":
                await stage.arrive(attempt.attempt_no)
            assert not isinstance(await stage.provider.query(attempt), AttemptNotFound)
        await call(stage, operation, attempt)

    async def test_counts_each_call_by_how_it_ended(self, stage: Stage) -> None:
        def count(code: str) -> float:
            labels = {"provider": stage.provider.name, "operation": "query", "code": code}
            return REGISTRY.get_sample_value("guichet_provider_requests_total", labels) or 0.0

        attempt, before, limited = await opened(stage), count("ok"), count("FREQUENCY_LIMITED")
        stage.spoil(attempt.attempt_no, "query", "rate_limited")

        with pytest.raises(ProviderUnreachable):
            await stage.provider.query(attempt)
        await stage.provider.query(attempt)

        assert count("ok") == before + 1
        assert count("FREQUENCY_LIMITED") == limited + 1

    async def test_keeps_every_secret_to_itself(
        self, stage: Stage, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter
    ) -> None:
        """Look at logs of every level, spans, exceptions and representations."""
        told = StringIO()
        with caplog.at_level(logging.DEBUG), capture_logs() as lines:
            named = {} if stage.openid_channel is None else {"channel": stage.openid_channel}
            attempt = stage.an_attempt(openid=OPENID if named else None, **named)
            handed_out = await stage.provider.open(attempt)
            for operation in ("query", "close", "refund", "query_refund"):
                if operation not in stage.provider.capabilities:
                    continue
                stage.spoil(attempt.attempt_no, operation, "error_500")
                told.write(await self.failure(stage, operation, attempt))
            if stage.signs_answers:
                stage.spoil(attempt.attempt_no, "query", "bad_signature")
                told.write(await self.failure(stage, "query", attempt))
            stage.pay(attempt.attempt_no)
            if stage.speaks:
                told.write(await self.failure(stage, "open", attempt))
                told.write(await self.refusal(stage, attempt))

        told.write("".join(span.to_json() for span in spans.get_finished_spans()))
        assert f"{stage.provider.name}.query" in told.getvalue(), "no span was captured"
        told.write(caplog.text + repr(lines) + repr(stage.provider) + repr(vars(stage.provider)))
        traces = {attempt.attempt_no, handed_out.reference or "gateway.do"}
        assert any(trace in told.getvalue() for trace in traces), "nothing was captured"
        for secret in stage.secrets | {what_pays(handed_out)} - {attempt.attempt_no, None}:
            assert secret
            assert secret not in told.getvalue()

    async def refusal(self, stage: Stage, attempt: AttemptRequest) -> str:
        (notice,) = await stage.notices(attempt.attempt_no, 1)
        with pytest.raises(NoticeRefused) as refused:
            stage.provider.verify(notice.headers, notice.body + b" ", datetime.now(UTC))
        return "".join(traceback.format_exception(refused.value))

    async def failure(self, stage: Stage, operation: str, attempt: AttemptRequest) -> str:
        with pytest.raises(ProviderError) as caught:
            await call(stage, operation, attempt)
        return repr(caught.value) + "".join(traceback.format_exception(caught.value))
