"""People who buy whatever happens, and remember every yes they were given."""

import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from tests.faults.house import FaultHouse

EVENT, STANDARD, HOT = 1, 1, 3
# A person presses the button again after this; a frozen process would keep them for ever.
_PATIENCE_SECONDS = 4.0
_GIVE_UP_SECONDS = 60.0
_AGAIN_SECONDS = 0.1
_numbers = itertools.count(1)


class Ledger:
    """Every yes that was given; each must still be true when the dust has settled."""

    def __init__(self) -> None:
        self.sold: dict[int, dict[str, Any]] = {}
        self.seen: dict[int, str] = {}
        self.broken: list[str] = []

    def note_sale(self, made: dict[str, Any]) -> None:
        """Remember an order that was confirmed."""
        earlier = self.sold.setdefault(made["orderId"], made)
        for name in ("orderNo", "quantity", "totalAmount"):
            if earlier[name] != made[name]:
                self.broken.append(f"order {made['orderId']}: {name} changed")

    def take(self, other: "Ledger") -> None:
        """Remember what somebody else was told, too."""
        self.sold |= other.sold
        self.seen |= other.seen
        self.broken += other.broken

    def note_status(self, order_id: int, status: str) -> None:
        """Remember an end that was confirmed."""
        if status in ("PAID", "CANCELLED", "EXPIRED", "REFUNDED"):
            self.seen[order_id] = status


