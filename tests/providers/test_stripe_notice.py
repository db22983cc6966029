"""Stripe's events: who sent them, and what they say about money."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from contracts.facts import (
    AttemptClosedAtProvider,
    Fact,
    FactSource,
    PaymentDeclined,
    PaymentFailed,
    PaymentSucceeded,
    RefundMoved,
    RefundOutcome,
)
from contracts.money import Money
from contracts.states import RefundKind
from providers.provider import NoticeRefused, NoticeUnreadable, RefusalReason
from providers.stripe.adapter import StripePay
from tests.providers.merchant import Kept
from tests.providers.stripe_stage import stripe_settings

OLD, NEW = f"whsec_{secrets.token_hex(16)}", f"whsec_{secrets.token_hex(16)}"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NUMBER = "GABCDEFGHIJKLMNO01"


def the_adapter(*webhook_secrets: str, kept: Kept | None = None) -> StripePay:
    settings = stripe_settings("http://127.0.0.1:1", webhook_secrets=webhook_secrets)
    return StripePay(settings, kept if kept is not None else Kept())


def signed(body: bytes, *keys: str, at: datetime = NOW) -> dict[str, str]:
    """Sign as Stripe's own SDK does, with each of the keys."""
    stamp = int(at.timestamp())
    sign = stripe.WebhookSignature.generate_signature_header
    parts = [sign(body.decode(), key, stamp).partition(",")[2] for key in keys]
    return {"stripe-signature": ",".join([f"t={stamp}", *parts])}


def an_event(kind: str, thing: dict[str, Any], **changes: Any) -> bytes:  # noqa: ANN401
    event = {
        "id": "evt_1Canary",
        "object": "event",
        "type": kind,
        "created": int(NOW.timestamp()),
        "livemode": False,
        "data": {"object": thing},
    }
    return json.dumps(event | changes).encode()


def an_intent(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "livemode": False,
        "amount": 9900,
        "amount_received": 9900,
        "currency": "cny",
        "created": int(NOW.timestamp()) - 60,
        "metadata": {"attempt_no": NUMBER, "order_no": NUMBER[:16]},
        "client_secret": "pi_1_secret_Canary",
        "latest_charge": "ch_1",
        "receipt_email": "canary@example.com",
    } | changes


