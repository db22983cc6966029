"""What Alipay's notices must prove, and what is made of them."""

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest

from contracts.facts import (
    AttemptClosedAtProvider,
    FactSource,
    PaymentSucceeded,
    RefundSpotted,
)
from contracts.money import Money
from providers.alipay.adapter import Alipay
from providers.provider import NoticeRefused, NoticeUnreadable, RefusalReason
from tests.providers.alipay_signing import (
    ALIPAY_KEY,
    ATTEMPT_NO,
    FOREIGN_KEY,
    NEXT_KEY,
    PAYER,
    TRADE_NO,
    Kept,
    a_notice,
    and_also,
    china,
    settings,
)
from tests.providers.signing import NOW, public_pem
from tests.sandbox.simulator import ALIPAY_APP_ID, ALIPAY_SELLER_ID

PROVIDER = Alipay(settings())
PAID = PaymentSucceeded(
    provider="alipay",
    attempt_no=ATTEMPT_NO,
    provider_txn_id=TRADE_NO,
    paid=Money(amount_minor=9900, currency="CNY"),
    merchant_id=ALIPAY_SELLER_ID,
    appid=ALIPAY_APP_ID,
    paid_at=NOW - timedelta(seconds=1),
    source=FactSource.NOTICE,
)


def refusal_of(body: bytes, now: datetime = NOW) -> RefusalReason:
    with pytest.raises(NoticeRefused) as refused:
        PROVIDER.verify({}, body, now)
    return refused.value.reason


class TestASignature:
    def test_is_believed_and_names_its_notice(self) -> None:
        verified = PROVIDER.verify({}, a_notice(), NOW)

        assert verified.provider == "alipay"
        assert verified.event_id == "2026112100222155624068450559358070"

    def test_may_cover_the_kind_of_signature_too(self) -> None:
        PROVIDER.verify({}, a_notice(is_service=True), NOW)
        stripped = a_notice(is_service=True).replace(b"&sign_type=RSA2", b"")
        PROVIDER.verify({}, stripped, NOW)

    @pytest.mark.parametrize("skips_blanks", [True, False])
    def test_may_cover_empty_fields_or_not(self, skips_blanks: bool) -> None:  # noqa: FBT001
        body = a_notice(skips_blanks=skips_blanks, gmt_close="", out_biz_no="")

        PROVIDER.verify({}, body, NOW)

        assert PROVIDER.read(body) == [PAID]

    @pytest.mark.parametrize("charset", ["gbk", "GBK", "gb2312", "utf-8", "UTF-8"])
    def test_covers_the_bytes_of_any_charset(self, charset: str) -> None:
        body = a_notice(charset=charset)

        PROVIDER.verify({}, body, NOW)

        assert PROVIDER.read(body) == [PAID]

    def test_by_another_key_is_refused(self) -> None:
        assert refusal_of(a_notice(FOREIGN_KEY)) is RefusalReason.BAD_SIGNATURE

    def test_by_any_of_several_keys_is_believed(self) -> None:
        keys = (public_pem(ALIPAY_KEY), public_pem(NEXT_KEY))
        both = Alipay(settings(alipay_public_keys_pem=keys))

        serials = {both.verify({}, a_notice(key), NOW).serial for key in (ALIPAY_KEY, NEXT_KEY)}

        assert len(serials) == 2
        with pytest.raises(NoticeRefused):
            both.verify({}, a_notice(FOREIGN_KEY), NOW)

    def test_is_checked_again_whatever_its_age(self) -> None:
        old = a_notice(notify_time="2019-08-15 15:56:25")

        PROVIDER.verify_stored({}, old)

        with pytest.raises(NoticeRefused):
            PROVIDER.verify_stored({}, old.replace(b"99.00", b"1.00"))

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            (b"total_amount=99.00", b"total_amount=990.0"),
            (b"TRADE_SUCCESS", b"TRADE_CLOSED"),
            (ATTEMPT_NO.encode(), b"G0123456789ABCDE02"),
            (b"&version=1.0", b""),
        ],
    )
    def test_covers_every_field(self, was: bytes, becomes: bytes) -> None:
        assert refusal_of(a_notice().replace(was, becomes)) is RefusalReason.BAD_SIGNATURE

    def test_has_one_spelling(self) -> None:
        body = a_notice()
        start = body.index(b"sign=") + 5
        sign = body[start : body.index(b"&")]
        for other in (sign + b"+", sign + b"%0A", sign[:-6], b"", b"A" * 2000, b"%FF"):
            assert refusal_of(body.replace(sign, other)) in {
                RefusalReason.BAD_SIGNATURE,
                RefusalReason.MALFORMED,
            }

    @pytest.mark.parametrize("kind", [b"RSA", b"MD5", b"rsa2", b""])
    def test_of_another_kind_is_refused(self, kind: bytes) -> None:
        body = a_notice().replace(b"sign_type=RSA2", b"sign_type=" + kind)

        assert refusal_of(body) is RefusalReason.MALFORMED


