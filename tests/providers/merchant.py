"""A merchant of the tests: settings and requests, of which a test names only what matters."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from contracts.attempt import AttemptRequest, RefundRequest
from contracts.evidence import Evidence
from contracts.money import Money
from contracts.numbers import attempt_no, new_order_no
from contracts.states import Channel
from providers.wechat.settings import WeChatSettings
from tests.providers.signing import API_V3_KEY, new_key, private_pem


class Kept(list[Evidence]):
    """Keeps what an adapter was sent."""

    def __call__(self, evidence: Evidence) -> None:
        self.append(evidence)


MERCHANT_ID = "1900000001"
APP_ID = "wx0000000000000001"
OPENID = "oCanaryOpenid"
SERIAL_NO = "5A1B2C3D4E5F60718293A4B5C6D7E8F901234567"
MERCHANT_KEY = new_key()


def settings_of(**changes: Any) -> WeChatSettings:  # noqa: ANN401 - any field
    return WeChatSettings(
        **{
            "merchant_id": MERCHANT_ID,
            "merchant_serial_no": SERIAL_NO,
            "merchant_private_key_pem": private_pem(MERCHANT_KEY),
            "api_v3_key": API_V3_KEY,
            "app_ids": (APP_ID,),
        }
        | changes
    )


def an_attempt(**changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
    attempt = AttemptRequest(
        attempt_no=attempt_no(new_order_no(), 1),
        provider="wechat",
        channel=Channel.WECHAT_NATIVE,
        merchant_id=MERCHANT_ID,
        appid=APP_ID,
        amount=Money(amount_minor=9900, currency="CNY"),
        description="Guichet Demo Night",
        payable_until=datetime.now(UTC) + timedelta(minutes=30),
        notify_url="https://tickets.example/api/webhooks/wechatpay",
    )
    return msgspec.structs.replace(attempt, **changes)


def a_refund_of(attempt: AttemptRequest, **changes: Any) -> RefundRequest:  # noqa: ANN401
    refund = RefundRequest(
        refund_no=f"{attempt.attempt_no}R01",
        attempt_no=attempt.attempt_no,
        provider=attempt.provider,
        provider_txn_id="4200000000000000001",
        amount=attempt.amount,
        paid=attempt.amount,
        reason="the show is off",
        notify_url=attempt.notify_url,
    )
    return msgspec.structs.replace(refund, **changes)
