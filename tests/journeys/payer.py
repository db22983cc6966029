"""Somebody who pays for a course, and what may be seen and done around that."""

import secrets
from typing import Any

import asyncpg
import httpx

from models.engine import Database
from tests.journeys.service import Person, Service, eventually
from tests.journeys.test_first_sale import wait_for, wait_for_row

EVENT, COURSE, PRICE = 1, 3, 5000
CHARGE_DETAIL = {
    "payment_channel",
    "course_id",
    "order_bid",
    "charge_id",
    "transaction_no",
    "status",
    "amount",
    "currency",
    "channel",
    "extra",
    "charge_object",
}
PENDING, PAID, REFUNDED, CLOSED = range(4)


class Learner(Person):
    """A buyer with one order of one seat."""

    def __init__(self, service: Service) -> None:
        super().__init__(service, f"learner-{secrets.token_hex(6)}")
        self.number: str = self.ask("init-order", course_id=COURSE)["order_id"]
        self.bought: dict[str, Any] = self.now() | {"orderNo": self.number}
        self.bought["orderId"] = self.bought["id"]

    def post(self, door: str, **body: Any) -> httpx.Response:  # noqa: ANN401
        """Ask at one of the course shop's doors."""
        path = f"/api/order/{door}"
        return self.service.client.post(path, json=body, headers=self.headers)

    def ask(self, door: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401
        """Ask, and insist on an answer."""
        answer = self.post(door, **body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def charge(self, provider: str, channel: str | None = None) -> dict[str, Any]:
        """Require to pay the order at a provider."""
        said = {"payment_channel": provider} | ({} if channel is None else {"channel": channel})
        return self.ask("reqiure-to-pay", order_id=self.number, **said)

    def detail(self) -> dict[str, Any]:
        """Ask what is known of the payment."""
        return self.ask("payment-detail", order_id=self.number)

    def now(self) -> dict[str, Any]:
        """See the order."""
        path = f"/api/events/{EVENT}/orders/{self.number}"
        answer = self.service.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        return seen

    def payments(self) -> dict[str, list[dict[str, Any]]]:
        """List everything that was tried, paid and sent back."""
        answer = self.service.client.get(f"/orders/{self.number}/payments", headers=self.headers)
        assert answer.status_code == 200, answer.text
        listed: dict[str, list[dict[str, Any]]] = answer.json()
        return listed

    def wait(self, status: str = "PAID") -> dict[str, Any]:
        """Wait until the order has come so far."""
        return wait_for(self, self.bought, status)

    def number_of(self, n: int = 1) -> str:
        """Name the order's n-th attempt."""
        return f"{self.number}{n:02d}"


class Desk(Person):
    """The organizer of the event."""

    def __init__(self, service: Service) -> None:
        super().__init__(service, "organizer", "organizer")

    def refund(self, learner: Learner, **said: Any) -> dict[str, Any]:  # noqa: ANN401
        """Send money of an order back."""
        answer = self.service.client.post(
            f"/api/events/{EVENT}/orders/{learner.number}/refund",
            json={"reason": "cannot come"} | said,
            headers=self.headers,
        )
        assert answer.status_code == 201, answer.text
        owed: dict[str, Any] = answer.json()
        return owed


async def case_of(books: Database, learner: Learner) -> tuple[str, str]:
    """Wait for the question that an order raises: its kind and its reason."""
    sql = "SELECT kind, reason FROM cases WHERE order_id = $1"
    row = await wait_for_row(books, sql, learner.bought["orderId"])
    return row["kind"], row["reason"]


async def refund_that(books: Database, owed: dict[str, Any], status: str) -> asyncpg.Record:
    """Wait until a refund has come so far."""
    sql = "SELECT * FROM refunds WHERE id = $1 AND status = $2"
    row: asyncpg.Record = await wait_for_row(books, sql, owed["refundId"], status)
    return row


def spoil(
    service: Service,
    attempt_no: str,
    provider: str,
    operation: str,
    mode: str,
    **more: Any,  # noqa: ANN401
) -> None:
    """Have the next call of one kind about an attempt go wrong."""
    fault = {"provider": provider, "operation": operation, "mode": mode} | more
    answer = service.sandbox.post("/control/faults", json=fault | {"out_trade_no": attempt_no})
    assert answer.is_success, answer.text


def calls_of(service: Service, attempt_no: str) -> dict[str, int]:
    """Count what the provider was asked about one attempt."""
    told = service.sandbox.get("/control/calls", params={"out_trade_no": attempt_no}).json()
    counted: dict[str, int] = told["calls"]
    return counted


def statuses_of(service: Service, attempt_no: str) -> list[int | None]:
    """List what we answered to each notice about an attempt."""
    told = service.sandbox.get("/control/notices", params={"out_trade_no": attempt_no}).json()
    return [notice["status"] for notice in told["notices"]]


def craft(
    service: Service,
    attempt_no: str,
    kind: str = "success",
    **overrides: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Have the provider send one notice, honest but for what is overridden."""
    told = {"out_trade_no": attempt_no, "kind": kind, "overrides": overrides}
    answer = service.sandbox.post("/control/notices", json=told)
    assert answer.status_code == 200, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


def at_provider(service: Service, attempt_no: str) -> str:
    """Ask the provider's books how an attempt stands; empty where they have none."""
    told = service.sandbox.get("/control/trades", params={"order_no": attempt_no[:16]}).json()
    found = {trade["out_trade_no"]: trade["status"] for trade in told["trades"]}
    status: str = found.get(attempt_no, "")
    return status


def is_eventually(service: Service, attempt_no: str, status: str) -> None:
    """Wait until the provider's books say so."""
    eventually(lambda: at_provider(service, attempt_no) == status)


def no_secret_in(text: str) -> bool:
    """Tell that an answer has nothing in it that pays, nor says who pays."""
    words = ("openid", "open_id", "prepay", "paySign", "client_secret", "/pingxx/qr/", "cashier")
    return not any(word.lower() in text.lower() for word in words)
