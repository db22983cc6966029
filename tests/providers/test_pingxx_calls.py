"""What is asked of Ping++, and what its answers let us believe."""

import asyncio
import base64
import json
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from structlog.testing import capture_logs

from contracts.attempt import BilledRefund, CodeToScan, Opened, SignedCall
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundOutcome,
)
from contracts.money import Money
from contracts.states import Channel
from providers.pingxx.client import MAX_ANSWER_BYTES
from providers.pingxx.search import PAGE_SIZE, PAGES_BESIDE, PAGES_MAX
from providers.provider import (
    Capability,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)
from tests.providers.merchant import MERCHANT_KEY, OPENID
from tests.providers.pingxx_merchant import (
    ATTEMPT_NO,
    CHARGE_ID,
    REFUND_ID,
    REFUND_NO,
    Played,
    a_charge,
    a_page,
    a_refund,
    a_refund_object,
    a_refusal,
    an_attempt,
    an_open_charge,
    idle,
    played,
    yuan,
)
from tests.providers.wire_server import Sent, an_answer
from tests.sandbox.simulator import PINGXX_APP_ID, PINGXX_SECRET_KEY

JSAPI_CALL = {
    "appId": "wx0000000000000001",
    "timeStamp": 1700000000,
    "nonceStr": "canaryNonce",
    "package": "prepay_id=canaryPrepay",
    "signType": "RSA",
    "paySign": "canaryPaySign",
}
OLDER_ID = "ch_older6789abcdefGHIJKLMN"


def is_signed(sent: Sent) -> bool:
    at = sent.headers["pingplusplus-request-timestamp"]
    message = sent.body + sent.target.encode() + at.encode()
    signature = base64.b64decode(sent.headers["pingplusplus-signature"], validate=True)
    MERCHANT_KEY.public_key().verify(signature, message, PKCS1v15(), SHA256())
    return abs(time.time() - int(at)) < 60


def asked(sent: Sent) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(sent.target).query).items()}


def calls(on: Played) -> dict[str, Callable[[], Awaitable[object]]]:
    return {
        "open": lambda: on.provider.open(an_attempt()),
        "query": lambda: on.provider.query(an_attempt()),
        "refund": lambda: on.provider.refund(a_refund()),
        "query_refund": lambda: on.provider.query_refund(a_refund()),
    }


OPERATIONS = ["open", "query", "refund", "query_refund"]


class TestACall:
    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_carries_the_key_and_is_signed_with_its_time(self, operation: str) -> None:
        async with played() as on:
            on.answers(a_refusal(400, "invalid_request_error"))
            with pytest.raises(ProviderError):
                await calls(on)[operation]()

            (sent, *_) = on.sent()

        assert sent.headers["authorization"] == f"Bearer {PINGXX_SECRET_KEY}"
        assert is_signed(sent)

    async def test_behind_a_path_is_signed_with_the_whole_of_it(self) -> None:
        async with played() as on:
            on.answers(a_page())
            async with idle(gateway=f"{on.gateway.url}/pingxx/") as provider:
                await provider.query(an_attempt())
            (sent,) = on.sent()

        assert sent.target.startswith("/pingxx/v1/charges?app%5Bid%5D=app_")
        assert is_signed(sent)

    @pytest.mark.parametrize(
        "number", ["../../x", "G1", "G" * 21, "G0123456789\x00", "G012345678 9"]
    )
    async def test_is_never_made_about_a_strange_number(self, number: str) -> None:
        async with played() as on:
            for call in (on.provider.open, on.provider.query):
                with pytest.raises(ProviderRefused, match="not_sent"):
                    await call(an_attempt(attempt_no=number))
            for refund in (
                a_refund(provider_txn_id=f"ch_{number}/.."),
                a_refund(provider_txn_id="4200000000000000001"),
                a_refund(refund_no=f"{number}/.."),
            ):
                with pytest.raises(ProviderRefused, match="not_sent"):
                    await on.provider.refund(refund)
                with pytest.raises(ProviderRefused, match="not_sent"):
                    await on.provider.query_refund(refund)
            assert on.sent() == []

    async def test_is_never_made_for_what_it_cannot_do(self) -> None:
        async with played() as on:
            assert Capability.CLOSE not in on.provider.capabilities
            with pytest.raises(ProviderRefused, match="pingxx close: unsupported"):
                await on.provider.close(an_attempt())
            assert on.sent() == []


