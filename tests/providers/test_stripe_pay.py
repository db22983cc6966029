"""Stripe's adapter: what only this provider does."""

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from structlog.testing import capture_logs

from contracts.attempt import AttemptRequest, BilledRefund, ClientSecret, Opened, Redirect
from contracts.evidence import EvidenceKind
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundMoved,
    RefundOutcome,
)
from contracts.money import Money
from contracts.states import Channel, RefundKind
from providers.provider import (
    NamesPayments,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)
from providers.stripe.adapter import StripePay
from providers.stripe.settings import StripeSettings
from tests.providers.merchant import Kept, a_refund_of
from tests.providers.stripe_stage import (
    STRIPE_KEY,
    STRIPE_WEBHOOK_SECRET,
    StripeStage,
    a_stripe_attempt,
    stripe,
    stripe_settings,
)
from tests.providers.wire_server import Sent, WireServer, an_answer
from tests.sandbox.simulator import wait_until

CHECKOUT = Channel.STRIPE_CHECKOUT
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StripeStage]:
    async with stripe(tmp_path_factory.mktemp("stripe")) as stage:
        yield stage


def late(attempt: AttemptRequest) -> AttemptRequest:
    """Return an attempt as it is once its time is over."""
    return msgspec.structs.replace(attempt, payable_until=datetime.now(UTC) - timedelta(seconds=5))


def closed(attempt: AttemptRequest) -> AttemptClosedAtProvider:
    return AttemptClosedAtProvider(provider="stripe", attempt_no=attempt.attempt_no)


def an_intent(attempt: AttemptRequest, **changes: Any) -> bytes:  # noqa: ANN401 - any field
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "livemode": False,
        "amount_received": 9900,
        "currency": "cny",
        "created": 1_700_000_000,
        "metadata": {"attempt_no": attempt.attempt_no},
        "client_secret": "pi_1_secret_canary",
    }
    return an_answer(200, json.dumps(intent | changes).encode())


def a_refusal(status: int, **error: str) -> bytes:
    return an_answer(status, json.dumps({"error": {"message": "canary"} | error}).encode())


class TestAnIntent:
    async def test_hands_its_secret_to_the_payers_page(self, stage: StripeStage) -> None:
        attempt = a_stripe_attempt()

        opened = await stage.provider.open(attempt)

        assert (opened.reference or "").startswith("pi_")
        parameters = stage.provider.payer_parameters(attempt, opened, LONG_AGO)
        assert parameters == ClientSecret(client_secret=opened.client_secret or "")

    async def test_is_asked_about_by_its_own_number(self, stage: StripeStage) -> None:
        attempt = a_stripe_attempt()
        opened = await stage.provider.open(attempt)
        stage.pay(attempt.attempt_no)

        fact = await stage.provider.query(late(attempt), opened)

        assert isinstance(fact, PaymentSucceeded)
        assert fact.provider_txn_id == opened.reference
        assert stage.simulated.calls(attempt.attempt_no) == {"open": 1, "query": 1}

    async def test_whose_card_was_declined_is_not_paid_and_can_be(self, stage: StripeStage) -> None:
        attempt = a_stripe_attempt()
        opened = await stage.provider.open(attempt)

        stage.simulated.act(attempt.attempt_no, "fail")

        assert isinstance(await stage.provider.query(attempt, opened), PaymentNotPaid)
        assert await stage.provider.open(attempt) == opened


