"""Notices: what is let in, what is understood, and that nothing else ever happens."""

import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.facts import FactSource, PaymentSucceeded, RefundMoved, RefundOutcome
from contracts.money import Money
from providers.provider import NoticeRefused, NoticeUnreadable, RefusalReason
from providers.wechat.certificates import read_certificates
from providers.wechat.gateway import public_key
from providers.wechat.notice import read_notice, verify_notice
from providers.wechat.sealed import SealBroken, Sealed, open_sealed
from providers.wechat.signature import KeyRing
from tests.providers.signing import (
    API_V3_KEY,
    NOW,
    Platform,
    a_refund,
    a_transaction,
    an_envelope,
    certificate_of,
    new_key,
    seal,
)

_FILE = Path(__file__).parents[1] / "vectors" / "wechat_notices.json"
_ALL: list[dict[str, Any]] = json.loads(_FILE.read_text())["vectors"]
PLATFORM = Platform()
RING = KeyRing({PLATFORM.serial: PLATFORM.key.public_key()})


def vectors(category: str) -> list[Any]:
    return [pytest.param(v, id=v["name"]) for v in _ALL if v["category"] == category]


def refusal(headers: dict[str, Any], body: object, now: datetime = NOW) -> RefusalReason:
    with pytest.raises(NoticeRefused) as caught:
        verify_notice(RING, headers, cast("bytes", body), now)
    return caught.value.reason


def unreadable(body: bytes) -> str:
    with pytest.raises(NoticeUnreadable) as caught:
        read_notice(body, API_V3_KEY)
    return caught.value.reason