class Buyer:
    """Somebody who asks again until there is an answer."""

    def __init__(
        self, house: FaultHouse, ledger: Ledger, *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        self.house = house
        self.ledger = ledger
        self.patience_seconds = patience_seconds
        self.put_off = 0
        self.name = f"buyer {os.getpid()} {next(_numbers)}"
        self._headers: dict[str, str] = {}
        answer = self.send("POST", "/api/auth/sandbox-login", {"name": self.name})
        self._headers = {"Authorization": f"Bearer {answer.json()['token']}"}

    def send(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> httpx.Response:
        """Ask until something other than a failure comes back."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while True:
            try:
                # A connection of its own each time: the last one may lead to a dead process.
                answer = httpx.request(
                    method,
                    self.house.url + path,
                    json=body,
                    headers=headers,
                    timeout=self.patience_seconds,
                    trust_env=False,
                )
                if answer.status_code < 500:
                    return answer
                self.put_off += answer.status_code == 503
                said = f"{answer.status_code} {answer.text[:200]}"
            except httpx.TransportError as error:
                said = repr(error)
            assert time.monotonic() < deadline, f"{method} {path}: {said}"
            self._rest()

    def order(self, *, prepare: bool = True, quantity: int = 1) -> dict[str, Any]:
        """Buy, and with *prepare* ask until there is a way to pay."""
        key = f"{self.name} {next(_numbers)}"
        body = {"ticketTypeId": STANDARD, "quantity": quantity, "prepare": prepare}
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while True:
            answer = self.send("POST", f"/api/events/{EVENT}/orders", body, key=key)
            assert answer.status_code in (200, 201), answer.text
            made: dict[str, Any] = answer.json()
            self.ledger.note_sale(made)
            if made["payPayload"] or not prepare:
                return made
            assert time.monotonic() < deadline, made
            self._rest()

    def prepare(self, order: dict[str, Any]) -> None:
        """Ask until there is a way to pay for an order that was left without."""
        body = {"bizType": "EVENT_TICKET", "bizId": order["orderNo"]}
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while (
            answer := self.send("POST", "/api/payments/wechat/prepare", body)
        ).status_code != 200:
            assert answer.json()["code"] == "PREPARE_IN_PROGRESS", answer.text
            assert time.monotonic() < deadline, order
            self._rest()

    def see(self, order: dict[str, Any]) -> str:
        """Look at an order."""
        answer = self.send("GET", f"/api/events/{EVENT}/orders/{order['orderId']}")
        assert answer.status_code == 200, answer.text
        status: str = answer.json()["status"]
        self.ledger.note_status(order["orderId"], status)
        return status

    def wait_for(self, order: dict[str, Any], *statuses: str, within: float = 60) -> None:
        """Look until the order has one of *statuses*."""
        self.house.until(lambda: self.see(order) in statuses, within=within)

    def cancel(self, order: dict[str, Any]) -> None:
        """Leave, and see it through."""
        answer = self.send("POST", f"/api/events/{EVENT}/orders/{order['orderId']}/cancel")
        assert answer.status_code in (200, 202), answer.text
        self.ledger.note_status(order["orderId"], answer.json()["status"])
        self.wait_for(order, "CANCELLED")

    def ask(self, order: dict[str, Any]) -> None:
        """Press "I have paid"."""
        answer = self.send("POST", f"/api/events/{EVENT}/orders/{order['orderId']}/query")
        assert answer.status_code == 200, answer.text

    def pay(self, order: dict[str, Any], **options: object) -> None:
        """Scan the code and pay."""
        trade = f"{order['orderNo']}01"
        answer = self.house.sandbox.post(f"/control/trades/{trade}/pay", json=options)
        assert answer.status_code == 200, answer.text

    def _rest(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self.house.tend()
        time.sleep(_AGAIN_SECONDS)


def end_time(house: FaultHouse, order: dict[str, Any]) -> None:
    """Let an order's time be up."""
    house.rows(
        "UPDATE orders SET expired_at = now() - interval '1 s' WHERE id = $1", order["orderId"]
    )


def wait_through_claims(buyer: Buyer, order: dict[str, Any], status: str) -> None:
    """Wait for a status while the time for another try comes again and again."""

    def reached() -> bool:
        buyer.house.time_passes()
        return buyer.see(order) == status

    buyer.house.until(reached, every=0.5)


# The flows: each takes one buyer from nothing to an end.


def create(house: FaultHouse, ledger: Ledger) -> None:
    """Take two seats and leave it at that."""
    Buyer(house, ledger).order(prepare=False, quantity=2)


def prepare(house: FaultHouse, ledger: Ledger) -> None:
    """Take a seat, and get a way to pay later."""
    buyer = Buyer(house, ledger)
    buyer.prepare(buyer.order(prepare=False))


def settle(house: FaultHouse, ledger: Ledger) -> None:
    """Pay, and hear of it."""
    buyer = Buyer(house, ledger)
    order = buyer.order(quantity=2)
    buyer.pay(order)
    buyer.wait_for(order, "PAID")


def ask(house: FaultHouse, ledger: Ledger) -> None:
    """Pay; the notice is lost, and the buyer asks."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    buyer.pay(order, drop=True)
    buyer.ask(order)
    wait_through_claims(buyer, order, "PAID")


def expire(house: FaultHouse, ledger: Ledger) -> None:
    """Let the time run out with a code on the screen."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    end_time(house, order)
    buyer.wait_for(order, "EXPIRED")


def close(house: FaultHouse, ledger: Ledger) -> None:
    """Leave with a code on the screen."""
    buyer = Buyer(house, ledger)
    buyer.cancel(buyer.order())


def refund(house: FaultHouse, ledger: Ledger) -> None:
    """Pay for an order that has ended, while another one of the buyer's stands."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    # A provider that takes the money after it said "closed".
    house.rows(
        "UPDATE payment_attempts SET state = 'CLOSED', due_at = NULL WHERE order_id = $1",
        order["orderId"],
    )
    end_time(house, order)
    buyer.wait_for(order, "EXPIRED")
    buyer.order(prepare=False)
    buyer.pay(order)
    house.until(
        lambda: house.value(
            "SELECT id FROM refunds WHERE order_id = $1 AND status = 'succeeded'", order["orderId"]
        ),
        within=60,
    )


Flow = Callable[[FaultHouse, Ledger], None]
FLOWS: dict[str, Flow] = {
    flow.__name__: flow for flow in (create, prepare, settle, ask, expire, close, refund)
}


class Crowd:
    """A few buyers who go on buying until they are told to stop."""

    def __init__(self, house: FaultHouse, ledger: Ledger, *, size: int, seed: int) -> None:
        self._house = house
        self._ledger = ledger
        self._over = threading.Event()
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._buy, args=(random.Random(f"{seed} {n}"),))  # noqa: S311
            for n in range(size)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # Somebody must start again what ends while they finish.
        while any(thread.is_alive() for thread in self._threads):
            self._house.tend()
            time.sleep(0.05)

    def _buy(self, chance: random.Random) -> None:
        while not self._over.is_set():
            flow = chance.choice([create, settle, close, expire])
            try:
                flow(self._house, self._ledger)
            except Exception as failure:  # noqa: BLE001 - told to the main thread
                self.failures.append(f"{flow.__name__}: {failure!r}")
                return