class TestASession:
    async def test_sends_its_payer_to_a_page_and_back(self, stage: StripeStage) -> None:
        attempt = a_stripe_attempt(channel=CHECKOUT)
        opened = await stage.provider.open(attempt)
        parameters = stage.provider.payer_parameters(attempt, opened, LONG_AGO)
        assert isinstance(parameters, Redirect)
        browser = stage.simulated.control

        page = browser.get(parameters.url)
        paid = browser.post(parameters.url, data={"card": "4242 4242 4242 4242"})

        assert "99.00 CNY" in page.text
        assert paid.status_code == 303
        back = f"http://127.0.0.1:9/result?session_id={opened.reference}"
        assert paid.headers["Location"] == back
        fact = await stage.provider.query(attempt, opened)
        assert isinstance(fact, PaymentSucceeded)
        assert fact.provider_txn_id.startswith("pi_")
        assert (fact.attempt_no, fact.paid) == (attempt.attempt_no, attempt.amount)

    async def test_tells_the_same_by_both_of_its_events(self, stage: StripeStage) -> None:
        attempt = a_stripe_attempt(channel=CHECKOUT)
        await stage.provider.open(attempt)
        stage.pay(attempt.attempt_no)

        notices = await stage.notices(attempt.attempt_no, 2)

        first, second = (stage.provider.read(notice.body) for notice in notices)
        assert first == second
        assert isinstance(first[0], PaymentSucceeded)

    async def test_is_expired_and_stays_so(self, stage: StripeStage) -> None:
        attempt = a_stripe_attempt(channel=CHECKOUT)
        opened = await stage.provider.open(attempt)

        assert await stage.provider.close(attempt, opened) == closed(attempt)
        assert await stage.provider.close(attempt, opened) == closed(attempt)
        assert await stage.provider.query(attempt, opened) == closed(attempt)
        with pytest.raises(ProviderRefused, match="canceled"):
            await stage.provider.open(attempt)

    async def test_that_was_paid_is_asked_about_instead(self, stage: StripeStage) -> None:
        attempt = a_stripe_attempt(channel=CHECKOUT)
        opened = await stage.provider.open(attempt)
        stage.pay(attempt.attempt_no)

        assert await stage.provider.close(attempt, opened) is None

    @pytest.mark.parametrize("minutes", [1, 45, 60 * 23])
    async def test_is_opened_twice_with_the_same_words(
        self, stage: StripeStage, minutes: int
    ) -> None:
        until = datetime.now(UTC) + timedelta(minutes=minutes)
        attempt = a_stripe_attempt(channel=CHECKOUT, payable_until=until)

        first = await stage.provider.open(attempt)

        assert await stage.provider.open(attempt) == first

    async def test_has_an_address_to_come_back_to(self, stage: StripeStage) -> None:
        with pytest.raises(ProviderRefused, match="not_sent"):
            await stage.provider.open(a_stripe_attempt(channel=CHECKOUT, return_url=None))


class TestALostOpening:
    """Nobody knows Stripe's number of the attempt."""

    @pytest.mark.parametrize("channel", [Channel.STRIPE, CHECKOUT])
    async def test_is_ended_although_nobody_heard_of_it(
        self, stage: StripeStage, channel: Channel
    ) -> None:
        attempt = a_stripe_attempt(channel=channel)
        stage.spoil(attempt.attempt_no, "open", "timeout_after", 20_000)
        with pytest.raises(OutcomeUnknown):
            await stage.impatient.open(attempt)

        assert await stage.provider.close(attempt) == closed(attempt)

    async def test_that_never_arrived_can_never_be_paid_once_it_was_closed(
        self, stage: StripeStage
    ) -> None:
        attempt = a_stripe_attempt()

        assert await stage.provider.close(attempt) is None

        assert await stage.provider.query(attempt) == closed(attempt)
        with pytest.raises(ProviderRefused):
            await stage.provider.open(attempt)

    async def test_is_made_by_nobody_once_its_time_is_over(self, stage: StripeStage) -> None:
        attempt = late(a_stripe_attempt())

        with pytest.raises(OutcomeUnknown, match="too_late"):
            await stage.provider.open(attempt)
        with pytest.raises(OutcomeUnknown, match="not_searchable_yet"):
            await stage.provider.query(attempt)
        with pytest.raises(OutcomeUnknown, match="not_searchable_yet"):
            await stage.provider.close(attempt)

        trades = stage.simulated.control.get(
            "/control/trades", params={"order_no": attempt.attempt_no[:16]}
        )
        assert trades.json() == {"trades": []}

    async def test_is_not_found_only_when_searches_have_caught_up(self, stage: StripeStage) -> None:
        attempt = late(a_stripe_attempt())
        settings = stripe_settings(f"{stage.simulated.base_url}/stripe", search_lag_seconds=1)

        async with StripePay(settings) as provider:
            assert isinstance(await provider.query(attempt), AttemptNotFound)
            assert await provider.close(attempt) is None

    @pytest.mark.parametrize("channel", [Channel.STRIPE, CHECKOUT])
    async def test_is_found_by_our_number_late(self, stage: StripeStage, channel: Channel) -> None:
        attempt = a_stripe_attempt(channel=channel)
        await stage.provider.open(attempt)
        stage.pay(attempt.attempt_no)
        # Searches lag by a minute, which is a second here.
        end = time.monotonic() + 1.1
        wait_until(lambda: time.monotonic() > end)

        assert isinstance(await stage.provider.query(late(attempt)), PaymentSucceeded)
        assert await stage.provider.close(late(attempt)) is None


