"""Selling: a group of requests for one event, answered in one commit.

Seats are given out under the ticket types' locks by the pure `allocate`; the counters rise by
what was really inserted, in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias, TypeGuard

import msgspec
from msgspec.structs import replace

from actors.coupon_sales import lock_named, settle_free, take_uses_of, with_coupon
from actors.coupons import lower_price
from actors.decide import start_attempt
from actors.evolve import evolve_all
from actors.failpoints import Reach, nowhere
from actors.gift_codes import gift_code, gift_code_hash
from actors.lane import Again
from actors.pricing import total_minor
from actors.wishes import SoldOutHints, Wish, grant_with_coupons
from contracts import errors
from contracts.catalogue import Offer
from contracts.commands import CreateOrder
from contracts.coupons import Coupon
from contracts.events import OrderEvent
from contracts.money import Money
from contracts.order import Invite, Order, Registration
from contracts.policy import Policy
from contracts.states import InviteStatus, OrderStatus, PaymentStatus, RegistrationStatus
from models.catalogue import load_offers
from models.engine import Database, Tx
from models.sales import (
    NewOrder,
    NewPlace,
    Standing,
    insert_orders,
    insert_places,
    remember_found,
    standing,
)
from models.seats import Stock, count_sold, lock_stock


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """What a request made, or had made before.

    *order* is set when this call wrote it, *registration* alone for a free ticket; an earlier
    sale is named by *order_id* or *registration_id* only. *is_repeat* tells an answer to the
    same key from one that found another request's order.
    """

    order_id: int | None = None
    registration_id: int | None = None
    order: Order | None = None
    registration: Registration | None = None
    is_existing: bool = False
    is_repeat: bool = False


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
        return not is_keyed and self._hints.rule_out(request.ticket_type_id, request.quantity)

    async def _refuse(self, requests: Sequence[CreateOrder]) -> dict[str, Outcome]:
        """Answer without a lock: nothing is left, but an earlier sale is still the answer."""
        if not requests:
            return {}
        held = await standing(self._database, requests[0].event_id, _buyers(requests))
        return {r.order_no: _judge_hopeless(r, held[r.user_id]) for r in requests}

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
            earlier = _earlier_sale(request, held)
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
        orders = [self._new_order(wish, now) for wish in wishes]
        ids = await insert_orders(tx, orders)
        sales = [_sale(new.order, *ids[new.order.order_no]) for new in orders]
        made = [sale.order for sale in sales if sale.order is not None]
        await take_uses_of(tx, made)
        settled = await settle_free(tx, made, now)
        return {
            order.order_no: replace(sale, order=settled.get(order.id, order))
            for order, sale in zip(made, sales, strict=True)
        }

    def _new_order(self, wish: Wish, now: datetime) -> NewOrder:
        command = wish.command
        order = _order(wish, now, self._policy)
        lowered: list[OrderEvent] = [lower_price(order, wish.coupon, now)] if wish.coupon else []
        order, events = evolve_all(order, lowered), lowered
        is_free = order.total.amount_minor == 0
        if command.first_attempt is not None and not is_free:
            started = start_attempt(order, command.first_attempt, now, self._policy)
            order, events = evolve_all(order, started), [*lowered, *started]
        return NewOrder(
            order=order,
            events=tuple(events),
            # It is settled before anybody can look for it as an open one.
            request_no=command.order_no if is_free else None,
            answers=command.answers,
            idempotency_key=command.idempotency_key,
            body_hash=command.body_hash,
            invite_hashes=tuple(
                self._invite_hash(command.order_no, n) for n in range(1, command.quantity)
            ),
        )

    def _invite_hash(self, order_no: str, position: int) -> str:
        return gift_code_hash(gift_code(self._policy.gift_code_key, order_no, position, 1))


async def answer_to_key(database: Database, request: CreateOrder) -> Sale | None:
    """Find what a request's key was answered with; nothing is sold and nothing is locked.

    None where it has no key, or one that is new.

    :raises contracts.errors.IdempotencyMismatch: the key was used with another body.
    """
    if request.idempotency_key is None:
        return None
    held = await standing(database, request.event_id, _buyers([request]))
    return _repeat(request, held[request.user_id])


def _first_of_each_buyer(requests: Sequence[CreateOrder]) -> list[CreateOrder]:
    firsts: dict[int, CreateOrder] = {}
    for request in requests:
        firsts.setdefault(request.user_id, request)
    return list(firsts.values())


def _is_first_find(judgement: Wish | Outcome, request: CreateOrder) -> TypeGuard[Sale]:
    """Tell whether a key is used for the first time, and found an earlier order."""
    found = isinstance(judgement, Sale) and judgement.is_existing and not judgement.is_repeat
    return found and request.idempotency_key is not None


def _answer(request: CreateOrder, judgement: Wish | Outcome, sold: dict[str, Outcome]) -> Outcome:
    if isinstance(judgement, Wish):
        return sold.get(request.order_no, errors.SoldOut())
    return judgement


def _buyers(requests: Sequence[CreateOrder]) -> list[tuple[int, str | None]]:
    return [(request.user_id, request.idempotency_key) for request in requests]


def _judge_hopeless(request: CreateOrder, held: Standing) -> Outcome:
    try:
        earlier = _earlier_sale(request, held)
    except errors.Refusal as refusal:
        return refusal
    if earlier is not None:
        return earlier
    return errors.AlreadyRegistered() if held.is_registered else errors.SoldOut()


def _earlier_sale(request: CreateOrder, held: Standing) -> Sale | None:
    """Find what the buyer already has.

    :raises IdempotencyMismatch: the key was used with another body.
    :raises PendingOrderExists: another order of the buyer is open; extra names it.
    """
    repeat = _repeat(request, held)
    if repeat is not None:
        return repeat
    if held.place_no == request.order_no:
        return Sale(order_id=held.place_order_id, registration_id=held.place_id, is_repeat=True)
    if held.order_id is None:
        return None
    if held.order_no == request.order_no:
        return Sale(order_id=held.order_id, is_repeat=True)
    is_same = (held.ticket_type_id, held.quantity) == (request.ticket_type_id, request.quantity)
    # One whose time is up is on its way out, whether a sweep has seen it or not.
    if is_same and held.order_status == OrderStatus.PENDING and not held.is_over:
        return Sale(order_id=held.order_id, is_existing=True)
    raise errors.PendingOrderExists(orderId=held.order_id, orderNo=held.order_no)


def _repeat(request: CreateOrder, held: Standing) -> Sale | None:
    if held.key_body_hash is None:
        return None
    if held.key_body_hash != request.body_hash:
        raise errors.IdempotencyMismatch
    return Sale(
        order_id=held.key_order_id,
        registration_id=held.key_registration_id,
        is_existing=held.key_found is True,
        is_repeat=True,
    )


async def _insert_places(tx: Tx, wishes: Sequence[Wish]) -> dict[str, Outcome]:
    new = [
        NewPlace(
            event_id=wish.command.event_id,
            user_id=wish.command.user_id,
            ticket_type_id=wish.command.ticket_type_id,
            request_no=wish.command.order_no,
            status=_free_status(wish.offer),
            idempotency_key=wish.command.idempotency_key,
            body_hash=wish.command.body_hash,
            answers=wish.command.answers,
            trace_ctx=wish.command.trace_ctx,
        )
        for wish in wishes
    ]
    ids = await insert_places(tx, new)
    return {
        wish.command.order_no: Sale(
            registration_id=ids[wish.command.user_id],
            registration=Registration(
                id=ids[wish.command.user_id],
                user_id=wish.command.user_id,
                status=_free_status(wish.offer),
            ),
        )
        for wish in wishes
    }


def _free_status(offer: Offer) -> RegistrationStatus:
    return RegistrationStatus.PENDING if offer.require_approval else RegistrationStatus.APPROVED


def _sale(order: Order, order_id: int, registration_id: int) -> Sale:
    (place,) = order.registrations
    written = replace(
        order,
        id=order_id,
        registrations=(replace(place, id=registration_id),),
    )
    return Sale(order_id=order_id, registration_id=registration_id, order=written)


def _order(wish: Wish, now: datetime, policy: Policy) -> Order:
    """Make the order that a wish becomes; it has no id until it is written."""
    command, offer = wish.command, wish.offer
    return Order(
        id=0,
        order_no=command.order_no,
        event_id=command.event_id,
        event_title=offer.event_title,
        user_id=command.user_id,
        ticket_type_id=command.ticket_type_id,
        quantity=command.quantity,
        total=Money(amount_minor=wish.total_minor, currency=offer.currency),
        payment_channel=command.payment_channel,
        status=OrderStatus.PENDING,
        payment_status=PaymentStatus.UNPAID,
        seats_held=command.quantity,
        expired_at=now + timedelta(seconds=policy.order_expire_seconds),
        created_at=now,
        version=1,
        requires_approval=offer.require_approval,
        trace_ctx=command.trace_ctx,
        registrations=(
            Registration(user_id=command.user_id, status=RegistrationStatus.PENDING_PAYMENT),
        ),
        invites=tuple(
            Invite(position=position, status=InviteStatus.PENDING)
            for position in range(1, command.quantity)
        ),
    )