class TestThePublishedVectors:
    @pytest.mark.parametrize("vector", vectors("notification"))
    def test_come_out_as_their_publishers_say(self, vector: dict[str, Any]) -> None:
        inputs, expected = vector["inputs"], vector["expected"]
        headers = {name.lower(): value for name, value in inputs["headers"].items()}
        serial = inputs.get("platform_public_key_id") or headers["wechatpay-serial"]
        ring = KeyRing({serial: public_key(inputs["platform_public_key_pem"])})
        now = datetime.fromtimestamp(inputs["fake_now_unix"], UTC)
        body = inputs["body"].encode()
        wants_entry = expected.get("accept", expected["signature_valid"])

        if wants_entry or vector["name"] == "wrong-aead-tag":
            notice = verify_notice(ring, headers, body, now)
            assert notice.event_id == json.loads(body)["id"]
        else:
            with pytest.raises(NoticeRefused):
                verify_notice(ring, headers, body, now)

        if len(inputs.get("apiv3_key", "")) == 32:
            self.read_as_expected(vector)

    def read_as_expected(self, vector: dict[str, Any]) -> None:
        body, key = vector["inputs"]["body"].encode(), vector["inputs"]["apiv3_key"]
        if vector["name"] == "wrong-aead-tag":
            with pytest.raises(NoticeUnreadable, match=r"\Aseal\Z"):
                read_notice(body, key)
        elif "plaintext" in vector["expected"]:
            said = json.loads(vector["expected"]["plaintext"])
            (fact,) = read_notice(body, key)
            assert isinstance(fact, PaymentSucceeded | RefundMoved)
            assert fact.attempt_no == said["out_trade_no"]

    @pytest.mark.parametrize("vector", vectors("aead"))
    def test_open_or_break_as_their_publishers_say(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        sealed = Sealed(
            algorithm="AEAD_AES_256_GCM",
            ciphertext=inputs["ciphertext_b64"],
            nonce=inputs["nonce"],
            associated_data=inputs["associated_data"],
        )
        if "plaintext" in vector["expected"]:
            opened = open_sealed(sealed, inputs["key"])
            assert opened == vector["expected"]["plaintext"].encode()
        else:
            with pytest.raises(SealBroken):
                open_sealed(sealed, inputs["key"])

    @pytest.mark.parametrize("vector", vectors("certificates"))
    def test_give_the_certificate_of_their_publishers(self, vector: dict[str, Any]) -> None:
        published = load_pem_x509_certificate(vector["expected"]["certificate_pem"].encode())
        when = published.not_valid_before_utc + timedelta(days=1)

        keys = read_certificates(
            vector["inputs"]["response_body"].encode(), vector["inputs"]["apiv3_key"], when
        )

        assert keys == {vector["expected"]["serial_no"]: published.public_key()}


class TestAGenuineNotice:
    def test_of_a_payment_becomes_the_payment(self) -> None:
        body = an_envelope(a_transaction())

        notice = verify_notice(RING, PLATFORM.headers(body, now=NOW), body, NOW)

        assert notice.event_id == "3119dfba-e649-5eec-ab1e-3412bc4d2e17"
        assert notice.serial == PLATFORM.serial
        assert read_notice(body, API_V3_KEY) == [
            PaymentSucceeded(
                provider="wechat",
                attempt_no="G0123456789ABCDE01",
                provider_txn_id="4200000000202611210000000001",
                paid=Money(amount_minor=9900, currency="CNY"),
                merchant_id="1900000001",
                appid="wx0000000000000001",
                paid_at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
                source=FactSource.NOTICE,
            )
        ]

    def test_of_a_partly_refunded_payment_is_still_a_payment(self) -> None:
        facts = read_notice(an_envelope(a_transaction(trade_state="REFUND")), API_V3_KEY)

        assert isinstance(facts[0], PaymentSucceeded)

    @pytest.mark.parametrize("outcome", ["SUCCESS", "ABNORMAL", "CLOSED"])
    def test_of_a_refund_becomes_its_outcome(self, outcome: str) -> None:
        body = an_envelope(a_refund(refund_status=outcome), event=f"REFUND.{outcome}")

        assert read_notice(body, API_V3_KEY) == [
            RefundMoved(
                provider="wechat",
                attempt_no="G0123456789ABCDE01",
                refund_no="G0123456789ABCDE01R01",
                provider_refund_id="50000000382019052709732678859",
                refunded=Money(amount_minor=9900, currency="CNY"),
                outcome=RefundOutcome(outcome),
                source=FactSource.NOTICE,
            )
        ]

    @pytest.mark.parametrize(
        "event", ["SECURITY_ECHO.SUCCESS", "PAYSCORE.USER_PAID", "REFUND.PROCESSING", ""]
    )
    def test_of_anything_else_says_nothing(self, event: str) -> None:
        assert read_notice(an_envelope(b"not even JSON", event=event), API_V3_KEY) == []

    def test_carries_what_it_said_and_leaves_the_judging_to_the_order(self) -> None:
        strange = a_transaction(mchid="1", appid="wxother", amount={"total": 1, "currency": "USD"})

        (fact,) = read_notice(an_envelope(strange), API_V3_KEY)

        assert isinstance(fact, PaymentSucceeded)
        assert (fact.merchant_id, fact.appid) == ("1", "wxother")
        assert fact.paid == Money(amount_minor=1, currency="USD")

    @pytest.mark.parametrize("age", [-300, -1, 0, 299, 300])
    def test_is_taken_within_five_minutes_either_way(self, age: int) -> None:
        body = an_envelope(a_transaction())
        headers = PLATFORM.headers(body, now=NOW - timedelta(seconds=age))

        assert verify_notice(RING, headers, body, NOW).serial == PLATFORM.serial

    def test_needs_no_signature_type(self) -> None:
        body = an_envelope(a_transaction())
        headers = PLATFORM.headers(body, now=NOW)
        del headers["wechatpay-signature-type"]

        assert verify_notice(RING, headers, body, NOW).serial == PLATFORM.serial

    def test_can_be_checked_again_years_later(self) -> None:
        body = an_envelope(a_transaction())
        headers = PLATFORM.headers(body, now=NOW - timedelta(days=700))

        assert verify_notice(RING, headers, body, None).serial == PLATFORM.serial
        with pytest.raises(NoticeRefused):
            verify_notice(RING, headers, body + b" ", None)

    def test_may_be_signed_by_the_certificate_or_the_public_key(self) -> None:
        certificate = certificate_of(new_key(), serial=0x0A1B2C3D4E)
        by_certificate, body = Platform("A1B2C3D4E"), an_envelope(a_transaction())
        ring = KeyRing({PLATFORM.serial: PLATFORM.key.public_key()})
        ring.add({f"{certificate.serial_number:X}": by_certificate.key.public_key()})

        for platform, serial in ((PLATFORM, PLATFORM.serial), (by_certificate, "0a1b2c3d4e")):
            headers = platform.headers(body, now=NOW) | {"wechatpay-serial": serial}
            assert verify_notice(ring, headers, body, NOW).serial == serial

    @pytest.mark.parametrize(
        "body",
        [b"", b"<xml/>", b"\xff\xfe", b'{"id":7}', b'{"id":"%b"}' % (b"x" * 65), b"[" * 999],
    )
    def test_without_a_usable_id_is_known_by_its_hash(self, body: bytes) -> None:
        notice = verify_notice(RING, PLATFORM.headers(body, now=NOW), body, NOW)

        assert notice.event_id.startswith("sha256:")
        assert len(notice.event_id) == len("sha256:") + 64


class TestANoticeThatProvesNothing:
    """Each is answered 401 and stored nowhere."""

    BODY = an_envelope(a_transaction())

    def with_header(self, name: str, value: object) -> dict[str, Any]:
        return cast("dict[str, Any]", PLATFORM.headers(self.BODY, now=NOW)) | {name: value}

    @pytest.mark.parametrize(
        "name",
        ["wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial"],
    )
    @pytest.mark.parametrize(
        "value", [None, "", "\u00e9", "x" * 5000, 7, b"bytes", ["a"], "a\r\nb", "\x00", "a b"]
    )
    def test_has_a_malformed_header(self, name: str, value: object) -> None:
        assert refusal(self.with_header(name, value), self.BODY) is RefusalReason.MALFORMED

    @pytest.mark.parametrize(
        "timestamp", ["abc", "-1", "1e9", "\uff11\uff17", "1" * 13, "17.5", "+17"]
    )
    def test_has_no_timestamp_in_digits(self, timestamp: str) -> None:
        headers = PLATFORM.headers(self.BODY, timestamp=timestamp)

        assert refusal(headers, self.BODY) is RefusalReason.MALFORMED

    def test_has_no_headers_at_all(self) -> None:
        assert refusal({}, self.BODY) is RefusalReason.MALFORMED

    @pytest.mark.parametrize("kind", ["", "WECHATPAY2-SM2-WITH-SM3", None, 1])
    def test_names_another_signature_type(self, kind: object) -> None:
        headers = self.with_header("wechatpay-signature-type", kind)

        assert refusal(headers, self.BODY) is RefusalReason.MALFORMED

    def test_is_a_probe(self) -> None:
        headers = self.with_header("wechatpay-signature", "WECHATPAY/SIGNTEST/abcd")

        assert refusal(headers, self.BODY) is RefusalReason.SIGNTEST

    @pytest.mark.parametrize("age", [301, 86_400, -301, -9_999_999])
    def test_is_not_of_now_though_validly_signed(self, age: int) -> None:
        headers = PLATFORM.headers(self.BODY, now=NOW - timedelta(seconds=age))

        assert refusal(headers, self.BODY) is RefusalReason.STALE

    def test_is_signed_under_a_serial_we_do_not_hold(self) -> None:
        stranger = Platform("ABCDEF0123")

        headers = stranger.headers(self.BODY, now=NOW)

        assert refusal(headers, self.BODY) is RefusalReason.UNKNOWN_SERIAL

    def test_borrows_our_serial_for_another_key(self) -> None:
        headers = Platform(PLATFORM.serial).headers(self.BODY, now=NOW)

        assert refusal(headers, self.BODY) is RefusalReason.BAD_SIGNATURE

    @pytest.mark.parametrize("signature", ["AAAA", "====", "not-base64!", "A" * 344])
    def test_has_a_signature_of_something_else(self, signature: str) -> None:
        headers = self.with_header("wechatpay-signature", signature)

        assert refusal(headers, self.BODY) is RefusalReason.BAD_SIGNATURE

    @pytest.mark.parametrize(
        "alter",
        [
            lambda body: body + b"\n",
            lambda body: body.replace(b'{"id"', b'{ "id"', 1),
            lambda body: b"\xef\xbb\xbf" + body,
            lambda body: json.dumps(json.loads(body)).encode(),
            lambda body: body.replace(b": ", b":\r\n"),
            lambda _: b"",
        ],
        ids=["line", "space", "bom", "re-encoded", "crlf", "empty"],
    )
    def test_has_a_body_changed_on_the_way(self, alter: Callable[[bytes], bytes]) -> None:
        headers = PLATFORM.headers(self.BODY, now=NOW)

        assert refusal(headers, alter(self.BODY)) is RefusalReason.BAD_SIGNATURE

    @pytest.mark.parametrize("name", ["wechatpay-timestamp", "wechatpay-nonce"])
    def test_has_a_header_changed_on_the_way(self, name: str) -> None:
        headers = self.with_header(name, str(int(NOW.timestamp()) - 7))

        assert refusal(headers, self.BODY) is RefusalReason.BAD_SIGNATURE

    def test_is_larger_than_any_genuine_one(self) -> None:
        body = b"x" * (64 * 1024 + 1)

        assert refusal(PLATFORM.headers(body, now=NOW), body) is RefusalReason.MALFORMED

    @pytest.mark.parametrize("body", [None, "text", 7])
    def test_has_a_body_that_is_not_bytes(self, body: object) -> None:
        headers = PLATFORM.headers(self.BODY, now=NOW)

        assert refusal(headers, body) is RefusalReason.MALFORMED

    def test_is_answered_without_a_cause_that_could_leak(self) -> None:
        with pytest.raises(NoticeRefused) as caught:
            verify_notice(RING, self.with_header("wechatpay-signature", "AAAA"), self.BODY, NOW)

        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        assert str(caught.value) == "bad_signature"


def _sealed(**changes: object) -> dict[str, Any]:
    return seal(json.dumps(a_transaction()).encode()) | changes


class TestAGenuineNoticeThatCannotBeRead:
    """Each is stored and shown to a person."""

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "envelope"),
            (b"\xff\xfe", "envelope"),
            (b"<xml><return_code>SUCCESS</return_code></xml>", "envelope"),
            (b"null", "envelope"),
            (b"[]", "envelope"),
            (b"[" * 60_000, "envelope"),
            (b'{"event_type":' * 5_000, "envelope"),
            (b'{"event_type":' + b"9" * 5_000 + b"}", "envelope"),
            (b'{"event_type":NaN}', "envelope"),
            (b'{"event_type":"TRANSACTION.SUCCESS","event_type":"OTHER"}', "duplicate_key"),
            (b'{"event_type":"OTHER","x":{"y":1,"y":1}}', "duplicate_key"),
            (an_envelope(a_transaction(), resource_type="plain"), "resource_type"),
            (an_envelope(a_transaction(), resource=None), "resource"),
            (an_envelope(a_transaction(), resource=[]), "resource"),
            (an_envelope(a_transaction(), resource="text"), "resource"),
            (an_envelope(a_transaction(), resource=_sealed(nonce=123456789012)), "resource"),
            (an_envelope(a_transaction(), resource=_sealed(nonce="short")), "nonce"),
            (an_envelope(a_transaction(), resource=_sealed(nonce="é" * 12)), "nonce"),
            (an_envelope(a_transaction(), resource=_sealed(nonce="wrong-nonce!")), "seal"),
            (an_envelope(a_transaction(), resource=_sealed(algorithm="AES_CBC")), "algorithm"),
            (an_envelope(a_transaction(), resource=_sealed(ciphertext="")), "seal"),
            (an_envelope(a_transaction(), resource=_sealed(ciphertext="AAAA")), "seal"),
            (an_envelope(a_transaction(), resource=_sealed(ciphertext="not base64")), "seal"),
            (an_envelope(a_transaction(), resource=_sealed(associated_data="refund")), "seal"),
            (an_envelope(b""), "plaintext"),
            (an_envelope(b"not JSON"), "plaintext"),
            (an_envelope(b"[" * 40_000), "plaintext"),
            (an_envelope(b'{"mchid":"1","mchid":"2"}'), "duplicate_key"),
        ],
        # Bodies hold random nonces, and every worker must find the same tests.
        ids=lambda value: value if isinstance(value, str) else "body",
    )
    def test_says_why(self, body: bytes, reason: str) -> None:
        assert unreadable(body) == reason

    def test_was_sealed_with_another_key(self) -> None:
        other = seal(json.dumps(a_transaction()).encode(), key="another key of thirty-two bytes!")

        assert unreadable(an_envelope(b"", resource=other)) == "seal"

    @pytest.mark.parametrize("state", ["NOTPAY", "CLOSED", "ACCEPT", "success", "", "PAID"])
    def test_calls_a_success_what_is_none(self, state: str) -> None:
        assert unreadable(an_envelope(a_transaction(trade_state=state))) == "trade_state"

    def test_calls_a_refund_by_two_names(self) -> None:
        body = an_envelope(a_refund(refund_status="CLOSED"), event="REFUND.SUCCESS")

        assert unreadable(body) == "refund_status"

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": {"total": 99.0}},
            {"amount": {"total": "9900"}},
            {"amount": {"total": True}},
            {"amount": {"total": 0}},
            {"amount": {"total": -9900}},
            {"amount": {"total": 2**53}},
            {"amount": {"total": 2**70}},
            {"amount": {"currency": "CNY"}},
            {"amount": {"total": 1, "currency": "¥"}},
            {"amount": None},
            {"out_trade_no": ""},
            {"out_trade_no": "A\x00B"},
            {"out_trade_no": "ABC\n"},
            {"out_trade_no": "../../refunds"},
            {"out_trade_no": "\ud800"},
            {"out_trade_no": 17},
            {"transaction_id": "x" * 65},
            {"transaction_id": None},
            {"success_time": "2026-11-21T20:00:00"},
            {"success_time": "yesterday"},
            {"success_time": "9999-12-31T23:59:59-12:00"},
            {"success_time": 1_700_000_000},
            {"mchid": ""},
            {"appid": None},
        ],
    )
    def test_holds_a_value_no_payment_can_have(self, changes: dict[str, object]) -> None:
        assert unreadable(an_envelope(a_transaction(**changes))) == "plaintext"

    @pytest.mark.parametrize(
        "changes",
        [
            {"refund_status": "PARTIAL"},
            {"refund_id": None},
            {"out_refund_no": ""},
            {"amount": {"refund": 0}},
        ],
    )
    def test_holds_a_value_no_refund_can_have(self, changes: dict[str, object]) -> None:
        assert unreadable(an_envelope(a_refund(**changes), event="REFUND.SUCCESS")) == "plaintext"

    @pytest.mark.parametrize(
        "body",
        [
            an_envelope(a_transaction(trade_state="oCanaryOpenid")),
            an_envelope(a_transaction(success_time="oCanaryOpenid")),
            an_envelope(a_refund(refund_status="oCanaryOpenid"), event="REFUND.SUCCESS"),
        ],
        ids=["state", "time", "refund"],
    )
    def test_never_repeats_what_it_said(self, body: bytes) -> None:
        with pytest.raises(NoticeUnreadable) as caught:
            read_notice(body, API_V3_KEY)

        # Without the lines of this file, which name the secret themselves.
        told = [line for line in traceback.format_exception(caught.value) if __file__ not in line]
        assert "Canary" not in "".join(told)