class TestOpening:
    @pytest.mark.parametrize(
        ("channel", "extra"),
        [
            (Channel.WX_PUB_QR, {"product_id": ATTEMPT_NO}),
            (Channel.ALIPAY_QR, {}),
            (Channel.WX_PUB, {"open_id": OPENID}),
            (Channel.WX_LITE, {"open_id": OPENID}),
        ],
    )
    async def test_says_what_the_channel_wants_to_know(
        self, channel: Channel, extra: dict[str, str]
    ) -> None:
        ends = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
        attempt = an_attempt(
            channel=channel,
            openid=OPENID,
            payable_until=ends,
            description="A/B = C & \x00" + "票" * 200,
        )
        async with played() as on:
            on.answers(None)
            with pytest.raises(OutcomeUnknown):
                await on.provider.open(attempt)
            (sent,) = on.sent()

        wanted = json.loads(sent.body)
        assert (sent.method, sent.target) == ("POST", "/v1/charges")
        text = "A B C " + "票" * 200
        assert wanted == {
            "order_no": ATTEMPT_NO,
            "app": {"id": PINGXX_APP_ID},
            "channel": channel.value,
            "amount": 9900,
            "client_ip": "127.0.0.1",
            "currency": "cny",
            "subject": text[:32],
            "body": text[:128],
            "extra": extra,
            "time_expire": int(ends.timestamp()),
            "metadata": {"attempt_no": ATTEMPT_NO},
        }

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": Money(amount_minor=100, currency="USD")},
            {"amount": yuan(0)},
            {"channel": Channel.WX_PUB},
            {"channel": Channel.WX_LITE, "openid": "a b"},
            {"channel": Channel.WECHAT_NATIVE},
            {"merchant_id": "app_Somebodys"},
            {"appid": "app_Somebodys"},
        ],
    )
    async def test_is_not_even_tried_with_what_would_be_refused(
        self, changes: dict[str, Any]
    ) -> None:
        async with played() as on:
            with pytest.raises(ProviderRefused, match="not_sent"):
                await on.provider.open(an_attempt(**changes))
            assert on.sent() == []

    async def test_brings_a_code_to_scan(self) -> None:
        attempt = an_attempt()
        async with played() as on:
            on.answers(an_open_charge())
            opened = await on.provider.open(attempt)

        assert opened.reference == CHARGE_ID
        parameters = on.provider.payer_parameters(attempt, opened, attempt.payable_until)
        assert parameters == CodeToScan(code_url="weixin://wxpay/bizpayurl?pr=canary")

    @pytest.mark.parametrize("channel", [Channel.WX_PUB, Channel.WX_LITE])
    async def test_brings_a_call_that_the_channel_signed(self, channel: Channel) -> None:
        attempt = an_attempt(channel=channel, openid=OPENID)
        told = an_open_charge(channel=channel.value, credential={channel.value: JSAPI_CALL})
        async with played() as on:
            on.answers(told)
            opened = await on.provider.open(attempt)

        parameters = on.provider.payer_parameters(attempt, opened, attempt.payable_until)
        assert parameters == SignedCall(
            app_id="wx0000000000000001",
            time_stamp="1700000000",
            nonce_str="canaryNonce",
            package="prepay_id=canaryPrepay",
            sign_type="RSA",
            pay_sign="canaryPaySign",
        )

    async def test_hands_out_nothing_that_is_for_another_channel(self) -> None:
        provider, now = idle(), datetime.now(UTC)
        for channel in (Channel.WX_PUB, Channel.WX_PUB_QR):
            with pytest.raises(ProviderRefused):
                provider.payer_parameters(an_attempt(channel=channel), Opened(), now)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"order_no": "G999"}, "foreign_answer"),
            ({"amount": 1}, "foreign_answer"),
            ({"currency": "usd"}, "foreign_answer"),
            ({"channel": "alipay_qr"}, "foreign_answer"),
            ({"app": "app_Somebodys"}, "foreign_answer"),
            ({"livemode": True}, "foreign_answer"),
            ({"paid": True}, "already_paid"),
            ({"credential": {}}, "unreadable"),
            ({"credential": None}, "unreadable"),
            ({"credential": []}, "unreadable"),
            ({"credential": {"wx_pub_qr": ""}}, "unreadable"),
            ({"credential": {"wx_pub_qr": {"a": 1}}}, "unreadable"),
            ({"credential": "weixin://"}, "unreadable"),
            ({"id": "ch_"}, "unreadable"),
        ],
    )
    async def test_that_brings_something_else_leaves_the_outcome_open(
        self, changes: dict[str, object], code: str
    ) -> None:
        async with played() as on:
            on.answers(an_open_charge(**changes))
            with pytest.raises(OutcomeUnknown, match=code):
                await on.provider.open(an_attempt())


