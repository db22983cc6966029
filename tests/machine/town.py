"""A small town where a few people do everything to a few tickets, and a bank that obliges.

Each deed ends before the next begins, and a refusal is an answer. What the worker would do is a
deed, too.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from actors.actor import Actor
from actors.checkout import Checkout
from actors.limiter import Limiter
from actors.payers import Merchant
from actors.places import Places
from contracts.errors import Refusal
from contracts.order import Order
from models.engine import Database
from models.invariants import check_invariants
from tests.conftest import empty
from tests.faults.bank import NAME, Bank
from tests.storage.stage import POLICY, OnSale, add_type, make_coupon, put_on_sale, wish

PEOPLE = range(1, 6)
CODES = ("HALF", "ALL")
SEATS = 7
_MERCHANT = Merchant(provider=NAME, merchant_id="1", appid="wx1", notify_url="http://127.0.0.1/n")
_Result = TypeVar("_Result")


class Town:
    """One process of the service without its worker, and what happened in it so far."""

    bank: Bank
    actor: Actor
    checkout: Checkout
    places: Places
    kinds: tuple[OnSale, ...]

    def __init__(self, database_url: str) -> None:
        self._runner = asyncio.Runner()
        self.database = self.run(Database.connect(database_url, max_size=4))
        self.orders: list[int] = []

    def run(self, deed: Coroutine[Any, Any, _Result]) -> _Result:
        """Finish one deed."""
        return self._runner.run(deed)

    def do(self, deed: Coroutine[Any, Any, _Result]) -> _Result | None:
        """Finish one deed, or hear why not."""
        try:
            return self._runner.run(deed)
        except Refusal:
            return None

    def begin(self, *, require_approval: bool) -> None:
        """Put scarce tickets on sale, two kinds and a free one, and give out two coupons."""
        self.orders = []
        self.bank = Bank()
        self.actor = Actor(database=self.database, redis=None, policy=POLICY)
        self.checkout = Checkout(
            actor=self.actor,
            database=self.database,
            providers={NAME: self.bank},
            merchants={NAME: _MERCHANT},
        )
        self.places = Places(
            database=self.database,
            actor=self.actor,
            wrong_codes=Limiter(None, name="codes", limit=1000, window_seconds=60),
            gift_code_key=POLICY.gift_code_key,
        )
        self.run(self._put_on_sale(require_approval=require_approval))

    def end(self) -> None:
        """Let everything come to rest and clear the tables."""
        if hasattr(self, "actor"):
            self.run(self.checkout.close())
            self.run(self.actor.close())
        self.run(empty(self.database))

    def close(self) -> None:
        """Leave for good."""
        self.run(self.database.close())
        self._runner.close()

    def check(self) -> None:
        """Assert every promise."""
        broken = [f for f in self.run(check_invariants(self.database)) if f.violations]
        assert broken == []

    def load(self, n: int) -> Order:
        """Read one of the orders made so far."""
        return self.run(self.actor.load(self.orders[n % len(self.orders)]))

    def load_paid(self, n: int) -> Order:
        """Read one of the orders that are paid, or any while none is."""
        paid = self.run(
            self.database.fetch("SELECT id FROM orders WHERE status = 'PAID' ORDER BY id")
        )
        return self.run(self.actor.load(paid[n % len(paid)]["id"])) if paid else self.load(n)

    async def buy(self, person: int, kind: int, quantity: int, code: str | None) -> None:
        """Order tickets, or take a free one."""
        command = wish(self.kinds[kind], person, quantity, coupon_code=code)
        sale = await self.checkout.buy(command)
        if sale.order_id is not None and sale.order_id not in self.orders:
            self.orders.append(sale.order_id)

    async def free_places(self) -> list[int]:
        """List the places that belong to no order."""
        rows = await self.database.fetch(
            "SELECT id FROM registrations WHERE order_id IS NULL ORDER BY id"
        )
        return [row["id"] for row in rows]

    async def _put_on_sale(self, *, require_approval: bool) -> None:
        first = await put_on_sale(
            self.database,
            max_quantity=SEATS,
            max_attendees=2 * SEATS,
            tiers={2: 16900, 4: 32000},
            require_approval=require_approval,
        )
        self.kinds = (
            first,
            await self._add(first, price_minor=5000),
            await self._add(first, price_minor=0),
        )
        await make_coupon(self.database, "HALF", value=50, max_uses=2)
        await make_coupon(self.database, "ALL", value=100, max_uses=1)

    async def _add(self, sale: OnSale, *, price_minor: int) -> OnSale:
        kind = await add_type(
            self.database, sale.event_id, price_minor=price_minor, max_quantity=SEATS
        )
        return OnSale(event_id=sale.event_id, ticket_type_id=kind)
