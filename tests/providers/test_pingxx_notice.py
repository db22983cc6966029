"""What Ping++ tells unasked: whom to believe, for how long, and what it means."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.evidence import Evidence, EvidenceKind
from contracts.facts import FactSource, PaymentSucceeded, RefundMoved, RefundOutcome
from providers.provider import NoticeRefused, NoticeUnreadable, RefusalReason
from tests.providers.pingxx_merchant import (
    ATTEMPT_NO,
    CHARGE_ID,
    FOREIGN_KEY,
    KEY,
    NEXT_KEY,
    REFUND_ID,
    REFUND_NO,
    a_charge,
    a_refund_object,
    an_event,
    idle,
    keeping,
    settings,
    signed,
    yuan,
)
from tests.providers.signing import NOW, new_key, public_pem
from tests.sandbox.simulator import PINGXX_APP_ID

PROVIDER = idle()


def refusal(headers: dict[str, Any], body: Any, now: datetime = NOW) -> RefusalReason:  # noqa: ANN401
    with pytest.raises(NoticeRefused) as refused:
        PROVIDER.verify(headers, body, now)
    return refused.value.reason


class TestAGenuineNotice:
    def test_is_known_by_its_event_and_by_the_key_that_signed_it(self) -> None:
        body = an_event()

        first = PROVIDER.verify(signed(body), body, NOW)
        second = PROVIDER.verify(signed(body, NEXT_KEY), body, NOW)

        assert first.provider == "pingxx"
        assert first.event_id == second.event_id == "evt_400240816160755820469807"
        assert first.serial != second.serial

    def test_is_believed_as_long_as_it_may_still_be_sent_again(self) -> None:
        body = an_event()

        for age in (timedelta(hours=25), timedelta(hours=26), -timedelta(minutes=5)):
            PROVIDER.verify(signed(body), body, NOW + age)

    def test_that_is_stored_is_believed_at_any_age(self) -> None:
        body = an_event(created=1)

        PROVIDER.verify_stored(signed(body), body)
        with pytest.raises(NoticeRefused):
            PROVIDER.verify_stored(signed(body, FOREIGN_KEY), body)

    def test_no_longer_holds_once_its_key_is_gone(self) -> None:
        body = an_event()
        later = idle(webhook_public_keys_pem=(public_pem(NEXT_KEY),))

        with pytest.raises(NoticeRefused):
            later.verify_stored(signed(body), body)
        later.verify_stored(signed(body, NEXT_KEY), body)

    @pytest.mark.parametrize("body", [b"", b"nothing", b"[" * 5000, b'{"id": 7}', b"\xff\x00"])
    def test_that_cannot_be_read_is_kept_under_its_hash(self, body: bytes) -> None:
        verified = PROVIDER.verify(signed(body), body, NOW)

        assert verified.event_id.startswith("sha256:")
        with pytest.raises(NoticeUnreadable):
            PROVIDER.read(body)


class TestANoticeThatProvesNothing:
    @pytest.mark.parametrize("changed", [b" ", b"\n", b"}"])
    def test_has_a_body_changed_on_the_way(self, changed: bytes) -> None:
        body = an_event()

        assert refusal(signed(body), body + changed) is RefusalReason.BAD_SIGNATURE

    def test_was_written_anew(self) -> None:
        body = an_event()
        anew = json.dumps(json.loads(body), separators=(",", ":")).encode()

        assert refusal(signed(body), anew) is RefusalReason.BAD_SIGNATURE

    def test_is_signed_by_somebody_else(self) -> None:
        body = an_event()

        assert refusal(signed(body, FOREIGN_KEY), body) is RefusalReason.BAD_SIGNATURE

    @pytest.mark.parametrize(
        "header",
        [None, "", " ", "a b", "é", "=", "====", "A" * 2000, "AAA", "\x00", b"AAAA", 7],
    )
    def test_has_no_header_in_the_form_of_one(self, header: object) -> None:
        given = {} if header is None else {"x-pingplusplus-signature": header}

        refused = refusal(given, an_event())

        assert refused in {RefusalReason.MALFORMED, RefusalReason.BAD_SIGNATURE}

    @pytest.mark.parametrize("seconds", [26 * 3600 + 1, 365 * 86_400, -301, -86_400])
    def test_is_not_of_now_though_validly_signed(self, seconds: int) -> None:
        body = an_event()

        assert refusal(signed(body), body, NOW + timedelta(seconds=seconds)) is RefusalReason.STALE

    def test_is_longer_than_any(self) -> None:
        body = an_event() + b" " * 65_536

        assert refusal(signed(body), body) is RefusalReason.MALFORMED
        assert refusal(signed(b""), "text") is RefusalReason.MALFORMED


class TestAKey:
    @pytest.mark.parametrize("bits", [1024])
    def test_too_short_to_trust_is_refused(self, bits: int) -> None:
        with pytest.raises(ValueError, match="webhook_public_key"):
            idle(webhook_public_keys_pem=(public_pem(new_key(bits)),))

    def test_that_is_none_is_refused_and_not_shown(self) -> None:
        for changes in (
            {"webhook_public_keys_pem": ("canary",)},
            {"private_key_pem": "canary"},
            {"private_key_pem": public_pem(KEY)},
        ):
            with pytest.raises(ValueError, match="Ping") as refused:
                idle(**changes)
            assert "canary" not in str(refused.value)


class TestSettings:
    @pytest.mark.parametrize(
        "changes",
        [
            {"secret_key": "canary"},
            {"secret_key": "sk_test_"},
            {"app_id": "canary"},
            {"webhook_public_keys_pem": ()},
            {"gateway": "http://api.pingxx.com"},
            {"timeout_seconds": 0.0},
            {"open_window_seconds": 0.0},
        ],
    )
    def test_that_are_malformed_are_refused_by_name(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(changes))) as refused:
            settings(**changes)

        assert "canary" not in str(refused.value)

    def test_say_nothing_secret(self) -> None:
        shown = repr(settings())

        assert PINGXX_APP_ID in shown
        assert "sk_" not in shown
        assert "PRIVATE" not in shown


class TestAPayment:
    def test_says_what_was_paid(self) -> None:
        assert PROVIDER.read(an_event()) == [
            PaymentSucceeded(
                provider="pingxx",
                attempt_no=ATTEMPT_NO,
                provider_txn_id=CHARGE_ID,
                paid=yuan(9900),
                merchant_id=PINGXX_APP_ID,
                appid=PINGXX_APP_ID,
                paid_at=NOW,
                source=FactSource.NOTICE,
            )
        ]

    def test_that_names_no_time_was_paid_when_its_event_was_made(self) -> None:
        (fact,) = PROVIDER.read(an_event(a_charge(time_paid=None)))

        assert isinstance(fact, PaymentSucceeded)
        assert fact.paid_at == NOW.astimezone(UTC)

    @pytest.mark.parametrize("app", ["app_Somebodys", {"id": "app_Somebodys", "object": "app"}])
    def test_of_another_app_says_so(self, app: object) -> None:
        (fact,) = PROVIDER.read(an_event(a_charge(app=app)))

        assert isinstance(fact, PaymentSucceeded)
        assert (fact.merchant_id, fact.appid) == ("app_Somebodys", "app_Somebodys")

    @pytest.mark.parametrize(
        ("key", "livemode", "merchant_id"),
        [
            ("sk_live_canary", True, PINGXX_APP_ID),
            ("sk_live_canary", False, f"{PINGXX_APP_ID}:test"),
            ("sk_test_canary", False, PINGXX_APP_ID),
            ("sk_test_canary", True, f"{PINGXX_APP_ID}:live"),
        ],
    )
    def test_of_play_money_beside_a_live_key_is_somebody_elses(
        self, *, key: str, livemode: bool, merchant_id: str
    ) -> None:
        body = an_event(a_charge(livemode=livemode), livemode=livemode)

        (fact,) = idle(secret_key=key).read(body)

        assert isinstance(fact, PaymentSucceeded)
        assert (fact.merchant_id, fact.appid) == (merchant_id, PINGXX_APP_ID)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"paid": False}, "not_paid"),
            ({"reversed": True}, "not_paid"),
            ({"livemode": True}, "livemode"),
            ({"paid": "true"}, "charge"),
            ({"amount": 99.5}, "charge"),
            ({"amount": 0}, "charge"),
            ({"amount": True}, "charge"),
            ({"amount": 10**30}, "charge"),
            ({"currency": "CNY"}, "charge"),
            ({"id": "ch_1\n"}, "charge"),
            ({"id": "re_1"}, "charge"),
            ({"order_no": "a\x00b"}, "charge"),
            ({"time_paid": 10**15}, "charge"),
            ({"object": "refund"}, "charge"),
            ({"app": None}, "charge"),
        ],
    )
    def test_that_makes_no_sense_is_kept_for_a_person(
        self, changes: dict[str, object], reason: str
    ) -> None:
        with pytest.raises(NoticeUnreadable) as unreadable:
            PROVIDER.read(an_event(a_charge(**changes)))

        assert unreadable.value.reason == reason

    def test_that_says_two_things_of_one_is_kept_for_a_person(self) -> None:
        twice = an_event().replace(b'"amount": 9900,', b'"amount": 1, "amount": 9900,')

        with pytest.raises(NoticeUnreadable, match="duplicate_key"):
            PROVIDER.read(twice)


class TestARefund:
    def moved(self, told: dict[str, Any]) -> RefundMoved:
        (fact,) = PROVIDER.read(an_event(told, kind="refund.succeeded"))
        assert isinstance(fact, RefundMoved)
        return fact

    def test_of_ours_is_known_by_our_number(self) -> None:
        assert self.moved(a_refund_object()) == RefundMoved(
            provider="pingxx",
            attempt_no=ATTEMPT_NO,
            refund_no=REFUND_NO,
            provider_refund_id=REFUND_ID,
            refunded=yuan(9900),
            outcome=RefundOutcome.SUCCESS,
            source=FactSource.NOTICE,
            provider_txn_id=CHARGE_ID,
        )

    @pytest.mark.parametrize("metadata", [{}, [], None, {"refund_no": 7}, {"refund_no": "a b"}])
    def test_of_the_console_is_known_by_their_number(self, metadata: object) -> None:
        fact = self.moved(a_refund_object(metadata=metadata, amount=1))

        assert (fact.refund_no, fact.attempt_no) == (REFUND_ID, ATTEMPT_NO)
        assert fact.refunded == yuan(1)

    @pytest.mark.parametrize(
        ("changes", "livemode", "reason"),
        [
            ({"status": "pending"}, False, "not_refunded"),
            ({"status": "whatever"}, False, "refund"),
            ({"charge": "ch_../.."}, False, "refund"),
            ({}, True, "livemode"),
        ],
    )
    def test_that_makes_no_sense_is_kept_for_a_person(
        self, *, changes: dict[str, object], livemode: bool, reason: str
    ) -> None:
        body = an_event(a_refund_object(**changes), kind="refund.succeeded", livemode=livemode)

        with pytest.raises(NoticeUnreadable, match=reason):
            PROVIDER.read(body)


class TestAnEventOfNoMoney:
    @pytest.mark.parametrize("kind", ["account.summary.available", "transfer.succeeded", ""])
    def test_says_nothing(self, kind: str) -> None:
        assert PROVIDER.read(an_event({"whatever": 1}, kind=kind)) == []


class TestWhatIsKept:
    def test_tells_all_but_who_paid_and_what_pays(self) -> None:
        kept: list[Evidence] = []
        told = a_charge(
            credential={"wx_pub": {"paySign": "canary"}},
            subject="a\x00b",
            metadata={"attempt_no": ATTEMPT_NO, "phone": "canary"},
            something_new="canary",
        )

        idle(keeping(kept)).read(an_event(told))

        (evidence,) = kept
        assert (evidence.kind, evidence.source) == (EvidenceKind.CHARGE, "notice")
        assert (evidence.attempt_no, evidence.object_id) == (ATTEMPT_NO, CHARGE_ID)
        assert evidence.body["extra"] == {"product_id": ATTEMPT_NO, "bank_type": "OTHERS"}
        assert evidence.body["subject"] == "ab"
        shown = json.dumps(evidence.body)
        assert "canary" not in shown.lower()

    def test_has_a_refund_too(self) -> None:
        kept: list[Evidence] = []

        idle(keeping(kept)).read(an_event(a_refund_object(), kind="refund.succeeded"))

        (evidence,) = kept
        assert (evidence.kind, evidence.object_id) == (EvidenceKind.REFUND, REFUND_ID)
        assert evidence.body["metadata"] == {"refund_no": REFUND_NO, "attempt_no": ATTEMPT_NO}