class TestAnOpeningThatTheChannelRefused:
    REFUSED = a_refusal(402, "channel_error", "channel_request_error")

    async def test_is_a_refusal_where_nothing_was_opened_before(self) -> None:
        async with played() as on:
            on.answers(self.REFUSED, a_page())
            with pytest.raises(ProviderRefused, match="channel_request_error"):
                await on.provider.open(an_attempt())

    async def test_because_it_was_paid_is_never_a_refusal(self) -> None:
        async with played() as on:
            on.answers(self.REFUSED, a_page(a_charge()))
            with pytest.raises(OutcomeUnknown, match="already_paid"):
                await on.provider.open(an_attempt())

    async def test_hands_out_what_an_earlier_opening_made_if_it_still_can(self) -> None:
        async with played() as on:
            on.answers(self.REFUSED, a_page(an_open_charge()))
            opened = await on.provider.open(an_attempt())

        assert (opened.reference, opened.needs_payer) == (CHARGE_ID, True)
        assert opened.code_url

    @pytest.mark.parametrize("changes", [{"credential": {}}, {"amount": 1}])
    async def test_burns_the_number_if_nobody_can_pay_it_any_more(
        self, changes: dict[str, object]
    ) -> None:
        async with played() as on:
            on.answers(self.REFUSED, a_page(an_open_charge(**changes)))
            with pytest.raises(ProviderRefused, match="channel_request_error"):
                await on.provider.open(an_attempt())

    async def test_and_of_which_nothing_more_is_learnt_stays_open(self) -> None:
        async with played() as on:
            on.answers(self.REFUSED, a_refusal(500, "api_error"))
            with pytest.raises(OutcomeUnknown, match="http_5xx"):
                await on.provider.open(an_attempt())


