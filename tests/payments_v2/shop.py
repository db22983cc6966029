"""Somebody who pays by intents, an organizer who sends money back, and a provider's webhooks."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from itertools import count
from typing import Any

import httpx

from tests.journeys.service import Person, Service, eventually

EVENT, STANDARD, PRICE = 1, 1, 9900
SECRET = "whsec_" + base64.b64encode(b"sandbox webhooks of a test, 32 bytes").decode()

_names = count(1)


class Payer(Person):
    """A buyer with one order."""

    def __init__(self, service: Service) -> None:
        super().__init__(service, f"payer-{next(_names)}-{secrets.token_hex(4)}")
        answer = self.order(EVENT, STANDARD)
        assert answer.status_code == 201, answer.text
        self.bought: dict[str, Any] = answer.json()
        self.order_id: int = self.bought["orderId"]

    def post(self, path: str, **body: Any) -> httpx.Response:  # noqa: ANN401
        """Ask something of the payments API."""
        return self.service.client.post(f"/payments/{path}", json=body, headers=self.headers)

    def want(self, key: str = "intent", amount: int = PRICE, **more: Any) -> httpx.Response:  # noqa: ANN401
        """Ask for an intent."""
        said = {"orderId": self.order_id, "amount": amount, "currency": "CNY"} | more
        return self.post("create_intent", idempotencyKey=key, **said)

    def confirm(self, key: str = "confirm", **more: Any) -> httpx.Response:  # noqa: ANN401
        """Confirm the order's intent."""
        intent_id = self.want().json()["intentId"]
        return self.post("confirm", intentId=intent_id, idempotencyKey=key, **more)

    def payments(self) -> dict[str, list[dict[str, Any]]]:
        """List everything that was paid, tried and sent back."""
        path = f"/orders/{self.order_id}/payments"
        answer = self.service.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        listed: dict[str, list[dict[str, Any]]] = answer.json()
        return listed

    def now(self) -> dict[str, Any]:
        """See the order."""
        return self.see(EVENT, self.order_id)

    def wait(self, **wanted: str | None) -> dict[str, Any]:
        """Wait until the order looks as *wanted*."""

        def looks() -> dict[str, Any] | None:
            seen = self.now()
            return seen if wanted.items() <= seen.items() else None

        found: dict[str, Any] = eventually(looks)
        return found

    def paid(self) -> "Payer":
        """Pay."""
        assert self.confirm().status_code == 201
        self.wait(paymentStatus="PAID")
        return self


class Desk(Person):
    """The organizer of the event."""

    def __init__(self, service: Service) -> None:
        super().__init__(service, "organizer", "organizer")

    def refund(self, payer: Payer, key: str = "refund", **more: Any) -> httpx.Response:  # noqa: ANN401
        """Send money of an order back."""
        body = {"orderId": payer.order_id, "idempotencyKey": key} | more
        return self.service.client.post("/payments/refund", json=body, headers=self.headers)

    def retry(self, refund_id: int, **more: Any) -> httpx.Response:  # noqa: ANN401
        """Try a refund again."""
        body = {"refundId": refund_id} | more
        return self.service.client.post("/payments/refund/retry", json=body, headers=self.headers)


def event(payer: Payer, kind: str, **data: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a normalized event about a payer's order."""
    intent_id = payer.want().json()["intentId"]
    told = {
        "order_id": payer.order_id,
        "intent_id": intent_id,
        "amount": PRICE,
        "currency": "CNY",
        "status": kind.partition(".")[2],
    }
    return {
        "event_id": f"evt_{secrets.token_hex(8)}",
        "type": kind,
        "provider": "mock",
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "data": told | data,
    }


def hold_refund_of(payer: Payer) -> None:
    """Have the mock keep the next refund of a payer's money to itself."""
    (attempt_no,) = (one["attemptNo"] for one in payer.payments()["attempts"])
    subject = {"provider": "mock", "out_trade_no": attempt_no}
    fault = {"operation": "refund", "mode": "hold"} | subject
    assert payer.service.sandbox.post("/control/faults", json=fault).is_success


def tell(
    service: Service, told: dict[str, Any], *, secret: str = SECRET, age_seconds: int = 0
) -> httpx.Response:
    """Send an event as a provider does, signed as the Standard Webhooks specification says."""
    body = json.dumps(told).encode()
    return service.client.post(
        "/payments/webhook",
        content=body,
        headers=signed(told["event_id"], body, secret, age_seconds),
    )


def signed(event_id: str, body: bytes, secret: str, age_seconds: int = 0) -> dict[str, str]:
    """Sign a body."""
    stamp = str(int(time.time()) - age_seconds)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