@pytest.mark.parametrize("channel", [Channel.STRIPE, CHECKOUT])
class TestAnOpeningThatFailedAtStripe:
    """Stripe keeps its own failure under our number and answers it for a day."""

    async def failed(self, stage: StripeStage, channel: Channel) -> AttemptRequest:
        attempt = a_stripe_attempt(channel=channel)
        stage.spoil(attempt.attempt_no, "open", "kept_500")
        with pytest.raises(OutcomeUnknown, match="api_error"):
            await stage.provider.open(attempt)
        return attempt

    async def test_gives_its_number_up_when_it_is_tried_again(
        self, stage: StripeStage, channel: Channel
    ) -> None:
        attempt = await self.failed(stage, channel)

        with pytest.raises(ProviderRefused, match="kept_failure"):
            await stage.provider.open(attempt)

        assert (await stage.provider.open(a_stripe_attempt(channel=channel))).reference

    async def test_is_over_for_whoever_asks_or_closes(
        self, stage: StripeStage, channel: Channel
    ) -> None:
        attempt = await self.failed(stage, channel)

        assert await stage.provider.query(attempt) == closed(attempt)
        assert await stage.provider.close(attempt) == closed(attempt)


class TestARefund:
    async def paid(self, stage: StripeStage) -> tuple[AttemptRequest, str]:
        attempt = a_stripe_attempt()
        await stage.provider.open(attempt)
        stage.pay(attempt.attempt_no)
        return attempt, await stage.txn_of(attempt)

    async def test_goes_back_in_parts(self, stage: StripeStage) -> None:
        attempt, txn = await self.paid(stage)
        for number, minor in (("R01", 4000), ("R02", 5900)):
            part = a_refund_of(
                attempt,
                provider_txn_id=txn,
                refund_no=f"{attempt.attempt_no}{number}",
                amount=Money(amount_minor=minor, currency="CNY"),
            )
            moved = await stage.provider.refund(part)
            assert (moved.refunded, moved.provider_txn_id) == (part.amount, txn)
            assert moved.provider_refund_id.startswith("re_")

    async def test_under_one_number_takes_no_other_words(self, stage: StripeStage) -> None:
        attempt, txn = await self.paid(stage)
        refund = a_refund_of(attempt, provider_txn_id=txn)
        await stage.provider.refund(refund)
        less = msgspec.structs.replace(refund, amount=Money(amount_minor=1, currency="CNY"))

        with pytest.raises(ProviderRefused, match="idempotency_error"):
            await stage.provider.refund(less)

    async def test_of_the_console_is_found_by_stripes_number(self, stage: StripeStage) -> None:
        attempt, txn = await self.paid(stage)
        path = f"/control/trades/{attempt.attempt_no}/console-refund"
        made = stage.simulated.control.post(path, json={"amount": 100}).json()
        spotted = BilledRefund(attempt_no="", refund_no=made["out_refund_no"], provider_txn_id=txn)

        moved = await stage.provider.query_refund(spotted)

        assert isinstance(moved, RefundMoved)
        assert (moved.kind, moved.outcome) == (RefundKind.EXTERNAL, RefundOutcome.SUCCESS)
        assert (moved.attempt_no, moved.refunded.amount_minor) == ("", 100)

    @pytest.mark.parametrize(
        "changes",
        [
            {"provider_txn_id": "4200000000000000001"},
            {"provider_txn_id": "pi_1/../x"},
            {"refund_no": "a b"},
            {"amount": Money(amount_minor=0, currency="CNY")},
            {"amount": Money(amount_minor=9901, currency="CNY")},
            {"amount": Money(amount_minor=1, currency="USD")},
        ],
    )
    async def test_that_makes_no_sense_is_not_sent(
        self, stage: StripeStage, changes: dict[str, Any]
    ) -> None:
        refund = a_refund_of(a_stripe_attempt(), **{"provider_txn_id": "pi_1"} | changes)

        with pytest.raises(ProviderRefused, match="not_sent"):
            await stage.provider.refund(refund)