class TestAForm:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"&&&",
            b"{}",
            b"\x00\xff" * 100,
            b"sign=" + b"A" * 70_000,
            b"&".join(b"a%d=1" % n for n in range(300)),
            b"sign=x&notify_time=2026-11-21",
            b"sign=x&notify_time=9999-12-31 23:59:59",
            b"=%00&sign=x",
        ],
    )
    def test_that_makes_no_sense_is_refused(self, body: bytes) -> None:
        assert refusal_of(body) in {RefusalReason.MALFORMED, RefusalReason.STALE}

    @pytest.mark.parametrize("name", ["total_amount", "sign", "sign_type", "notify_id"])
    def test_that_says_a_thing_twice_is_refused(self, name: str) -> None:
        first = f"{name}=0.01&".encode()
        assert refusal_of(first + a_notice()) is RefusalReason.MALFORMED
        assert refusal_of(and_also(a_notice(), **{name: "99.00"})) is RefusalReason.MALFORMED
        twice = a_notice().replace(
            b"total_amount=99.00", b"total%5Famount=99.00&total_amount=99.00"
        )
        assert refusal_of(twice) is RefusalReason.MALFORMED

    def test_whose_fields_were_melted_into_one_is_refused(self) -> None:
        """Joined as they are, both read the same, and the signature holds for both."""
        body = a_notice()
        hidden = quote_plus(f"{PAYER}&buyer_logon_id=138****0000").encode()
        melted = body.replace(b"buyer_id=" + PAYER.encode(), b"buyer_id=" + hidden)
        melted = melted.replace(b"&buyer_logon_id=138%2A%2A%2A%2A0000", b"")
        assert melted.count(b"&") == body.count(b"&") - 1

        assert refusal_of(melted) is RefusalReason.MALFORMED

    def test_never_fails_in_another_way_however_it_is_mutilated(self) -> None:
        dice = random.Random(7)  # noqa: S311 - the same bodies in each run
        whole = a_notice()
        for _ in range(300):
            body = bytearray(whole)
            for _ in range(dice.randrange(1, 6)):
                body[dice.randrange(len(body))] = dice.randrange(256)
            if bytes(body) == whole:
                continue
            try:
                PROVIDER.verify({}, bytes(body), NOW)
            except NoticeRefused:
                pass
            else:
                # Only the spelling of an escape may differ.
                assert PROVIDER.read(bytes(body)) == [PAID]
            with suppress(NoticeUnreadable):
                PROVIDER.read(bytes(body))


class TestItsAge:
    @pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=26), timedelta(minutes=-5)])
    def test_within_the_time_of_the_resends_is_fresh(self, age: timedelta) -> None:
        PROVIDER.verify({}, a_notice(), NOW + age)

    @pytest.mark.parametrize(
        "age", [timedelta(hours=26, seconds=1), timedelta(minutes=-5, seconds=-1)]
    )
    def test_outside_of_it_is_stale(self, age: timedelta) -> None:
        assert refusal_of(a_notice(), NOW + age) is RefusalReason.STALE

    def test_has_to_be_told(self) -> None:
        assert refusal_of(a_notice(notify_time=None)) is RefusalReason.MALFORMED


