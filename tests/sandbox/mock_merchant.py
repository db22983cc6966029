"""A merchant of the mock provider: signs and verifies with nothing but hmac."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.sandbox.simulator import WEBHOOK_SECRET, Received, new_trade_no

PAYMENTS, REFUNDS = "/mock/v1/payments", "/mock/v1/refunds"


class MockMerchant:
    """Calls the doors below /mock/v1; answers must be signed with *key*."""

    def __init__(self, base_url: str, key: bytes = WEBHOOK_SECRET.encode()) -> None:
        self._key = key
        self.http = httpx.Client(base_url=base_url, trust_env=False, timeout=30)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        signed_as: str | None = None,
        age_seconds: int = 0,
        key: bytes | None = None,
    ) -> httpx.Response:
        """Send one call; *signed_as* is the first line that is signed instead of the true one."""
        raw = b"" if body is None else json.dumps(body).encode()
        content = (signed_as or f"{method} {path}").encode() + b"\n" + raw
        call_id, at = f"call_{secrets.token_hex(8)}", str(int(time.time()) - age_seconds)
        headers = {
            "webhook-id": call_id,
            "webhook-timestamp": at,
            "webhook-signature": signature(call_id, at, content, key or self._key),
        }
        reply = self.http.request(method, path, content=raw, headers=headers)
        if reply.status_code != 401:
            assert reply.headers["webhook-id"] == call_id
            answer = f"{reply.status_code}\n".encode() + reply.content
            assert is_signed(reply.headers, answer, self._key)
        return reply

    def open(self, wanted: dict[str, Any]) -> httpx.Response:
        """Open a payment."""
        return self.call("POST", PAYMENTS, wanted)

    def refund(self, wanted: dict[str, Any], refund_no: str, amount: int) -> httpx.Response:
        """Ask for money of a payment back."""
        body = {
            "refund_no": refund_no,
            "attempt_no": wanted["attempt_no"],
            "amount": amount,
            "currency": "CNY",
            "reason": "the show is off",
            "notify_url": wanted["notify_url"],
        }
        return self.call("POST", REFUNDS, body)

    def status(self, wanted: dict[str, Any]) -> str:
        """Ask what became of a payment."""
        return str(self.call("GET", f"{PAYMENTS}/{wanted['attempt_no']}").json()["status"])


def a_payment(notify_url: str, **changes: object) -> dict[str, Any]:
    """Return the words of a payment of 99 yuan, of an order of its own."""
    return {
        "attempt_no": new_trade_no(),
        "order_id": secrets.randbelow(2**40) + 1,
        "intent_id": 4,
        "amount": 9900,
        "currency": "CNY",
        "description": "Guichet Demo Night",
        "notify_url": notify_url,
        "expires_at": (datetime.now(UTC) + timedelta(minutes=30)).isoformat(),
    } | changes


def signature(message_id: str, at: str, content: bytes, key: bytes) -> str:
    """Sign in the layout of Standard Webhooks."""
    digest = hmac.digest(key, f"{message_id}.{at}.".encode() + content, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def is_signed(
    headers: Mapping[str, str], content: bytes, key: bytes = WEBHOOK_SECRET.encode()
) -> bool:
    """Tell whether the provider signed *content* just now."""
    lowered = {name.lower(): value for name, value in dict(headers).items()}
    at = lowered["webhook-timestamp"]
    good = signature(lowered["webhook-id"], at, content, key)
    return abs(time.time() - int(at)) < 60 and lowered["webhook-signature"] == good


def types(events: list[Received]) -> list[str]:
    """Name events in the order in which they came."""
    return [event.message["type"] for event in events]