class TestAPaymentOfTheAccount:
    async def test_says_by_its_metadata_who_sold_it(self, stage: StripeStage) -> None:
        attempt = a_stripe_attempt()
        opened = await stage.provider.open(attempt)
        foreign = stage.simulated.control.post(
            "/stripe/v1/payment_intents",
            data={"amount": "100", "currency": "usd"},
            headers={"Authorization": f"Bearer {STRIPE_KEY}"},
        ).json()

        assert isinstance(stage.provider, NamesPayments)
        assert await stage.provider.attempt_no_of(opened.reference or "") == attempt.attempt_no
        assert await stage.provider.attempt_no_of(foreign["id"]) == ""
        with pytest.raises(ProviderRefused, match="not_sent"):
            await stage.provider.attempt_no_of("pi_1/../x")


class TestWhatIsSent:
    async def test_goes_under_our_own_numbers(self) -> None:
        attempt = a_stripe_attempt()

        async def script(_: Sent) -> bytes:
            return an_intent(attempt, status="requires_payment_method", amount_received=0)

        async with WireServer(script) as server, StripePay(stripe_settings(server.url)) as provider:
            await provider.open(attempt)
            sent = await server.sent.get()

        said = {name: values[0] for name, values in parse_qs(sent.body.decode()).items()}
        assert sent.headers["idempotency-key"] == attempt.attempt_no
        assert sent.headers["authorization"] == f"Bearer {STRIPE_KEY}"
        assert sent.headers["stripe-version"] == "2026-10-28.endive"
        assert said == {
            "amount": "9900",
            "currency": "cny",
            "description": "Guichet Demo Night",
            "metadata[attempt_no]": attempt.attempt_no,
            "metadata[order_no]": attempt.attempt_no[:16],
            "automatic_payment_methods[enabled]": "true",
        }

    async def test_is_repeated_under_the_same_key_when_a_connection_broke(self) -> None:
        attempt, answers = a_stripe_attempt(), iter([None, an_intent(a_stripe_attempt())])

        async def script(_: Sent) -> bytes | None:
            return next(answers)

        async with WireServer(script) as server, StripePay(stripe_settings(server.url)) as provider:
            with pytest.raises(OutcomeUnknown, match="foreign_answer"):
                await provider.open(attempt)
            keys = [(await server.sent.get()).headers["idempotency-key"] for _ in range(2)]

        assert keys == [attempt.attempt_no] * 2

    @pytest.mark.parametrize(
        "changes",
        [
            {"merchant_id": "stripe:live"},
            {"appid": "wx1"},
            {"channel": Channel.WECHAT_NATIVE},
            {"attempt_no": '"] OR amount>0'},
            {"amount": Money(amount_minor=9900, currency="cny")},
            {"amount": Money(amount_minor=0, currency="CNY")},
        ],
    )
    async def test_is_never_what_makes_no_sense(self, changes: dict[str, Any]) -> None:
        async with StripePay(stripe_settings("http://127.0.0.1:1")) as provider:
            with pytest.raises(ProviderRefused, match="not_sent"):
                await provider.open(a_stripe_attempt(**changes))