_NAMES = st.sampled_from(sorted(PLATFORM.headers(b"")))
_VALUES = st.one_of(st.text(max_size=80), st.binary(max_size=20), st.integers(), st.none())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


class TestWhateverIsSent:
    @given(headers=st.dictionaries(_NAMES, _VALUES), body=st.binary(max_size=200))
    @settings(max_examples=300, deadline=None)
    def test_is_refused_in_good_order(self, headers: dict[str, Any], body: bytes) -> None:
        refusal(headers, body)

    @given(name=_NAMES, value=_VALUES, body=st.binary(max_size=50))
    @settings(max_examples=200, deadline=None)
    def test_with_one_strange_header_is_refused(
        self, name: str, value: object, body: bytes
    ) -> None:
        headers = cast("dict[str, Any]", PLATFORM.headers(body, now=NOW)) | {name: value}

        refusal(headers, body)

    @given(body=st.binary(max_size=300))
    @settings(max_examples=200, deadline=None)
    def test_and_signed_is_stored(self, body: bytes) -> None:
        notice = verify_notice(RING, PLATFORM.headers(body, now=NOW), body, NOW)

        assert 1 <= len(notice.event_id) <= 71

    @given(content=_JSON, event=st.sampled_from(["TRANSACTION.SUCCESS", "REFUND.CLOSED", "X"]))
    @settings(max_examples=300, deadline=None)
    def test_is_read_or_put_aside(self, content: object, event: str) -> None:
        body = an_envelope(json.dumps(content).encode(), event=event)
        try:
            facts = read_notice(body, API_V3_KEY)
        except NoticeUnreadable:
            return
        assert facts == []

    @given(name=st.sampled_from(sorted(a_transaction())), value=_JSON)
    @settings(max_examples=300, deadline=None)
    def test_with_one_strange_field_is_read_or_put_aside(self, name: str, value: object) -> None:
        body = an_envelope(json.dumps(a_transaction(**{name: value})).encode())
        try:
            (fact,) = read_notice(body, API_V3_KEY)
        except NoticeUnreadable:
            return
        assert isinstance(fact, PaymentSucceeded)


class TestAKeyRing:
    def test_refuses_a_key_too_short_to_trust(self) -> None:
        with pytest.raises(ValueError, match="2048"):
            KeyRing({"AB": new_key(1024).public_key()})

    def test_keeps_the_old_keys_when_new_ones_come(self) -> None:
        ring, key = KeyRing({"AB": PLATFORM.key.public_key()}), new_key().public_key()

        ring.add({"CD": key})

        assert isinstance(ring.find("ab"), RSAPublicKey)
        assert ring.find("00cd") is key
        assert ring.find("EF") is None
