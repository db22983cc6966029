"""Selling: a group of requests for one event, answered in one commit.

Seats are given out under the ticket types' locks by the pure `allocate`; the counters rise by
what was really inserted, in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias, TypeGuard

from msgspec.structs import replace

from actors.coupon_sales import lock_named, settle_free, take_uses_of, with_coupon
from actors.failpoints import Reach, nowhere
from actors.lane import Again
from actors.new_orders import new_order, new_place, sale_of_order, sale_of_place
from actors.pricing import is_offered, total_minor
from actors.sale import Sale, answer_without_seats, earlier_sale, repeat_of_key
from actors.wishes import SoldOutHints, Wish, grant_with_coupons
from contracts import errors
from contracts.catalogue import Offer
from contracts.commands import CreateOrder
from contracts.coupons import Coupon
from contracts.policy import Policy
from models.catalogue import load_offers
from models.engine import Database, Tx
from models.sales import (
    Standing,
    insert_orders,
    insert_places,
    remember_found,
    standing,
)
from models.seats import Stock, count_sold, lock_stock

Outcome: TypeAlias = Sale | errors.Refusal | Again

HAS_A_PRICE = "This ticket has a price; make an order for it."


class SalesCommit:
    """Answers groups of requests; knows the catalogue by heart until its version changes."""

    def __init__(self, database: Database, policy: Policy, *, reach: Reach = nowhere) -> None:
        self._database = database
        self._policy = policy
        self._reach = reach
        self._offers: dict[int, Offer] = {}
        self._hints = SoldOutHints()

    async def __call__(self, requests: Sequence[CreateOrder]) -> list[Outcome]:
        """Answer each request. Safe to repeat: an order number already written is found again."""
        firsts = _first_of_each_buyer(requests)
        hopeless = [r for r in firsts if self._is_hopeless(r)]
        hopeful = [request for request in firsts if request not in hopeless]
        answers = {**await self._refuse(hopeless), **await self._serve(hopeful)}
        # A buyer's second request waits for what became of the first.
        return [answers.get(request.order_no, Again()) for request in requests]

    def _is_hopeless(self, request: CreateOrder) -> bool:
        # What a key finds must be remembered, and that takes a transaction.
        is_keyed = request.idempotency_key is not None
        if is_keyed or not self._is_offered(request):
            return False
        return self._hints.rule_out(request.ticket_type_id, request.quantity)

    def _is_offered(self, request: CreateOrder) -> bool:
        # Who asks for what is not there at all is told that, whatever is left.
        offer = self._offers.get(request.ticket_type_id)
        if offer is None or offer.event_id != request.event_id:
            return False
        return is_offered(offer, request.quantity)

    async def _refuse(self, requests: Sequence[CreateOrder]) -> dict[str, Outcome]:
        """Answer without a lock: nothing is left, but an earlier sale is still the answer."""
        if not requests:
            return {}
        held = await standing(self._database, requests[0].event_id, _buyers(requests))
        return {r.order_no: answer_without_seats(r, held[r.user_id]) for r in requests}

    async def _serve(self, requests: Sequence[CreateOrder]) -> dict[str, Outcome]:
        if not requests:
            return {}
        await self._reach("create.begun")
        async with self._database.transaction() as tx:
            event_id = requests[0].event_id
            asked = {request.ticket_type_id for request in requests}
            # Before the lock, that others wait less: who comes in between is found by a unique key.
            held = await standing(tx, event_id, _buyers(requests))
            has_coupons = any(request.coupon_code is not None for request in requests)
            stocks = await lock_stock(tx, asked, event_id=event_id, with_attendance=has_coupons)
            coupons = await lock_named(tx, requests) if has_coupons else {}
            await self._reach("create.locked")
            if await self._learn(tx, stocks):
                # Beside a locked row the statement saw its event as that was before it waited.
                stocks = await lock_stock(tx, asked, event_id=event_id)
            judged = [(r, self._judge(r, held[r.user_id], stocks, coupons)) for r in requests]
            await remember_found(tx, [(r, a.order_id) for r, a in judged if _is_first_find(a, r)])
            wishes = [answer for _, answer in judged if isinstance(answer, Wish)]
            granted, used_up = grant_with_coupons(wishes, stocks)
            sold = await self._sell(tx, granted, stocks) if granted else {}
        await self._reach("create.committed")
        # Only what is committed is news.
        self._hints.learn(stocks.values(), granted)
        sold |= {order_no: errors.CouponInvalid() for order_no in used_up}
        return {r.order_no: _answer(r, judgement, sold) for r, judgement in judged}

    async def _learn(self, tx: Tx, stocks: dict[int, Stock]) -> bool:
        """Read the offers that changed, and tell whether any did."""
        stale = [
            stock.ticket_type_id
            for stock in stocks.values()
            if (known := self._offers.get(stock.ticket_type_id)) is None
            or known.catalog_version != stock.catalog_version
        ]
        if stale:
            self._offers.update(await load_offers(tx, stale))
        return bool(stale)

    def _judge(
        self,
        request: CreateOrder,
        held: Standing,
        stocks: dict[int, Stock],
        coupons: dict[str, Coupon],
    ) -> Wish | Outcome:
        try:
            earlier = earlier_sale(request, held)
            return earlier or with_coupon(self._wish(request, held, stocks), coupons, stocks)
        except errors.Refusal as refusal:
            return refusal

    def _wish(self, request: CreateOrder, held: Standing, stocks: dict[int, Stock]) -> Wish:
        stock = stocks.get(request.ticket_type_id)
        if stock is None or stock.event_id != request.event_id:
            raise errors.NotFound
        offer = self._offers[request.ticket_type_id]
        if not stock.on_sale:
            raise errors.NotOnSale
        if held.is_registered:
            raise errors.AlreadyRegistered
        total = total_minor(offer, request.quantity)
        if request.is_free and total > 0:
            raise errors.InvalidState(HAS_A_PRICE)
        return Wish(command=request, offer=offer, total_minor=total)

    async def _sell(
        self, tx: Tx, granted: Sequence[Wish], stocks: dict[int, Stock]
    ) -> dict[str, Outcome]:
        answers: dict[str, Outcome] = {}
        now = next(iter(stocks.values())).now
        paid = [wish for wish in granted if wish.total_minor > 0]
        free = [wish for wish in granted if wish.total_minor == 0]
        if paid:
            answers.update(await self._insert_orders(tx, paid, now))
        if free:
            answers.update(await _insert_places(tx, free))
        await self._reach("create.inserted")
        await count_sold(tx, [wish.seats for wish in granted])
        await self._reach("create.counted")
        return answers

    async def _insert_orders(
        self, tx: Tx, wishes: Sequence[Wish], now: datetime
    ) -> dict[str, Outcome]:
        orders = [new_order(wish, now, self._policy) for wish in wishes]
        ids = await insert_orders(tx, orders)
        sales = [sale_of_order(new.order, *ids[new.order.order_no]) for new in orders]
        made = [sale.order for sale in sales if sale.order is not None]
        await take_uses_of(tx, made, self._policy)
        settled = await settle_free(tx, made, now, self._policy)
        return {
            order.order_no: replace(sale, order=settled.get(order.id, order))
            for order, sale in zip(made, sales, strict=True)
        }


async def answer_to_key(database: Database, request: CreateOrder) -> Sale | None:
    """Find what a request's key was answered with; nothing is sold and nothing is locked.

    None where it has no key, or one that is new.

    :raises contracts.errors.IdempotencyMismatch: the key was used with another body.
    """
    if request.idempotency_key is None:
        return None
    held = await standing(database, request.event_id, _buyers([request]))
    return repeat_of_key(request, held[request.user_id])


def _first_of_each_buyer(requests: Sequence[CreateOrder]) -> list[CreateOrder]:
    firsts: dict[int, CreateOrder] = {}
    for request in requests:
        firsts.setdefault(request.user_id, request)
    return list(firsts.values())


def _is_first_find(judgement: Wish | Outcome, request: CreateOrder) -> TypeGuard[Sale]:
    """Tell whether a key is used for the first time, and found an earlier order."""
    found = isinstance(judgement, Sale) and judgement.is_existing and not judgement.is_repeat
    # With a coupon it is remembered when that is on the order, not before.
    return found and request.idempotency_key is not None and request.coupon_code is None


def _answer(request: CreateOrder, judgement: Wish | Outcome, sold: dict[str, Outcome]) -> Outcome:
    if isinstance(judgement, Wish):
        return sold.get(request.order_no, errors.SoldOut())
    return judgement


def _buyers(requests: Sequence[CreateOrder]) -> list[tuple[int, str | None]]:
    return [(request.user_id, request.idempotency_key) for request in requests]


async def _insert_places(tx: Tx, wishes: Sequence[Wish]) -> dict[str, Outcome]:
    ids = await insert_places(tx, [new_place(wish) for wish in wishes])
    return {
        wish.command.order_no: sale_of_place(wish, ids[wish.command.user_id]) for wish in wishes
    }