def a_session(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {
        "id": "cs_test_1",
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "livemode": False,
        "amount_total": 9900,
        "currency": "cny",
        "created": int(NOW.timestamp()) - 60,
        "metadata": {"attempt_no": NUMBER},
        "payment_intent": "pi_1",
        "url": "https://checkout.stripe.com/canary",
        "customer_details": {"email": "canary@example.com"},
    } | changes


def a_refund(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {
        "id": "re_1",
        "object": "refund",
        "amount": 4000,
        "currency": "cny",
        "status": "succeeded",
        "payment_intent": "pi_1",
        "metadata": {"refund_no": f"{NUMBER}R01", "attempt_no": NUMBER},
    } | changes


def a_dispute(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {
        "id": "du_1",
        "object": "dispute",
        "amount": 9900,
        "currency": "cny",
        "status": "needs_response",
        "payment_intent": "pi_1",
        "metadata": {},
    } | changes


def read(kind: str, thing: dict[str, Any], **changes: Any) -> list[Fact]:  # noqa: ANN401
    return the_adapter(NEW).read(an_event(kind, thing, **changes))


def refusal_of(adapter: StripePay, headers: dict[str, str], body: bytes) -> RefusalReason:
    with pytest.raises(NoticeRefused) as refused:
        adapter.verify(headers, body, NOW)
    return refused.value.reason


class TestASignature:
    body = an_event("payment_intent.succeeded", an_intent())

    def test_of_each_secret_that_is_known_is_good(self) -> None:
        adapter = the_adapter(NEW, OLD)

        by_new = adapter.verify(signed(self.body, NEW), self.body, NOW)
        by_old = adapter.verify(signed(self.body, OLD), self.body, NOW)

        assert by_new.event_id == by_old.event_id == "evt_1Canary"
        assert by_new.serial != by_old.serial
        assert NEW not in by_new.serial

    def test_among_several_is_found(self) -> None:
        headers = signed(self.body, NEW, OLD)

        assert the_adapter(OLD).verify(headers, self.body, NOW)
        assert the_adapter(NEW).verify(headers, self.body, NOW)

    def test_of_a_secret_that_was_taken_away_is_not(self) -> None:
        headers = signed(self.body, OLD)

        assert refusal_of(the_adapter(NEW), headers, self.body) is RefusalReason.BAD_SIGNATURE
        assert refusal_of(the_adapter(), headers, self.body) is RefusalReason.UNKNOWN_SERIAL

    @pytest.mark.parametrize("seconds", [-301, 301, -86400, 86400])
    def test_is_stale_either_way(self, seconds: int) -> None:
        adapter = the_adapter(NEW)
        headers = signed(self.body, NEW, at=NOW + timedelta(seconds=seconds))

        assert refusal_of(adapter, headers, self.body) is RefusalReason.STALE
        adapter.verify_stored(headers, self.body)

    @pytest.mark.parametrize("seconds", [-300, 0, 300])
    def test_is_fresh_for_five_minutes(self, seconds: int) -> None:
        headers = signed(self.body, NEW, at=NOW + timedelta(seconds=seconds))

        assert the_adapter(NEW).verify(headers, self.body, NOW)

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "t",
            ",,",
            "t=,v1=",
            "t=1,v1",
            "t=abc,v1=00",
            "t=1,t=2,v1=00",
            "t=-1,v1=00",
            "t=\u0661,v1=00",
            "t=" + "9" * 30 + ",v1=00",
            "v1=" + "0" * 64,
            f"t={int(NOW.timestamp())},v0=" + "0" * 64,
            f"t={int(NOW.timestamp())}" + ",v1=" * 17,
            "t=1," * 5000,
        ],
    )
    def test_that_is_malformed_is_refused(self, header: str | None) -> None:
        headers = {} if header is None else {"stripe-signature": header}

        assert refusal_of(the_adapter(NEW), headers, self.body) in {
            RefusalReason.MALFORMED,
            RefusalReason.STALE,
        }

    def test_is_over_the_raw_bytes(self) -> None:
        headers = signed(self.body, NEW)
        adapter = the_adapter(NEW)

        for altered in (self.body + b" ", self.body[:-1], b"", b"\xff" + self.body):
            assert refusal_of(adapter, headers, altered) is RefusalReason.BAD_SIGNATURE

    @pytest.mark.parametrize("body", ["[]", "{}", "null", '{"id":5}', '{"id":"evt_\\u0000"}', "["])
    def test_makes_even_the_unreadable_ours(self, body: str) -> None:
        adapter, raw = the_adapter(NEW), body.encode()

        verified = adapter.verify(signed(raw, NEW), raw, NOW)

        assert verified.event_id.startswith("sha256:")

    def test_of_what_is_too_long_is_not_looked_at(self) -> None:
        body = b"{}" + b" " * 300_000

        assert refusal_of(the_adapter(NEW), signed(body, NEW), body) is RefusalReason.MALFORMED


class TestAPayment:
    paid = PaymentSucceeded(
        provider="stripe",
        attempt_no=NUMBER,
        provider_txn_id="pi_1",
        paid=Money(amount_minor=9900, currency="CNY"),
        merchant_id="stripe:test",
        appid="stripe:test",
        paid_at=NOW,
        source=FactSource.NOTICE,
    )

    def test_is_told_by_its_intent_and_by_its_session_alike(self) -> None:
        assert read("payment_intent.succeeded", an_intent()) == [self.paid]
        assert read("checkout.session.completed", a_session()) == [self.paid]
        assert read("checkout.session.async_payment_succeeded", a_session()) == [self.paid]

    def test_that_is_only_promised_is_none(self) -> None:
        unpaid = a_session(payment_status="unpaid")

        assert read("checkout.session.completed", unpaid) == []
        assert read("payment_intent.processing", an_intent(status="processing")) == []

    def test_of_less_than_was_asked_for_is_told_as_it_was(self) -> None:
        (fact,) = read("payment_intent.succeeded", an_intent(amount_received=1))

        assert isinstance(fact, PaymentSucceeded)
        assert fact.paid.amount_minor == 1

    @pytest.mark.parametrize(
        ("changes", "merchant"),
        [
            ({"livemode": True}, "stripe:live"),
            ({"account": "acct_1"}, "stripe:test:acct_1"),
        ],
    )
    def test_of_somebody_else_carries_whose_it_is(
        self, changes: dict[str, Any], merchant: str
    ) -> None:
        (fact,) = read("payment_intent.succeeded", an_intent(), **changes)

        assert isinstance(fact, PaymentSucceeded)
        assert (fact.merchant_id, fact.appid) == (merchant, merchant)

    def test_of_something_else_on_the_account_says_nothing(self) -> None:
        assert read("payment_intent.succeeded", an_intent(metadata={})) == []
        assert read("checkout.session.completed", a_session(metadata=None)) == []

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            ({"code": "card_declined", "decline_code": "stolen_card"}, "stolen_card"),
            ({"code": "expired_card"}, "expired_card"),
            ({"code": "\u0000" * 99}, "declined"),
            ([], "declined"),
            (None, "declined"),
        ],
    )
    def test_that_failed_can_be_tried_again(self, error: object, code: str) -> None:
        thing = an_intent(
            status="requires_payment_method", amount_received=0, last_payment_error=error
        )

        assert read("payment_intent.payment_failed", thing) == [
            PaymentDeclined(provider="stripe", attempt_no=NUMBER, code=code)
        ]

    def test_that_came_to_nothing_later_is_over(self) -> None:
        told = read("checkout.session.async_payment_failed", a_session(payment_status="unpaid"))

        assert told == [
            PaymentFailed(provider="stripe", attempt_no=NUMBER, code="async_payment_failed")
        ]

    def test_that_was_ended_is_closed(self) -> None:
        closed = [AttemptClosedAtProvider(provider="stripe", attempt_no=NUMBER)]

        assert read("payment_intent.canceled", an_intent(status="canceled")) == closed
        assert read("checkout.session.expired", a_session(status="expired")) == closed

    @pytest.mark.parametrize("kind", ["payment_intent.canceled", "refund.updated"])
    def test_elsewhere_ends_nothing_of_ours(self, kind: str) -> None:
        thing = a_refund() if kind.startswith("refund") else an_intent(status="canceled")

        with pytest.raises(NoticeUnreadable, match="merchant"):
            read(kind, thing, livemode=True)


