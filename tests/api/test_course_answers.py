"""What the course shop's clients read, of orders at every provider."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import json, structs

from actors.cashier import Charge
from actors.pay_channels import Way
from api.course_answers import course_charge, course_order, decimal
from api.course_details import payment_detail
from contracts.attempt import (
    AttemptRequest,
    ClientSecret,
    CodeToScan,
    Opened,
    PayerParameters,
    Redirect,
    SignedCall,
)
from contracts.coupons import AppliedCoupon
from contracts.evidence import EvidenceKind
from contracts.facts import FactSource
from contracts.money import Money
from contracts.order import Attempt, Order, Payment, Refund
from contracts.states import AttemptState, Channel, OrderStatus, RefundStatus
from models.evidence import KeptEvidence

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PRICE = Money(amount_minor=19900, currency="CNY")
NO = "GABCDEFGHIJKLMNO"
CALL = SignedCall(
    app_id="wx1", time_stamp="1", nonce_str="n", package="p", sign_type="RSA", pay_sign="s"
)
SIX = {
    "mode",
    "client_secret",
    "checkout_session_url",
    "checkout_session_id",
    "payment_intent_id",
    "latest_charge_id",
}


def an_attempt(
    provider: str = "stripe",
    channel: Channel = Channel.STRIPE,
    reference: str | None = "pi_1",
    state: AttemptState = AttemptState.OPEN,
) -> Attempt:
    return Attempt(
        attempt_no=f"{NO}01",
        state=state,
        request=AttemptRequest(
            attempt_no=f"{NO}01",
            provider=provider,
            channel=channel,
            merchant_id="m",
            appid="a",
            amount=PRICE,
            description="Course",
            payable_until=NOW,
            notify_url="http://127.0.0.1/n",
        ),
        opened=Opened(reference=reference),
        opened_at=NOW,
    )


def an_order(**changes: Any) -> Order:  # noqa: ANN401 - any field may be the one that matters
    document = {
        "id": 5,
        "order_no": NO,
        "event_id": 1,
        "event_title": "Course",
        "user_id": 7,
        "ticket_type_id": 3,
        "quantity": 1,
        "total": {"amount_minor": 19900, "currency": "CNY"},
        "payment_channel": "pingxx",
        "status": "PENDING",
        "payment_status": "UNPAID",
        "seats_held": 1,
        "expired_at": (NOW + timedelta(minutes=30)).isoformat(),
        "created_at": NOW.isoformat(),
        "version": 1,
        "requires_approval": False,
    }
    return structs.replace(json.decode(json.encode(document), type=Order), **changes)


def kept(kind: EvidenceKind, **body: Any) -> KeptEvidence:  # noqa: ANN401 - a provider's words
    return KeptEvidence(
        attempt_no=f"{NO}01",
        provider="stripe",
        kind=kind,
        object_id=str(body.get("id", "x")),
        body=body,
        recorded_at=NOW,
    )


def shown(
    attempt: Attempt | None, parameters: PayerParameters | None = None, *evidence: KeptEvidence
) -> dict[str, Any]:
    """Read a charge as a client does."""
    order = an_order(attempts=() if attempt is None else (attempt,))
    charge = Charge(order=order, attempt=attempt, parameters=parameters)
    read: dict[str, Any] = json.decode(json.encode(course_charge(charge, evidence)))
    return read


def a_payment(txn: str = "pi_1", provider: str = "stripe") -> Payment:
    return Payment(
        provider=provider,
        provider_txn_id=txn,
        attempt_no=f"{NO}01",
        paid=PRICE,
        paid_at=NOW,
        source=FactSource.QUERY,
        honoured=True,
    )


def detail(order: Order, *evidence: KeptEvidence) -> dict[str, Any]:
    read: dict[str, Any] = json.decode(json.encode(payment_detail(order, evidence)))
    return read


class TestAPrice:
    @pytest.mark.parametrize(
        ("amount_minor", "text"),
        [(19900, "199.00"), (0, "0.00"), (5, "0.05"), (101, "1.01"), (123456789, "1234567.89")],
    )
    def test_is_decimal_text_with_two_places(self, amount_minor: int, text: str) -> None:
        assert decimal(amount_minor) == text


class TestAnOrder:
    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({}, 501),
            ({"attempts": (an_attempt(state=AttemptState.CLOSED),)}, 504),
            ({"expired_at": NOW}, 505),
            ({"status": OrderStatus.CLOSING}, 505),
            ({"status": OrderStatus.EXPIRED}, 505),
            ({"status": OrderStatus.CANCELLED}, 505),
            ({"status": OrderStatus.PAID}, 502),
            ({"status": OrderStatus.REFUNDED}, 503),
        ],
        ids=str,
    )
    def test_stands_in_the_shops_numbers(self, changes: dict[str, Any], status: int) -> None:
        assert course_order(an_order(**changes), NOW).status == status

    def test_shows_what_a_coupon_took_off(self) -> None:
        coupon = AppliedCoupon(coupon_id=1, discount_minor=5000)
        order = an_order(total=Money(amount_minor=14900, currency="CNY"), coupon=coupon)

        read = json.decode(json.encode(course_order(order, NOW)))

        assert read == {
            "order_id": NO,
            "user_id": "7",
            "course_id": "3",
            "price": "199.00",
            "status": 501,
            "status_desc": "New",
            "discount": "50.00",
            "value_to_pay": "149.00",
            "price_item": [
                {
                    "name": "Course",
                    "price_name": "Ticket",
                    "price": "199.00",
                    "is_discount": False,
                },
                {
                    "name": "Coupon",
                    "price_name": "Discount",
                    "price": "50.00",
                    "is_discount": True,
                },
            ],
        }


class TestACharge:
    def test_of_an_intent_has_the_six_keys(self) -> None:
        read = shown(an_attempt(), ClientSecret(client_secret="pi_1_secret"))

        assert read == {
            "order_id": NO,
            "user_id": "7",
            "price": "199.00",
            "channel": "stripe",
            "qr_url": "pi_1_secret",
            "payment_channel": "stripe",
            "payment_payload": {
                "mode": "payment_intent",
                "client_secret": "pi_1_secret",
                "checkout_session_url": None,
                "checkout_session_id": None,
                "payment_intent_id": "pi_1",
                "latest_charge_id": None,
            },
        }

    def test_of_a_session_goes_to_its_page(self) -> None:
        session = kept(EvidenceKind.CHECKOUT_SESSION, id="cs_1", payment_intent="pi_9")
        intent = kept(EvidenceKind.PAYMENT_INTENT, id="pi_9", latest_charge={"id": "ch_9"})

        read = shown(
            an_attempt(channel=Channel.STRIPE_CHECKOUT, reference="cs_1"),
            Redirect(url="https://checkout.example/cs_1"),
            session,
            intent,
        )

        assert (read["channel"], read["qr_url"]) == (
            "stripe:checkout_session",
            "https://checkout.example/cs_1",
        )
        assert read["payment_payload"] == {
            "mode": "checkout_session",
            "client_secret": None,
            "checkout_session_url": "https://checkout.example/cs_1",
            "checkout_session_id": "cs_1",
            "payment_intent_id": "pi_9",
            "latest_charge_id": "ch_9",
        }

    def test_that_is_paid_at_stripe_keeps_the_six_keys(self) -> None:
        read = shown(an_attempt())

        assert read["qr_url"] == ""
        assert read["payment_payload"].keys() == SIX

    @pytest.mark.parametrize(
        ("provider", "channel", "name"),
        [
            ("wechat", Channel.WECHAT_NATIVE, "wx_pub_qr"),
            ("pingxx", Channel.WX_PUB_QR, "wx_pub_qr"),
            ("pingxx", Channel.ALIPAY_QR, "alipay_qr"),
            ("alipay", Channel.ALIPAY_QR, "alipay_qr"),
        ],
    )
    def test_of_a_code_shows_it(self, provider: str, channel: Channel, name: str) -> None:
        read = shown(an_attempt(provider, channel), CodeToScan(code_url="weixin://1"))

        assert (read["payment_channel"], read["channel"]) == (provider, name)
        assert read["qr_url"] == "weixin://1"
        assert read["payment_payload"] == {
            "qr_url": "weixin://1",
            "credential": {name: "weixin://1"},
        }

    def test_in_the_wechat_browser_is_a_signed_call(self) -> None:
        read = shown(an_attempt("pingxx", Channel.WX_PUB), CALL)

        assert read["qr_url"] == ""
        assert read["payment_payload"] == {
            "qr_url": "",
            "credential": {
                "wx_pub": {
                    "appId": "wx1",
                    "timeStamp": "1",
                    "nonceStr": "n",
                    "package": "p",
                    "signType": "RSA",
                    "paySign": "s",
                }
            },
        }

    def test_that_redirects_says_so_twice(self) -> None:
        read = shown(an_attempt("alipay", Channel.ALIPAY_WAP), Redirect(url="https://a.example"))

        assert read["qr_url"] == "https://a.example"
        assert read["payment_payload"]["redirect_url"] == "https://a.example"

    @pytest.mark.parametrize(
        ("channel", "mode"),
        [
            (Channel.STRIPE, "payment_intent"),
            (Channel.STRIPE_CHECKOUT, "checkout_session"),
        ],
    )
    def test_that_nobody_had_to_make_is_in_the_words_that_asked(
        self, channel: Channel, mode: str
    ) -> None:
        charge = Charge(order=an_order(), attempt=None, way=Way(provider="stripe", channel=channel))

        read = json.decode(json.encode(course_charge(charge, ())))

        assert (read["payment_channel"], read["channel"]) == ("stripe", channel.value)
        assert read["payment_payload"] == dict.fromkeys(SIX) | {"mode": mode}

    def test_that_nobody_had_to_make_is_empty(self) -> None:
        read = shown(None)

        assert (read["channel"], read["qr_url"], read["payment_channel"]) == ("", "", "pingxx")
        assert read["payment_payload"] == {"qr_url": "", "credential": None}


class TestADetail:
    def test_of_stripe_has_its_objects(self) -> None:
        order = an_order(
            attempts=(
                an_attempt(
                    channel=Channel.STRIPE_CHECKOUT, reference="cs_1", state=AttemptState.PAID
                ),
            ),
            payments=(a_payment("pi_9"),),
            status=OrderStatus.PAID,
        )
        charge = {"id": "ch_9", "receipt_url": "https://r.example"}
        intent = kept(
            EvidenceKind.PAYMENT_INTENT,
            id="pi_9",
            latest_charge=charge,
            payment_method="pm_1",
            metadata={"order": NO},
        )
        session = kept(EvidenceKind.CHECKOUT_SESSION, id="cs_1")
        foreign = structs.replace(session, attempt_no="another", body={"id": "cs_2"})

        assert detail(order, session, intent, foreign) == {
            "payment_channel": "stripe",
            "course_id": "3",
            "order_bid": NO,
            "payment_intent_id": "pi_9",
            "checkout_session_id": "cs_1",
            "latest_charge_id": "ch_9",
            "status": 1,
            "receipt_url": "https://r.example",
            "payment_method": "pm_1",
            "metadata": {"order": NO},
            "payment_intent_object": intent.body,
            "checkout_session_object": {"id": "cs_1"},
        }

    def test_of_pingxx_has_its_charge(self) -> None:
        order = an_order(attempts=(an_attempt("pingxx", Channel.WX_PUB_QR, "ch_1"),))
        charge = kept(
            EvidenceKind.CHARGE, id="ch_1", transaction_no="42", extra={"product_id": "3"}
        )

        assert detail(order, charge) == {
            "payment_channel": "pingxx",
            "course_id": "3",
            "order_bid": NO,
            "charge_id": "ch_1",
            "transaction_no": "42",
            "status": 0,
            "amount": 19900,
            "currency": "CNY",
            "channel": "wx_pub_qr",
            "extra": {"product_id": "3"},
            "charge_object": charge.body,
        }

    def test_of_wechat_shows_its_word_of_the_payment_that_was_settled(self) -> None:
        order = an_order(
            attempts=(an_attempt("wechat", Channel.WECHAT_NATIVE, None, AttemptState.PAID),),
            payments=(a_payment("4200001", "wechat"),),
        )
        before = kept(EvidenceKind.TRADE, id=f"{NO}01", trade_state="NOTPAY", appid="a")
        after = kept(EvidenceKind.TRADE, id="4200001", trade_state="SUCCESS", appid="a")

        assert detail(order, before, after)["charge_object"] == after.body
        assert detail(order, before)["charge_object"]["transaction_no"] == "4200001"

    def test_says_what_was_settled_where_nothing_is_kept(self) -> None:
        attempt = an_attempt("wechat", Channel.WECHAT_NATIVE, None)
        hidden = Opened(code_url="weixin://hush", prepay_id="hush")
        waiting = an_order(attempts=(structs.replace(attempt, opened=hidden),))
        paid = structs.replace(waiting, payments=(a_payment("4200001", "wechat"),))
        known = {
            "_derived": True,
            "attempt_no": f"{NO}01",
            "merchant_id": "m",
            "appid": "a",
            "amount": 19900,
            "currency": "CNY",
            "description": "Course",
            "payable_until": NOW.isoformat(),
        }

        assert detail(waiting)["charge_object"] == known
        assert detail(paid)["charge_object"] == known | {
            "transaction_no": "4200001",
            "paid_amount": 19900,
            "paid_at": NOW.isoformat(),
        }

    def test_says_nothing_of_what_was_never_opened(self) -> None:
        attempt = structs.replace(an_attempt("wechat", Channel.WECHAT_NATIVE), opened=None)

        assert detail(an_order(attempts=(attempt,)))["charge_object"] is None

    @pytest.mark.parametrize("is_paid", [False, True])
    def test_shows_no_object_of_anothers_money(self, *, is_paid: bool) -> None:
        payments = (a_payment(),) if is_paid else ()
        order = an_order(attempts=(an_attempt(),), payments=payments)
        own = kept(EvidenceKind.PAYMENT_INTENT, id="pi_1", latest_charge="ch_1")
        charge = kept(EvidenceKind.CHARGE, id="ch_1", receipt_url="https://own.example")
        foreign = [
            kept(EvidenceKind.PAYMENT_INTENT, id="pi_2", latest_charge="ch_2"),
            kept(EvidenceKind.CHECKOUT_SESSION, id="cs_2", payment_intent="pi_2"),
            kept(EvidenceKind.CHARGE, id="ch_2", payment_intent="pi_2"),
        ]

        read = detail(order, *foreign, own, charge)

        assert read["payment_intent_object"] == own.body
        assert read["checkout_session_object"] is None
        assert (read["latest_charge_id"], read["receipt_url"]) == ("ch_1", "https://own.example")
        assert detail(order, *foreign)["payment_intent_object"] is None

    def test_shows_no_trade_of_another_app(self) -> None:
        order = an_order(attempts=(an_attempt("alipay", Channel.ALIPAY_QR, None),))
        foreign = kept(EvidenceKind.TRADE, id="1", app_id="b", trade_no="1")
        own = kept(EvidenceKind.TRADE, id="2", app_id="a", trade_no="2")

        assert detail(order, foreign, own)["charge_object"] == own.body
        assert detail(order, foreign)["charge_object"]["_derived"] is True

    def test_of_what_nobody_tried_is_pending(self) -> None:
        read = detail(an_order())

        assert (read["status"], read["charge_id"], read["payment_channel"]) == (0, None, "pingxx")

    @pytest.mark.parametrize(
        ("returned_minor", "outcome", "status"),
        [
            (19900, RefundStatus.SUCCEEDED, 2),
            (19900, RefundStatus.PROCESSING, 1),
            (19900, RefundStatus.FAILED, 1),
            (900, RefundStatus.SUCCEEDED, 1),
        ],
    )
    def test_is_refunded_when_all_of_it_is(
        self, returned_minor: int, outcome: RefundStatus, status: int
    ) -> None:
        refund = Refund(
            refund_no=f"{NO}01R01",
            provider="stripe",
            provider_txn_id="pi_1",
            attempt_no=f"{NO}01",
            amount=Money(amount_minor=returned_minor, currency="CNY"),
            status=outcome,
            reason="sick",
            idempotency_key="k",
        )
        order = an_order(
            attempts=(an_attempt(state=AttemptState.PAID),),
            payments=(a_payment(),),
            refunds=(refund,),
        )

        assert detail(order)["status"] == status

    @pytest.mark.parametrize(
        ("state", "status"),
        [
            (AttemptState.UNKNOWN, 0),
            (AttemptState.PAID, 1),
            (AttemptState.CLOSED, 3),
            (AttemptState.REFUSED, 4),
        ],
    )
    def test_stands_in_the_shops_numbers(self, state: AttemptState, status: int) -> None:
        assert detail(an_order(attempts=(an_attempt(state=state),)))["status"] == status

    @pytest.mark.parametrize("state", [AttemptState.UNKNOWN, AttemptState.CLOSED])
    @pytest.mark.parametrize(
        ("provider", "channel"), [("stripe", Channel.STRIPE), ("pingxx", Channel.WX_PUB_QR)]
    )
    def test_of_an_order_paid_otherwise_is_paid(
        self, provider: str, channel: Channel, state: AttemptState
    ) -> None:
        by_hand = structs.replace(a_payment("manual:5", "manual"), attempt_no=f"{NO}F")
        surplus = structs.replace(a_payment("pi_1", provider), honoured=False)
        order = an_order(attempts=(an_attempt(provider, channel, state=state),))

        told = [
            detail(structs.replace(order, payments=paid))["status"]
            for paid in ((by_hand,), (surplus, by_hand))
        ]

        assert told == [1, 1]

    def test_of_a_declined_payer_has_failed_until_they_pay(self) -> None:
        opened = Opened(reference="pi_1", is_declined=True)
        declined = structs.replace(an_attempt(), opened=opened)
        closed = structs.replace(declined, state=AttemptState.CLOSED)

        told = [detail(an_order(attempts=(one,)))["status"] for one in (declined, closed)]

        assert told == [4, 3]