class TestAskingAboutANumber:
    async def test_that_nobody_knows_says_so(self) -> None:
        async with played() as on:
            on.answers(a_page(a_charge(order_no="G9999999999")))
            fact = await on.provider.query(an_attempt())

        assert isinstance(fact, AttemptNotFound)

    async def test_looks_through_the_time_in_which_it_can_have_been_opened(self) -> None:
        ends = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
        async with played(open_window_seconds=1800.0) as on:
            on.answers(a_page())
            await on.provider.query(an_attempt(payable_until=ends))
            (sent,) = on.sent()

        query = asked(sent)
        assert query["app[id]"] == PINGXX_APP_ID
        assert query["channel"] == "wx_pub_qr"
        assert int(query["created[gte]"]) == int((ends - timedelta(minutes=35)).timestamp())
        assert int(query["created[lte]"]) == int((ends + timedelta(minutes=5)).timestamp())
        assert query["limit"] == str(PAGE_SIZE)

    async def test_finds_the_one_that_was_paid_among_several(self) -> None:
        older = a_charge(id=OLDER_ID)
        async with played() as on:
            on.answers(
                a_page(an_open_charge(), a_charge(order_no="G9999999999"), has_more=True),
                a_page(older),
            )
            fact = await on.provider.query(an_attempt())
            first, second = on.sent()

        assert isinstance(fact, PaymentSucceeded)
        assert fact.provider_txn_id == OLDER_ID
        assert "starting_after" not in asked(first)
        assert asked(second)["starting_after"] == CHARGE_ID

    async def test_by_its_charge_is_one_call_when_it_is_paid(self) -> None:
        async with played() as on:
            on.answers(a_charge())
            fact = await on.provider.query(an_attempt(), Opened(reference=CHARGE_ID))
            (sent,) = on.sent()

        assert isinstance(fact, PaymentSucceeded)
        assert (sent.method, sent.target) == ("GET", f"/v1/charges/{CHARGE_ID}")

    async def test_by_a_charge_that_is_not_paid_finds_the_one_that_is(self) -> None:
        async with played() as on:
            on.answers(an_open_charge(), a_page(a_charge(id=OLDER_ID)))
            fact = await on.provider.query(an_attempt(), Opened(reference=CHARGE_ID))
            _, listed = on.sent()

        assert isinstance(fact, PaymentSucceeded)
        assert fact.provider_txn_id == OLDER_ID
        assert asked(listed)["paid"] == "true"

    async def test_by_a_charge_of_which_none_is_paid_says_so(self) -> None:
        async with played() as on:
            on.answers(an_open_charge(), a_page())
            fact = await on.provider.query(an_attempt(), Opened(reference=CHARGE_ID))

        assert isinstance(fact, PaymentNotPaid)

    async def test_by_a_charge_that_is_gone_looks_for_others(self) -> None:
        async with played() as on:
            on.answers(a_refusal(404, "invalid_request_error"), a_page(an_open_charge()))
            fact = await on.provider.query(an_attempt(), Opened(reference=CHARGE_ID))

        assert isinstance(fact, PaymentNotPaid)

    async def test_that_was_reversed_is_over(self) -> None:
        async with played() as on:
            on.answers(a_page(an_open_charge(reversed=True)))
            fact = await on.provider.query(an_attempt())

        assert isinstance(fact, AttemptClosedAtProvider)

    @pytest.mark.parametrize(
        "changes",
        [
            {"paid": False, "app": "app_Somebodys"},
            {"paid": False, "livemode": True},
            {"paid": False, "app": "app_Somebodys", "reversed": True},
            {"paid": True, "reversed": True},
        ],
    )
    async def test_believes_nobody_else_that_it_was_not_paid(
        self, changes: dict[str, object]
    ) -> None:
        async with played() as on:
            on.answers(a_page(a_charge(**changes)))
            with pytest.raises(OutcomeUnknown, match="foreign_answer"):
                await on.provider.query(an_attempt())

    async def test_tells_whose_money_came(self) -> None:
        async with played() as on:
            on.answers(a_page(a_charge(livemode=True)))
            fact = await on.provider.query(an_attempt())

        assert isinstance(fact, PaymentSucceeded)
        assert fact.merchant_id == f"{PINGXX_APP_ID}:live"

    @pytest.mark.parametrize("changes", [{"order_no": "G9999999999"}, {"id": OLDER_ID}])
    async def test_by_its_charge_believes_no_other(self, changes: dict[str, object]) -> None:
        async with played() as on:
            on.answers(a_charge(**changes))
            with pytest.raises(OutcomeUnknown, match="foreign_answer"):
                await on.provider.query(an_attempt(), Opened(reference=CHARGE_ID))

    async def test_is_not_put_off_by_what_others_charges_look_like(self) -> None:
        odd = {"id": "ch_odd", "order_no": None, "amount": "?", "app": 7}
        async with played() as on:
            on.answers(a_page(odd, a_charge()))
            fact = await on.provider.query(an_attempt())

        assert isinstance(fact, PaymentSucceeded)

    async def test_gives_up_a_list_without_an_end(self) -> None:
        async with played() as on:
            on.answers(a_page(a_charge(order_no="G9999999999"), has_more=True))
            with pytest.raises(OutcomeUnknown, match="too_many_pages"):
                await on.provider.query(an_attempt())
            assert len(on.sent()) == PAGES_MAX

            on.answers(a_page(has_more=True))
            with pytest.raises(OutcomeUnknown, match="unreadable"):
                await on.provider.query(an_attempt())