class TestAnAnswer:
    opened = Opened(reference="pi_1", client_secret="pi_1_secret_canary")

    async def asked(self, attempt: AttemptRequest, answer: bytes | None) -> object:
        async def script(_: Sent) -> bytes | None:
            return answer

        async with WireServer(script) as server, StripePay(stripe_settings(server.url)) as provider:
            return await provider.query(attempt, self.opened)

    async def test_about_what_was_asked_is_believed(self) -> None:
        attempt = a_stripe_attempt()

        assert isinstance(await self.asked(attempt, an_intent(attempt)), PaymentSucceeded)

    async def test_of_the_other_mode_names_the_other_merchant(self) -> None:
        attempt = a_stripe_attempt()

        fact = await self.asked(attempt, an_intent(attempt, livemode=True))

        assert isinstance(fact, PaymentSucceeded)
        assert fact.merchant_id == "stripe:live"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"metadata": {}}, "foreign_answer"),
            ({"metadata": {"attempt_no": "GX"}}, "foreign_answer"),
            ({"status": "evaporated"}, "unreadable"),
            ({"amount_received": 0}, "unreadable"),
            ({"amount_received": -1}, "unreadable"),
            ({"amount_received": 9900.5}, "unreadable"),
            ({"id": "pi 1"}, "unreadable"),
            ({"currency": "\u0000"}, "unreadable"),
            ({"created": 10**20}, "unreadable"),
        ],
    )
    async def test_that_makes_no_sense_says_nothing(
        self, changes: dict[str, Any], code: str
    ) -> None:
        attempt = a_stripe_attempt()

        with pytest.raises(OutcomeUnknown, match=code):
            await self.asked(attempt, an_intent(attempt, **changes))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"5",
            b"<html>",
            b"\xff",
            b"[" * 100_000,
            b'{"a":' * 5000,
            b"x" * 2**21,
        ],
        ids=["empty", "null", "list", "number", "page", "binary", "deep", "deeper", "long"],
    )
    @pytest.mark.parametrize("status", [200, 400, 500, 302])
    async def test_that_nobody_can_read_says_nothing(self, status: int, body: bytes) -> None:
        with pytest.raises(OutcomeUnknown):
            await self.asked(a_stripe_attempt(), an_answer(status, body))

    @pytest.mark.parametrize(
        ("answer", "verdict", "code"),
        [
            (a_refusal(400, type="invalid_request_error"), ProviderRefused, "other"),
            (
                a_refusal(400, type="invalid_request_error", code="parameter_missing"),
                ProviderRefused,
                "parameter_missing",
            ),
            (a_refusal(401, type="invalid_request_error"), ProviderUnreachable, "authentication"),
            (a_refusal(403, type="invalid_request_error"), ProviderUnreachable, "permission"),
            (
                a_refusal(402, type="card_error", code="card_declined"),
                ProviderRefused,
                "card_error",
            ),
            (a_refusal(404, code="resource_missing"), OutcomeUnknown, "resource_missing"),
            (a_refusal(400, type="idempotency_error"), ProviderRefused, "idempotency_error"),
            (a_refusal(429, code="lock_timeout"), ProviderUnreachable, "FREQUENCY_LIMITED"),
            (a_refusal(500, code="parameter_missing"), OutcomeUnknown, "api_error"),
            (a_refusal(503), OutcomeUnknown, "api_error"),
        ],
    )
    async def test_that_refuses_names_the_next_move(
        self, answer: bytes, verdict: type[ProviderError], code: str
    ) -> None:
        with pytest.raises(ProviderError) as caught:
            await self.asked(a_stripe_attempt(), answer)

        assert (type(caught.value), caught.value.code) == (verdict, code)

    async def test_that_never_comes_leaves_the_outcome_open(self) -> None:
        with pytest.raises(OutcomeUnknown, match="transport"):
            await self.asked(a_stripe_attempt(), None)

    async def test_from_nobody_says_that_nothing_was_asked(self) -> None:
        async with StripePay(stripe_settings("http://127.0.0.1:1")) as provider:
            with pytest.raises(ProviderUnreachable, match="connect"):
                await provider.query(a_stripe_attempt(), self.opened)

    async def test_that_came_once_is_not_taken_back_by_a_broken_repeat(self) -> None:
        # The first try arrives and its connection breaks; nobody listens to the second.
        async def hang_up(_: Sent) -> None:
            server.stop_listening()

        async with (
            WireServer(hang_up) as server,
            StripePay(stripe_settings(server.url)) as provider,
        ):
            with pytest.raises(OutcomeUnknown, match="transport"):
                await provider.open(a_stripe_attempt())

    async def test_of_a_payment_under_way_does_not_close_it(self) -> None:
        attempt = a_stripe_attempt()

        async def script(sent: Sent) -> bytes:
            if sent.target.endswith("/cancel"):
                return a_refusal(400, code="payment_intent_unexpected_state")
            return an_intent(attempt, status="processing", amount_received=0)

        async with WireServer(script) as server, StripePay(stripe_settings(server.url)) as provider:
            with pytest.raises(ProviderUnreachable, match="in_progress"):
                await provider.close(attempt, self.opened)