class TestARefund:
    moved = RefundMoved(
        provider="stripe",
        attempt_no=NUMBER,
        refund_no=f"{NUMBER}R01",
        provider_refund_id="re_1",
        refunded=Money(amount_minor=4000, currency="CNY"),
        outcome=RefundOutcome.SUCCESS,
        source=FactSource.NOTICE,
        provider_txn_id="pi_1",
    )

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("pending", RefundOutcome.PROCESSING),
            ("requires_action", RefundOutcome.ABNORMAL),
            ("succeeded", RefundOutcome.SUCCESS),
            ("failed", RefundOutcome.CLOSED),
            ("canceled", RefundOutcome.CLOSED),
        ],
    )
    def test_is_told_truthfully(self, status: str, outcome: RefundOutcome) -> None:
        for kind in ("refund.created", "refund.updated", "refund.failed"):
            (fact,) = read(kind, a_refund(status=status))
            assert isinstance(fact, RefundMoved)
            assert fact.outcome is outcome

    def test_of_ours_is_told_by_our_numbers(self) -> None:
        assert read("refund.updated", a_refund()) == [self.moved]

    @pytest.mark.parametrize("metadata", [{}, None, {"attempt_no": NUMBER}])
    def test_of_the_console_is_told_by_stripes(self, metadata: dict[str, str] | None) -> None:
        (fact,) = read("refund.created", a_refund(metadata=metadata))

        assert isinstance(fact, RefundMoved)
        assert (fact.attempt_no, fact.refund_no) == ("", "re_1")
        assert (fact.provider_txn_id, fact.kind) == ("pi_1", RefundKind.EXTERNAL)

    def test_in_a_status_that_nobody_knows_is_for_a_person(self) -> None:
        with pytest.raises(NoticeUnreadable, match="status"):
            read("refund.updated", a_refund(status="evaporated"))

    def test_is_not_told_twice(self) -> None:
        charge = {"id": "ch_1", "amount_refunded": 4000, "metadata": {}}

        assert read("charge.refunded", charge) == []


class TestADispute:
    @pytest.mark.parametrize(
        ("kind", "status", "outcome"),
        [
            ("created", "needs_response", RefundOutcome.PROCESSING),
            ("funds_withdrawn", "needs_response", RefundOutcome.PROCESSING),
            ("funds_withdrawn", "under_review", RefundOutcome.PROCESSING),
            ("funds_withdrawn", "lost", RefundOutcome.SUCCESS),
            ("funds_withdrawn", "won", RefundOutcome.CLOSED),
            ("funds_reinstated", "under_review", RefundOutcome.CLOSED),
            ("funds_reinstated", "won", RefundOutcome.CLOSED),
            ("closed", "lost", RefundOutcome.SUCCESS),
            ("closed", "won", RefundOutcome.CLOSED),
        ],
    )
    def test_is_money_that_goes_back(self, kind: str, status: str, outcome: RefundOutcome) -> None:
        (fact,) = read(f"charge.dispute.{kind}", a_dispute(status=status))

        assert isinstance(fact, RefundMoved)
        assert (fact.kind, fact.outcome) == (RefundKind.DISPUTE, outcome)
        assert (fact.attempt_no, fact.refund_no, fact.provider_txn_id) == ("", "du_1", "pi_1")

    def test_that_is_only_an_inquiry_moves_nothing(self) -> None:
        assert read("charge.dispute.created", a_dispute(status="warning_needs_response")) == []


