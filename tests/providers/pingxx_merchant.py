"""Ping++ as a test plays it: its keys, its words, and an adapter that talks to a script."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from contracts.attempt import AttemptRequest, RefundRequest
from contracts.evidence import Evidence
from contracts.money import Money
from providers.pingxx.adapter import PingxxPay
from providers.pingxx.settings import PingxxSettings
from providers.provider import Keep, unkept
from tests.providers.merchant import MERCHANT_KEY, a_refund_of
from tests.providers.pingxx_stage import a_pingxx_attempt
from tests.providers.signing import NOW, new_key, private_pem, public_pem
from tests.providers.wire_server import Sent, WireServer, an_answer
from tests.sandbox.simulator import PINGXX_APP_ID, PINGXX_SECRET_KEY

KEY, NEXT_KEY, FOREIGN_KEY = new_key(), new_key(), new_key()
CHARGE_ID, REFUND_ID = "ch_0123456789abcdefGHIJKLMN", "re_0123456789abcdefGHIJKLMN"
ATTEMPT_NO = "G0123456789ABCDE01"
REFUND_NO = f"{ATTEMPT_NO}R01"


def settings(**changes: Any) -> PingxxSettings:  # noqa: ANN401 - any field
    return PingxxSettings(
        **{
            "secret_key": PINGXX_SECRET_KEY,
            "app_id": PINGXX_APP_ID,
            "private_key_pem": private_pem(MERCHANT_KEY),
            "webhook_public_keys_pem": (public_pem(KEY), public_pem(NEXT_KEY)),
        }
        | changes
    )


def an_attempt(**changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
    return a_pingxx_attempt(**{"attempt_no": ATTEMPT_NO} | changes)


def a_refund(**changes: Any) -> RefundRequest:  # noqa: ANN401 - any field
    return a_refund_of(an_attempt(), **{"provider_txn_id": CHARGE_ID} | changes)


def a_charge(**changes: object) -> dict[str, Any]:
    return {
        "id": CHARGE_ID,
        "object": "charge",
        "created": int(NOW.timestamp()),
        "livemode": False,
        "paid": True,
        "refunded": False,
        "reversed": False,
        "app": PINGXX_APP_ID,
        "channel": "wx_pub_qr",
        "order_no": ATTEMPT_NO,
        "client_ip": "127.0.0.1",
        "amount": 9900,
        "amount_settle": 9900,
        "currency": "cny",
        "subject": "Guichet Demo Night",
        "body": "Guichet Demo Night",
        "extra": {"product_id": ATTEMPT_NO, "open_id": "oCanaryOpenid", "bank_type": "OTHERS"},
        "time_paid": int(NOW.timestamp()),
        "time_expire": int(NOW.timestamp()) + 1800,
        "transaction_no": "1290362656202408163243920572",
        "amount_refunded": 0,
        "failure_code": None,
        "failure_msg": None,
        "metadata": {"attempt_no": ATTEMPT_NO},
        "credential": {},
        "description": None,
    } | changes


def an_open_charge(**changes: object) -> dict[str, Any]:
    credential = {"object": "credential", "wx_pub_qr": "weixin://wxpay/bizpayurl?pr=canary"}
    return a_charge(**{"paid": False, "time_paid": None, "credential": credential} | changes)


def a_refund_object(**changes: object) -> dict[str, Any]:
    return {
        "id": REFUND_ID,
        "object": "refund",
        "order_no": REFUND_ID[3:],
        "amount": 9900,
        "created": int(NOW.timestamp()),
        "succeed": True,
        "status": "succeeded",
        "time_succeed": int(NOW.timestamp()),
        "description": f"{REFUND_NO} the show is off",
        "failure_code": None,
        "failure_msg": None,
        "metadata": {"refund_no": REFUND_NO, "attempt_no": ATTEMPT_NO},
        "charge": CHARGE_ID,
        "charge_order_no": ATTEMPT_NO,
        "transaction_no": "2004450349201512090096425284",
        "extra": {"cash_refund": 9900},
    } | changes


def a_page(*objects: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "url": "/v1/charges", "has_more": has_more, "data": list(objects)}


def an_event(
    told: dict[str, Any] | None = None, *, kind: str = "charge.succeeded", **changes: object
) -> bytes:
    event = {
        "id": "evt_400240816160755820469807",
        "created": int(NOW.timestamp()),
        "livemode": False,
        "type": kind,
        "data": {"object": a_charge() if told is None else told},
        "object": "event",
        "request": "iar_mrrvj9ivPOaHPOi9aLPWPqvT",
        "pending_webhooks": 0,
    } | changes
    return json.dumps(event).encode()


def signed(body: bytes, key: RSAPrivateKey = KEY) -> dict[str, str]:
    signature = key.sign(body, PKCS1v15(), SHA256())
    return {"x-pingplusplus-signature": base64.b64encode(signature).decode()}


def a_refusal(status: int, kind: str, code: str | None = None) -> bytes:
    said = {"type": kind, "message": "from the script"} | ({"code": code} if code else {})
    return an_answer(status, json.dumps({"error": said}).encode())


class Played:
    """An adapter, and what answers it in turn; the last answer stays."""

    def __init__(self, provider: PingxxPay, gateway: WireServer, kept: list[Evidence]) -> None:
        self.provider = provider
        self.gateway = gateway
        self.kept = kept

    def answers(self, *answers: bytes | dict[str, Any] | None) -> None:
        left = list(answers)

        async def script(_: Sent) -> bytes | None:
            said = left.pop(0) if len(left) > 1 else left[0]
            return an_answer(200, json.dumps(said).encode()) if isinstance(said, dict) else said

        self.gateway.script = script

    def sent(self) -> list[Sent]:
        return [self.gateway.sent.get_nowait() for _ in range(self.gateway.sent.qsize())]


@asynccontextmanager
async def played(**changes: Any) -> AsyncIterator[Played]:  # noqa: ANN401 - any field
    async def silent(_: Sent) -> bytes | None:
        return None

    kept: list[Evidence] = []
    async with (
        WireServer(silent) as gateway,
        PingxxPay(settings(gateway=gateway.url, **changes), keeping(kept)) as provider,
    ):
        yield Played(provider, gateway, kept)


def keeping(kept: list[Evidence]) -> Keep:
    def keep(evidence: Evidence) -> None:
        kept.append(evidence)

    return keep


def idle(keep: Keep = unkept, **changes: Any) -> PingxxPay:  # noqa: ANN401 - any field
    return PingxxPay(settings(**changes), keep)


def yuan(fen: int) -> Money:
    return Money(amount_minor=fen, currency="CNY")