class TestWhatItSays:
    @pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_FINISHED"])
    def test_is_a_payment_of_what_the_order_was_charged(self, status: str) -> None:
        assert PROVIDER.read(a_notice(trade_status=status)) == [PAID]

    @pytest.mark.parametrize(
        ("changes", "merchant_id", "appid"),
        [
            ({"seller_id": "2088999999999999"}, "2088999999999999", ALIPAY_APP_ID),
            ({"app_id": "2099"}, ALIPAY_SELLER_ID, "2099"),
            ({"seller_id": None}, "unnamed", ALIPAY_APP_ID),
        ],
    )
    def test_names_another_merchant_for_the_order_to_judge(
        self, changes: dict[str, Any], merchant_id: str, appid: str
    ) -> None:
        (fact,) = PROVIDER.read(a_notice(refund_fee="1.00", out_biz_no="R1", **changes))

        assert isinstance(fact, PaymentSucceeded)
        assert (fact.merchant_id, fact.appid) == (merchant_id, appid)

    def test_names_the_app_where_no_seller_is_set(self) -> None:
        (fact,) = Alipay(settings(seller_id=None)).read(a_notice(seller_id="2088999999999999"))

        assert isinstance(fact, PaymentSucceeded)
        assert fact.merchant_id == fact.appid == ALIPAY_APP_ID

    @pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_CLOSED"])
    def test_spots_a_refund_beside_the_payment_it_belongs_to(self, status: str) -> None:
        """The same trade number: the payment is known, or was missed and comes in by this."""
        body = a_notice(trade_status=status, refund_fee="40.00", out_biz_no=f"{ATTEMPT_NO}R01")

        assert PROVIDER.read(body) == [
            PAID,
            RefundSpotted(
                provider="alipay",
                attempt_no=ATTEMPT_NO,
                refund_no=f"{ATTEMPT_NO}R01",
                provider_txn_id=TRADE_NO,
            ),
        ]

    def test_of_a_trade_that_nobody_paid_is_its_end(self) -> None:
        unpaid: dict[str, Any] = {
            "trade_status": "TRADE_CLOSED",
            "gmt_payment": None,
            "buyer_pay_amount": "0.00",
            "receipt_amount": None,
        }
        closed = AttemptClosedAtProvider(provider="alipay", attempt_no=ATTEMPT_NO)

        assert PROVIDER.read(a_notice(**unpaid)) == [closed]
        assert PROVIDER.read(a_notice(**unpaid | {"seller_id": "2088999999999999"})) == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"trade_status": "WAIT_BUYER_PAY"},
            {"notify_type": "servicemarket_order_notify"},
            {"trade_status": None},
            {"trade_status": ""},
        ],
    )
    def test_may_be_about_no_money(self, changes: dict[str, Any]) -> None:
        assert PROVIDER.read(a_notice(**changes)) == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"trade_status": "TRADE_PENDING"},
            {"out_trade_no": "a b"},
            {"out_trade_no": "x" * 65},
            {"trade_no": None},
            {"total_amount": "0.00"},
            {"total_amount": "-1.00"},
            {"total_amount": "1e3"},
            {"total_amount": "99.001"},
            {"total_amount": "٩٩.00"},
            {"total_amount": None},
            {"gmt_payment": "yesterday"},
            {"gmt_payment": "0000-00-00 00:00:00"},
            {"refund_fee": "1.00", "out_biz_no": None},
            {"charset": "utf-7"},
            {"app_id": "a\x00b"},
            {"subject": "\x00"},
        ],
    )
    def test_that_cannot_be_read_is_for_a_person(self, changes: dict[str, Any]) -> None:
        with pytest.raises(NoticeUnreadable):
            PROVIDER.read(a_notice(**changes))

    def test_is_kept_without_what_names_the_payer(self) -> None:
        kept = Kept()

        Alipay(settings(), kept).read(a_notice())

        (evidence,) = kept
        assert (evidence.attempt_no, evidence.object_id) == (ATTEMPT_NO, TRADE_NO)
        assert evidence.source == "notice"
        assert evidence.body["total_amount"] == "99.00"
        assert not {"sign", "buyer_id", "buyer_logon_id", "subject"} & evidence.body.keys()
        assert PAYER not in repr(evidence)

    def test_happened_at_an_hour_in_china(self) -> None:
        (fact,) = PROVIDER.read(a_notice(gmt_payment="2026-11-21 00:30:00"))

        assert isinstance(fact, PaymentSucceeded)
        assert fact.paid_at == datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
        assert china(fact.paid_at) == "2026-11-21 00:30:00"