class TestAskingAboutANumberAmongMany:
    BUSY = a_page(a_charge(order_no="G9999999999"), has_more=True)

    async def test_that_is_known_looks_only_at_what_was_made_since(self) -> None:
        ends = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
        made = int((ends - timedelta(minutes=20)).timestamp())
        async with played() as on:
            on.answers(an_open_charge(created=made), a_page())
            known = Opened(reference=CHARGE_ID)
            await on.provider.query(an_attempt(payable_until=ends), known)
            _, listed = on.sent()

        assert int(asked(listed)["created[gte]"]) == made - 300
        assert int(asked(listed)["created[lte]"]) == int((ends + timedelta(minutes=5)).timestamp())

    async def test_is_over_once_its_time_is_however_much_others_pay(self) -> None:
        ended = datetime.now(UTC) - timedelta(minutes=6)
        async with played() as on:
            on.answers(an_open_charge(time_expire=int(ended.timestamp())), self.BUSY)
            known = Opened(reference=CHARGE_ID)
            with capture_logs() as logs:
                fact = await on.provider.query(an_attempt(payable_until=ended), known)
            sent = on.sent()

        assert isinstance(fact, PaymentNotPaid)
        assert len(sent) == 1 + PAGES_BESIDE
        assert [line["event"] for line in logs] == ["payments.query.beside_unseen"]

    @pytest.mark.parametrize("who", ["ours", "theirs"])
    async def test_is_not_over_while_it_could_be_paid(self, who: str) -> None:
        soon, over = (datetime.now(UTC) - timedelta(minutes=ago) for ago in (4, 6))
        ours, theirs = (soon, over) if who == "ours" else (over, soon)
        async with played() as on:
            on.answers(an_open_charge(time_expire=int(theirs.timestamp())), self.BUSY)
            known = Opened(reference=CHARGE_ID)
            with pytest.raises(OutcomeUnknown, match="too_many_pages"):
                await on.provider.query(an_attempt(payable_until=ours), known)