class TestAnEvent:
    @pytest.mark.parametrize(
        "kind", ["customer.created", "charge.succeeded", "payment_intent.created", "", "\u0000"]
    )
    def test_of_another_type_says_nothing(self, kind: str) -> None:
        assert read(kind, {"id": 5}) == []

    def test_that_is_thin_says_nothing(self) -> None:
        thin = {"object": "v2.core.event", "created": "2026-11-21T12:00:00Z"}

        assert read("v1.billing.meter.error_report_triggered", {}, **thin) == []
        assert read("payment_intent.succeeded", an_intent(), **thin) == []

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xff\xfe",
            b"null",
            b"[]",
            b'{"type":5}',
            b"[" * 100_000,
            b'{"type":"a","type":"b"}',
            b'{"type":"payment_intent.succeeded"}',
            an_event("payment_intent.succeeded", an_intent(amount_received=-1)),
            an_event("payment_intent.succeeded", an_intent(amount_received=0)),
            an_event("payment_intent.succeeded", an_intent(amount_received=2**64)),
            an_event("payment_intent.succeeded", an_intent(amount_received="9900")),
            an_event("payment_intent.succeeded", an_intent(status="canceled")),
            an_event("payment_intent.succeeded", an_intent(currency="CNY\u0000")),
            an_event("payment_intent.succeeded", an_intent(metadata={"attempt_no": "a\u0000"})),
            an_event("payment_intent.succeeded", an_intent(), created=10**18),
            an_event("payment_intent.succeeded", an_intent(), created="now"),
            an_event("checkout.session.completed", a_session(payment_intent=None)),
            an_event("checkout.session.completed", a_session(amount_total=None)),
            an_event("charge.dispute.created", {"id": "du_1"}),
            an_event("checkout.session.completed", a_session(payment_intent="p" * 129)),
            an_event("payment_intent.succeeded", an_intent(id="p" * 129)),
            an_event("charge.refunded", {"id": [], "metadata": 5}),
            an_event("charge.refunded", {"id": "c" * 5000, "metadata": {"attempt_no": NUMBER}}),
            an_event("charge.refunded", {"id": "ch_1", "metadata": {"attempt_no": "G" * 5000}}),
            an_event("charge.refunded", {"id": "ch_1", "metadata": {"attempt_no": "G\0"}}),
        ],
    )
    def test_that_nobody_can_read_is_for_a_person(self, body: bytes) -> None:
        with pytest.raises(NoticeUnreadable):
            the_adapter(NEW).read(body)

    def test_is_kept_without_what_pays_or_tells_who_paid(self) -> None:
        kept = Kept()
        card = {"card": {"last4": "4242"}, "billing_details": {"name": "Canary"}}
        deep: dict[str, Any] = {}
        for _ in range(40):
            deep = {"deeper": deep}
        adapter = the_adapter(NEW, kept=kept)
        charge = {"id": "ch_1", "metadata": {"attempt_no": NUMBER}, "payment_method_details": card}

        adapter.read(
            an_event(
                "payment_intent.succeeded",
                an_intent(
                    latest_charge={"id": "ch_1", "created": 1} | card,
                    payment_method={"id": "pm_1"} | card,
                    last_payment_error={"payment_method": card},
                    description="Caf\u00e9\u0000",
                    deep=deep,
                ),
            )
        )
        adapter.read(an_event("checkout.session.completed", a_session()))
        adapter.read(an_event("charge.refunded", charge))
        adapter.read(an_event("refund.updated", a_refund()))

        assert [one.object_id for one in kept] == ["pi_1", "cs_test_1", "ch_1", "re_1"]
        assert {one.attempt_no for one in kept} == {NUMBER}
        told = json.dumps([one.body for one in kept])
        assert '"payment_method": "pm_1"' in told
        for secret in ("secret_Canary", "4242", "Canary", "canary", "\\u0000"):
            assert secret not in told

    def test_is_kept_with_why_a_payment_failed(self) -> None:
        kept = Kept()
        why = {"type": "card_error", "code": "card_declined", "decline_code": "x", "message": "No."}
        more = {"payment_method": {"card": {"last4": "4242"}}, "charge": "ch_1", "param": 5}

        the_adapter(NEW, kept=kept).read(
            an_event("payment_intent.payment_failed", an_intent(last_payment_error=why | more))
        )

        assert [one.body["last_payment_error"] for one in kept] == [why]

    def test_of_somebody_else_is_not_kept(self) -> None:
        kept = Kept()
        adapter = the_adapter(NEW, kept=kept)

        adapter.read(an_event("payment_intent.succeeded", an_intent(), livemode=True))
        adapter.read(an_event("payment_intent.succeeded", an_intent(metadata={})))

        assert kept == []
