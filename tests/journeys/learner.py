"""Somebody in the course shop: one seat, one order, and a charge wherever they like."""

import secrets
from typing import Any

import httpx

from tests.journeys.service import Person, Service, act, eventually, trade_status

EVENT, STANDARD, HOT = 1, 1, 3
CHARGE = "reqiure-to-pay"
PAYABLE, PAID, REFUNDED, OVER = 504, 502, 503, 505


class Learner(Person):
    """A buyer with one order of the course shop's."""

    def __init__(self, service: Service, course_id: int = HOT) -> None:
        super().__init__(service, f"learner-{secrets.token_hex(6)}")
        self.course_id = course_id
        self.order_no = ""
        self.start_anew()

    def start_anew(self) -> str:
        """Order the course, or find the order that waits; return its number."""
        self.order_no = self.told("init-order", course_id=self.course_id)["order_id"]
        return self.order_no

    def ask(self, door: str, **said: Any) -> httpx.Response:  # noqa: ANN401 - JSON
        """Ask one of the doors about nothing in particular."""
        return self.service.client.post(f"/api/order/{door}", json=said, headers=self.headers)

    def told(self, door: str, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Ask, and be answered."""
        answer = self.ask(door, **said)
        assert answer.status_code == 200, answer.text
        read: dict[str, Any] = answer.json()
        return read

    def charge(self, payment_channel: str, channel: str | None = None) -> dict[str, Any]:
        """Ask for a charge of the order's."""
        way = {"payment_channel": payment_channel, "channel": channel}
        return self.told(CHARGE, order_id=self.order_no, **way)

    def detail(self) -> dict[str, Any]:
        """Read what is known of the payment."""
        return self.told("payment-detail", order_id=self.order_no)

    def sync(self, **said: Any) -> httpx.Response:  # noqa: ANN401 - JSON
        """Have Stripe asked."""
        return self.ask("stripe/sync", order_id=self.order_no, **said)

    def standing(self) -> dict[str, Any]:
        """Read how the order stands in the course shop."""
        return self.told("query-order", order_id=self.order_no)

    def order(self) -> dict[str, Any]:  # type: ignore[override] # one order is all they have
        """Read the order as the event's own pages show it."""
        path = f"/api/events/{EVENT}/orders/{self.order_no}"
        answer = self.service.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        return seen

    def books(self) -> dict[str, list[dict[str, Any]]]:
        """List everything that was paid, tried and sent back."""
        answer = self.service.client.get(f"/orders/{self.order_no}/payments", headers=self.headers)
        assert answer.status_code == 200, answer.text
        listed: dict[str, list[dict[str, Any]]] = answer.json()
        return listed

    def attempt(self, n: int = 1) -> str:
        """Name the order's nth attempt."""
        return f"{self.order_no}{n:02d}"

    def wait(self, status: int) -> dict[str, Any]:
        """Wait until the course shop says that the order stands so."""
        found: dict[str, Any] = eventually(
            lambda: (seen := self.standing())["status"] == status and seen
        )
        return found

    def wait_at_provider(self, n: int, status: str) -> None:
        """Wait until the provider's books say that of the nth attempt."""
        eventually(lambda: trade_status(self.service, self.attempt(n)) == status)

    def pay(self, n: int = 1, deed: str = "pay", **options: Any) -> None:  # noqa: ANN401 - JSON
        """Do what a payer does at the nth attempt's provider."""
        answer = act(self.service, self.attempt(n), deed, **options)
        assert answer.status_code == 200, answer.text

    def paid_by(self, n: int = 1) -> dict[str, Any]:
        """Pay the nth attempt and wait until the order knows."""
        self.pay(n)
        return self.wait(PAID)


def trade(service: Service, attempt_no: str) -> dict[str, Any]:
    """Find a trade in the provider's books."""
    told = service.sandbox.get("/control/trades", params={"order_no": attempt_no[:16]}).json()
    (found,) = (one for one in told["trades"] if one["out_trade_no"] == attempt_no)
    return dict(found)


def craft(service: Service, attempt_no: str, kind: str, **overrides: Any) -> dict[str, Any]:  # noqa: ANN401
    """Have a provider send one notice of that kind, honest but for what is overridden."""
    wanted = {"out_trade_no": attempt_no, "kind": kind, "overrides": overrides}
    answer = service.sandbox.post("/control/notices", json=wanted)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def publishable_key(service: Service) -> str:
    """Read the key that a payer's page has."""
    key: str = service.client.get("/api/config").json()["stripePublishableKey"]
    return key


def confirm_card(service: Service, client_secret: str, card: str) -> httpx.Response:
    """Pay an intent with a card, in the words of Stripe.js and with no more than a page knows."""
    intent = client_secret.partition("_secret_")[0]
    said = {
        "key": publishable_key(service),
        "client_secret": client_secret,
        "payment_method_data[type]": "card",
        "payment_method_data[card][number]": card,
    }
    return service.sandbox.post(f"/stripe/v1/payment_intents/{intent}/confirm", data=said)


def visit(url: str, **form: str) -> httpx.Response:
    """Open a page as a payer's browser does, or send its form; nobody is followed anywhere."""
    with httpx.Client(timeout=20, trust_env=False) as browser:
        return browser.post(url, data=form) if form else browser.get(url)


def news_of(service: Service, order_no: str) -> list[dict[str, Any]]:
    """List what the group of our own people was told of an order, oldest first."""
    posts = service.sandbox.get("/control/feishu").json()["items"]
    return [one for one in reversed(posts) if f"订单：{order_no}" in one["lines"]]