class TestARefund:
    async def test_says_its_number_and_how_much(self) -> None:
        async with played() as on:
            on.answers(a_page(), a_refund_object(status="pending", amount=4000))
            moved = await on.provider.refund(a_refund(amount=yuan(4000)))
            looked, sent = on.sent()

        assert moved.outcome is RefundOutcome.PROCESSING
        assert (moved.refund_no, moved.provider_txn_id) == (REFUND_NO, CHARGE_ID)
        assert looked.target.startswith(f"/v1/charges/{CHARGE_ID}/refunds?")
        assert (sent.method, sent.target) == ("POST", f"/v1/charges/{CHARGE_ID}/refunds")
        assert json.loads(sent.body) == {
            "amount": 4000,
            "description": f"{REFUND_NO} the show is off",
            "metadata": {"refund_no": REFUND_NO, "attempt_no": ATTEMPT_NO},
        }

    async def test_of_a_number_that_is_known_is_not_made_again(self) -> None:
        async with played() as on:
            on.answers(a_page(a_refund_object(metadata={}), a_refund_object()))
            moved = await on.provider.refund(a_refund())
            (sent,) = on.sent()

        assert sent.method == "GET"
        assert moved.outcome is RefundOutcome.SUCCESS

    async def test_of_a_number_that_is_known_takes_no_other_amount(self) -> None:
        async with played() as on:
            on.answers(a_page(a_refund_object()))
            with pytest.raises(ProviderRefused, match="number_used"):
                await on.provider.refund(a_refund(amount=yuan(1)))

    async def test_that_was_made_while_its_answer_was_lost_is_found(self) -> None:
        async with played() as on:
            on.answers(a_page(), a_refusal(400, "invalid_request_error"), a_page(a_refund_object()))
            moved = await on.provider.refund(a_refund())

        assert moved.outcome is RefundOutcome.SUCCESS

    async def test_that_is_refused_and_not_there_is_refused(self) -> None:
        async with played() as on:
            on.answers(a_page(), a_refusal(400, "invalid_request_error"), a_page())
            with pytest.raises(ProviderRefused, match="invalid_request_error"):
                await on.provider.refund(a_refund())

    @pytest.mark.parametrize(
        ("status", "kind", "code"),
        [(402, "channel_error", "channel_request_error"), (403, "rate_limit_error", None)],
    )
    async def test_that_the_channel_or_the_limit_stopped_may_be_under_way(
        self, status: int, kind: str, code: str | None
    ) -> None:
        async with played() as on:
            on.answers(a_page(), a_refusal(status, kind, code))
            with pytest.raises(OutcomeUnknown):
                await on.provider.refund(a_refund())

    @pytest.mark.parametrize(
        ("failure_code", "outcome"),
        [
            ("refund_refused", RefundOutcome.CLOSED),
            ("refund_retry", RefundOutcome.CLOSED),
            ("refund_manual_intervention", RefundOutcome.ABNORMAL),
            ("refund_unexpected_status", RefundOutcome.ABNORMAL),
            ("channel_connection_error", RefundOutcome.ABNORMAL),
            ("something new", RefundOutcome.ABNORMAL),
            (None, RefundOutcome.ABNORMAL),
        ],
    )
    async def test_that_failed_frees_its_number_only_if_nothing_moved(
        self, failure_code: str | None, outcome: RefundOutcome
    ) -> None:
        async with played() as on:
            on.answers(a_page(a_refund_object(status="failed", failure_code=failure_code)))
            moved = await on.provider.query_refund(a_refund())

        assert moved is not None
        assert moved.outcome is outcome

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"charge": OLDER_ID}, "foreign_answer"),
            ({"charge_order_no": "G9999999999"}, "foreign_answer"),
            ({"status": "reversed"}, "unreadable"),
            ({"amount": -1}, "unreadable"),
            ({"id": "re_a\x00"}, "unreadable"),
        ],
    )
    async def test_that_makes_no_sense_says_nothing(
        self, changes: dict[str, object], code: str
    ) -> None:
        async with played() as on:
            on.answers(a_page(a_refund_object(**changes)))
            with pytest.raises(OutcomeUnknown, match=code):
                await on.provider.query_refund(a_refund())

    async def test_of_the_console_is_found_by_its_own_number(self) -> None:
        spotted = BilledRefund(attempt_no="", refund_no=REFUND_ID, provider_txn_id=CHARGE_ID)
        async with played() as on:
            on.answers(a_refund_object(metadata={}))
            moved = await on.provider.query_refund(spotted)
            (sent,) = on.sent()
            on.answers(a_refusal(404, "invalid_request_error"))
            assert await on.provider.query_refund(spotted) is None

        assert sent.target == f"/v1/charges/{CHARGE_ID}/refunds/{REFUND_ID}"
        assert moved is not None
        assert (moved.refund_no, moved.attempt_no) == (REFUND_ID, ATTEMPT_NO)

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": yuan(0)},
            {"amount": yuan(9901)},
            {"amount": Money(amount_minor=1, currency="USD")},
        ],
    )
    async def test_is_not_even_tried_with_what_cannot_be(self, changes: dict[str, Any]) -> None:
        async with played() as on:
            with pytest.raises(ProviderRefused, match="not_sent"):
                await on.provider.refund(a_refund(**changes))
            assert on.sent() == []


