"""A small town where a few people do everything to a few tickets, and a bank that obliges."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from actors.actor import Actor
from actors.checkout import Checkout
from actors.payers import Merchant
from contracts.channels import Payer
from contracts.commands import Expire, RecordPayment
from contracts.errors import Refusal
from contracts.facts import FactSource, PaymentSucceeded
from contracts.order import Order
from contracts.states import REFUNDS_UNDER_WAY, Channel
from models.engine import Database
from models.invariants import check_invariants
from tests.conftest import empty
from tests.faults.bank import NAME, Bank
from tests.storage.stage import POLICY, OnSale, add_type, put_on_sale, wish

MERCHANT = Merchant(provider=NAME, merchant_id="1", appid="wx1", notify_url="http://127.0.0.1/n")
PEOPLE = range(1, 6)
SEATS = 7
_Result = TypeVar("_Result")


class Town:
    """One process of the service without its worker: what a sweep would do is a deed, too.

    Each deed ends before the next begins, and a refusal is an answer.
    """

    def __init__(self, database_url: str) -> None:
        self._runner = asyncio.Runner()
        self.database = self.run(Database.connect(database_url, max_size=4))

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
        """Put two scarce kinds of ticket and a free one on sale to people who know nothing yet."""
        self.bank = Bank()
        self.actor = Actor(database=self.database, redis=None, policy=POLICY)
        self.checkout = Checkout(
            actor=self.actor,
            database=self.database,
            providers={NAME: self.bank},
            merchants={NAME: MERCHANT},
        )
        self.orders: list[int] = []
        self.run(self._put_on_sale(require_approval=require_approval))

    def end(self) -> None:
        """Let everything come to rest and clear the tables."""
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

    async def buy(self, person: int, kind: int, quantity: int) -> None:
        """Order tickets."""
        command = wish(self.kinds[kind], person, quantity)
        sale = await self.actor.create(command)
        if sale.order_id is not None and sale.order_id not in self.orders:
            self.orders.append(sale.order_id)

    async def prepare(self, order: Order) -> None:
        """Open a way to pay."""
        await self.checkout.prepare(order, Channel.WECHAT_NATIVE, Payer(appid="wx1"))

    async def pay(self, order: Order) -> None:
        """Pay whatever was ever opened, open or not, and let the notice come."""
        for attempt in order.attempts:
            trade = self.bank.trades.get(attempt.attempt_no)
            if trade is not None and trade.status != "PAID":
                trade.status = "PAID"
                await self._tell(order, attempt.attempt_no)
                return

    async def _tell(self, order: Order, attempt_no: str) -> None:
        request = self.bank.trades[attempt_no].request
        fact = PaymentSucceeded(
            provider=NAME,
            attempt_no=attempt_no,
            provider_txn_id=f"T{attempt_no}",
            paid=request.amount,
            merchant_id=request.merchant_id,
            appid=request.appid,
            paid_at=datetime.now(UTC),
            source=FactSource.NOTICE,
        )
        await self.actor.take_turn(RecordPayment(order_id=order.id, fact=fact))

    async def expire(self, order: Order) -> None:
        """Let time be up."""
        await self.database.execute(
            "UPDATE orders SET expired_at = now() - interval '1 s' WHERE id = $1", order.id
        )
        await self.actor.take_turn(Expire(order_id=order.id))

    async def close_owed(self, order: Order) -> None:
        """Close at the bank what is owed a close."""
        for attempt in order.live_attempts:
            if attempt.close_owed:
                await self.checkout.close_attempt(order.id, attempt.attempt_no)

    async def pursue(self, order: Order) -> None:
        """Take every refund under way a step further."""
        for refund in order.refunds:
            if refund.status in REFUNDS_UNDER_WAY:
                await self.checkout.pursue_refund(order.id, refund.refund_no)

    async def _put_on_sale(self, *, require_approval: bool) -> None:
        first = await put_on_sale(
            self.database,
            max_quantity=SEATS,
            max_attendees=2 * SEATS,
            tiers={2: 16900, 4: 32000},
            require_approval=require_approval,
        )
        second = await self._add(first, price_minor=5000)
        free = await self._add(first, price_minor=0)
        self.kinds = (first, second, free)

    async def _add(self, sale: OnSale, *, price_minor: int) -> OnSale:
        kind = await add_type(
            self.database, sale.event_id, price_minor=price_minor, max_quantity=SEATS
        )
        return OnSale(event_id=sale.event_id, ticket_type_id=kind)