class TestASecret:
    @pytest.mark.parametrize(
        "changes",
        [
            {"secret_key": "pk_test_1"},
            {"secret_key": "sk_test_a b"},
            {"webhook_secrets": ("whsec a",)},
            {"publishable_key": "sk_test_1"},
            {"api_base": "http://stripe.example"},
            {"api_version": "2026\n"},
            {"timeout_seconds": 0.1},
        ],
    )
    def test_that_is_malformed_is_refused_and_not_shown(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="Stripe setting") as refused:
            stripe_settings("https://api.stripe.com", **changes)

        assert str(next(iter(changes.values()))) not in str(refused.value)

    def test_tells_whose_money_it_is(self) -> None:
        assert StripeSettings(secret_key="sk_live_1").merchant_id == "stripe:live"
        assert StripeSettings(secret_key="rk_test_1").merchant_id == "stripe:test"

    async def test_that_is_wrong_is_told_to_a_person_and_shown_nowhere(
        self, stage: StripeStage
    ) -> None:
        settings = stripe_settings(f"{stage.simulated.base_url}/stripe", secret_key="sk_test_wrong")
        with capture_logs() as lines:
            async with StripePay(settings) as provider:
                with pytest.raises(ProviderUnreachable, match="authentication") as refused:
                    await provider.open(a_stripe_attempt())

        assert [line["event"] for line in lines] == ["payments.provider.misconfigured"]
        told = "".join(traceback.format_exception(refused.value)) + repr(lines) + repr(settings)
        assert "sk_test_wrong" not in told
        assert STRIPE_WEBHOOK_SECRET not in told

    def test_is_not_shown_by_the_sdk_either(self) -> None:
        look = "import providers.stripe.client, stripe._util as u; print(u._console_log_level())"

        told = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", look],
            env=os.environ | {"STRIPE_LOG": "debug"},
            capture_output=True,
            check=True,
            text=True,
        )

        assert told.stdout.strip() == "None"

    async def test_of_an_answer_is_not_behind_its_error(self) -> None:
        attempt = a_stripe_attempt()

        async def script(_: Sent) -> bytes:
            return an_intent(attempt, currency=5)

        async with WireServer(script) as server, StripePay(stripe_settings(server.url)) as provider:
            with pytest.raises(OutcomeUnknown) as caught:
                await provider.open(attempt)

        error: BaseException | None = caught.value
        while error is not None:
            assert "secret_canary" not in repr(error) + str(getattr(error, "http_body", ""))
            error = error.__cause__ or error.__context__


class TestEvidence:
    async def test_is_kept_of_every_answer_without_what_pays(self, stage: StripeStage) -> None:
        kept = Kept()
        settings = stripe_settings(f"{stage.simulated.base_url}/stripe")
        async with StripePay(settings, kept) as provider:
            intent, session = a_stripe_attempt(), a_stripe_attempt(channel=CHECKOUT)
            facts = []
            for attempt in (intent, session):
                opened = await provider.open(attempt)
                stage.pay(attempt.attempt_no)
                facts.append(await provider.query(attempt, opened))
            fact = facts[-1]
            assert isinstance(fact, PaymentSucceeded)
            refund = a_refund_of(session, provider_txn_id=fact.provider_txn_id)
            await provider.refund(refund)
            await provider.query_refund(refund)

        assert [(one.kind, one.source) for one in kept] == [
            (EvidenceKind.PAYMENT_INTENT, "open"),
            (EvidenceKind.PAYMENT_INTENT, "query"),
            (EvidenceKind.CHECKOUT_SESSION, "open"),
            (EvidenceKind.CHECKOUT_SESSION, "query"),
            (EvidenceKind.REFUND, "refund"),
            (EvidenceKind.REFUND, "query_refund"),
        ]
        told = json.dumps([one.body for one in kept])
        assert "receipt_url" in told
        for secret in ("_secret_", "payer@example.com", "Jenny Rosen", "4242", "/checkout/"):
            assert secret not in told