class TestAnAnswer:
    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize(
        ("answer", "verdict", "code"),
        [
            (a_refusal(401, "authentication_error"), ProviderUnreachable, "authentication_error"),
            (a_refusal(404, "invalid_request_error"), ProviderRefused, "not_found"),
            (a_refusal(402, "channel_error", "channel_sign_error"), OutcomeUnknown, "sign_error"),
            (a_refusal(402, "channel_error", "something new"), OutcomeUnknown, "channel_error"),
            (a_refusal(400, "something new"), OutcomeUnknown, "other"),
            (a_refusal(500, "invalid_request_error"), OutcomeUnknown, "http_5xx"),
            (an_answer(404, b"<html>"), OutcomeUnknown, "unreadable"),
            (an_answer(400, b"[" * 100_000), OutcomeUnknown, "unreadable"),
            (an_answer(301, b"", {"location": "http://127.0.0.1:9/"}), OutcomeUnknown, "http"),
            (an_answer(204), OutcomeUnknown, "http_status"),
            (an_answer(200, b""), OutcomeUnknown, "unreadable"),
            (an_answer(200, b"null"), OutcomeUnknown, "unreadable"),
            (an_answer(200, b"\xff\x00"), OutcomeUnknown, "unreadable"),
            (an_answer(200, b"[" * 500_000), OutcomeUnknown, "unreadable"),
            (an_answer(200, b"{}", {"content-encoding": "gzip"}), OutcomeUnknown, "unreadable"),
            (an_answer(200, b" " * (MAX_ANSWER_BYTES + 1)), OutcomeUnknown, "unreadable"),
            (None, OutcomeUnknown, "transport"),
        ],
        ids=lambda given: str(given)[:40] if isinstance(given, str) else "",
    )
    async def test_decides_by_what_it_says_and_never_by_less(
        self, operation: str, answer: bytes | None, verdict: type[ProviderError], code: str
    ) -> None:
        async with played() as on:
            on.answers(answer)
            with pytest.raises(ProviderError, match=code) as caught:
                await calls(on)[operation]()

        assert type(caught.value) is verdict

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_from_nobody_says_that_nothing_was_asked(self, operation: str) -> None:
        async with played() as on, idle(gateway="http://127.0.0.1:1") as provider:
            on.provider = provider
            with pytest.raises(ProviderUnreachable, match="connect"):
                await calls(on)[operation]()

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_that_comes_too_late_leaves_the_outcome_open(self, operation: str) -> None:
        async with played(timeout_seconds=1.0, connect_timeout_seconds=1.0) as on:
            released = asyncio.Event()

            async def late(_: Sent) -> bytes | None:
                await released.wait()
                return None

            on.gateway.script = late
            with pytest.raises(OutcomeUnknown, match="timeout"):
                await calls(on)[operation]()
            released.set()

    async def test_of_many_pages_has_the_time_of_one_call_for_all_of_them(self) -> None:
        page = a_page(a_charge(order_no="G9999999999"), has_more=True)
        async with played(timeout_seconds=3.0, connect_timeout_seconds=3.0) as on:

            async def slow(_: Sent) -> bytes:
                await asyncio.sleep(0.4)
                return an_answer(200, json.dumps(page).encode())

            on.gateway.script = slow
            with pytest.raises(OutcomeUnknown, match="timeout"):
                await on.provider.query(an_attempt())
            assert 1 < len(on.sent()) < PAGES_MAX


class TestASecret:
    async def test_that_is_not_ours_is_told_to_a_person(self) -> None:
        with capture_logs() as lines:
            async with played() as on:
                on.answers(a_refusal(401, "authentication_error"))
                with pytest.raises(ProviderUnreachable):
                    await on.provider.query(an_attempt())

        assert [line["event"] for line in lines] == ["payments.provider.misconfigured"]

    async def test_is_shown_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        attempt = an_attempt(channel=Channel.WX_PUB, openid=OPENID)
        told = ""
        async with played() as on:
            credential = {"wx_pub": JSAPI_CALL}
            on.answers(an_open_charge(channel="wx_pub", credential=credential))
            await on.provider.open(attempt)
            on.answers(a_refusal(400, "invalid_request_error"))
            with pytest.raises(ProviderError) as caught:
                await on.provider.open(attempt)
            told += "".join(traceback.format_exception(caught.value))
            on.answers(None)
            for call in calls(on).values():
                with pytest.raises(ProviderError) as caught:
                    await call()
                told += "".join(traceback.format_exception(caught.value))
            told += repr(on.provider) + repr(vars(on.provider)) + caplog.text
            kept = str(msgspec.to_builtins(on.kept))

        assert on.kept
        for secret in (PINGXX_SECRET_KEY, OPENID, "canaryPaySign", "canaryPrepay", "PRIVATE KEY"):
            assert secret not in told
            assert secret not in kept
