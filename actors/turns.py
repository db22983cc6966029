"""Turns of many orders in one commit: load, decide, write at the version that was loaded.

A lease keeps other processes from trying the same order; without Redis, a lock of PostgreSQL
does. Either way only the version decides who may write.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from actors.allocate import allocate
from actors.coupon_claims import coupons_of, with_offers, without_coupon
from actors.decide_payment import wants_seats_again
from actors.failpoints import Reach, nowhere, reach_turns
from actors.lane import Again
from actors.lease import Leases, LeasesUnavailable
from actors.metrics import LEASE_FALLBACKS, LEASES_MISSED, OVERTAKEN
from actors.turn import Turn, turn_of, written
from contracts import errors
from contracts.commands import (
    ApplyCoupon,
    OrderCommand,
    RecordAttempt,
    RecordPayment,
    RecordRefund,
    RedeemInvite,
)
from contracts.coupons import Coupon
from contracts.order import Order, Reclaim, Redeemer
from contracts.policy import Policy
from models.engine import Database, Tx
from models.locks import lock_orders
from models.orders import load
from models.sales import standing
from models.seats import Stock, lock_stock
from models.turns import write
from models.written import WrittenTurn

Outcome: TypeAlias = Turn | Exception | Again


class NeedsSeats(Exception):
    """The money is late and wants seats again: ask where turns may wait for a ticket type."""


class TurnsCommit:
    """Answers groups of commands, at most one per order in a group.

    Without *may_wait* late money is answered :class:`NeedsSeats`, so that nobody here ever waits
    for a ticket type that another event's trouble holds up.
    """

    def __init__(
        self,
        database: Database,
        leases: Leases,
        policy: Policy,
        *,
        may_wait: bool = True,
        reach: Reach = nowhere,
    ) -> None:
        self._may_wait = may_wait
        self._database = database
        self._leases = leases
        self._policy = policy
        self._reach = reach

    async def __call__(self, commands: Sequence[OrderCommand]) -> list[Outcome]:
        """Answer each command. Safe to repeat: what is already true is not decided again."""
        order_ids = [command.order_id for command in commands]
        try:
            leased = await self._leases.acquire(order_ids)
        except LeasesUnavailable:
            LEASE_FALLBACKS.inc()
            return await self._commit(commands, lock=True)
        try:
            mine = [command for command in commands if command.order_id in leased]
            await reach_turns(self._reach, mine, "leased")
            outcomes = dict(zip(leased_ids(mine), await self._commit(mine), strict=True))
        finally:
            await self._leases.release(list(leased))
        LEASES_MISSED.inc(len(commands) - len(mine))
        return [outcomes.get(order_id, Again()) for order_id in order_ids]

    async def _commit(
        self, commands: Sequence[OrderCommand], *, lock: bool = False
    ) -> list[Outcome]:
        if not commands:
            return []
        async with self._database.transaction() as tx:
            if lock:
                await lock_orders(tx, [command.order_id for command in commands])
                await reach_turns(self._reach, commands, "leased")
            orders, now = await self._load(tx, commands)
            await reach_turns(self._reach, commands, "loaded")
            outcomes = [self._decide(orders, command, now) for command in commands]
            turns = [outcome for outcome in outcomes if isinstance(outcome, Turn)]
            asked = dict(zip(leased_ids(commands), commands, strict=True))
            new = [self._written(turn, asked[turn.order.id]) for turn in turns]
            won = await write(tx, new, now) if now and new else set()
            await reach_turns(self._reach, commands, "written")
        await reach_turns(self._reach, commands, "committed")
        return [_unless_overtaken(outcome, won) for outcome in outcomes]

    async def _load(
        self, tx: Tx, commands: Sequence[OrderCommand]
    ) -> tuple[dict[int, Order], datetime | None]:
        asking = [command for command in commands if isinstance(command, ApplyCoupon)]
        # Orders are locked before coupons, as everywhere.
        orders, now = await load(tx, leased_ids(commands), lock=bool(asking))
        if asking and now:
            orders.update(await with_offers(tx, orders, asking, now))
        if self._may_wait and _late_of(commands, orders):
            # Orders are locked before ticket types, as everywhere; all of them, as others follow.
            orders, now = await load(tx, leased_ids(commands), lock=True)
            # And ticket types and attendance before coupons, also those that others will move.
            types = {order.ticket_type_id for order in orders.values()}
            stocks = await lock_stock(tx, types, with_attendance=True)
            behind = {order_id: orders[order_id] for order_id in _late_of(commands, orders)}
            orders.update(await self._with_reclaims(tx, behind, stocks, now))
        orders.update(await _with_redeemers(tx, orders, commands))
        return orders, now

    async def _with_reclaims(
        self, tx: Tx, late: dict[int, Order], stocks: dict[int, Stock], now: datetime | None
    ) -> dict[int, Order]:
        refusals = {
            order.id: await self._refusal(tx, order, stocks[order.ticket_type_id], now)
            for order in late.values()
        }
        eligible = [order for order in late.values() if refusals[order.id] is None]
        coupons = await coupons_of(tx, eligible)
        seated, used_up = places_again(eligible, stocks, coupons)
        refusals |= dict.fromkeys(used_up, "coupon_used_up")
        return {
            order.id: msgspec.structs.replace(
                order,
                reclaim=Reclaim(
                    granted=order.id in seated, refusal=refusals[order.id] or "sold_out"
                ),
            )
            for order in late.values()
        }

    async def _refusal(
        self, tx: Tx, order: Order, stock: Stock, now: datetime | None
    ) -> str | None:
        """Name why late money cannot be honoured, seats apart; None when nothing speaks against."""
        window = timedelta(hours=self._policy.late_payment_honour_hours)
        if now is None or now > order.expired_at + window:
            return "too_late"
        if not stock.on_sale:
            return "not_on_sale"
        held = (await standing(tx, order.event_id, [(order.user_id, None)]))[order.user_id]
        # Another order or place of the buyer at the event leaves no room for this one.
        return "has_another" if held.is_registered or held.order_id is not None else None

    def _decide(
        self, orders: dict[int, Order], command: OrderCommand, now: datetime | None
    ) -> Outcome:
        order = orders.get(command.order_id)
        if order is None or now is None:
            return errors.NotFound()
        if not self._may_wait and _is_late(order, command):
            return NeedsSeats()
        try:
            return turn_of(order, command, now, self._policy)
        except errors.Refusal as refusal:
            return refusal

    def _written(self, turn: Turn, command: OrderCommand) -> WrittenTurn:
        answers = command.answers if isinstance(command, RedeemInvite) else None
        return written(turn, self._policy, notice_id=_notice_id(command), answers=answers)


async def _with_redeemers(
    tx: Tx, orders: dict[int, Order], commands: Sequence[OrderCommand]
) -> dict[int, Order]:
    """Say of those who redeem whether they have a place; the unique index is the net."""
    found: dict[int, Order] = {}
    for command in commands:
        order = orders.get(command.order_id)
        if isinstance(command, RedeemInvite) and order is not None:
            held = await standing(tx, order.event_id, [(command.user_id, None)])
            redeemer = Redeemer(
                user_id=command.user_id, has_place=held[command.user_id].is_registered
            )
            found[order.id] = msgspec.structs.replace(order, redeemer=redeemer)
    return found


def places_again(
    orders: Sequence[Order], stocks: dict[int, Stock], coupons: Mapping[int, Coupon]
) -> tuple[set[int], set[int]]:
    """Choose the late orders that get seats and coupon again, and name those without a coupon."""
    used_up: set[int] = set()
    while True:
        seated = seats_again([order for order in orders if order.id not in used_up], stocks)
        late = without_coupon([order for order in orders if order.id in seated], coupons)
        if not late:
            return seated, used_up
        used_up |= late


def seats_again(orders: Sequence[Order], stocks: dict[int, Stock]) -> set[int]:
    """Choose the late orders that get their seats again: per ticket type, then per event."""
    fitting: list[Order] = []
    for stock in stocks.values():
        mine = [order for order in orders if order.ticket_type_id == stock.ticket_type_id]
        fitting += _fitting(stock.remaining, mine)
    seated: list[Order] = []
    for event_id, left in {s.event_id: s.event_remaining for s in stocks.values()}.items():
        seated += _fitting(left, [order for order in fitting if order.event_id == event_id])
    return {order.id for order in seated}


def _fitting(remaining: int | None, orders: Sequence[Order]) -> list[Order]:
    answers = allocate(remaining, [order.quantity for order in orders])
    return [order for order, fits in zip(orders, answers, strict=True) if fits]


def _late_of(commands: Sequence[OrderCommand], orders: Mapping[int, Order]) -> list[int]:
    return [
        command.order_id
        for command in commands
        if command.order_id in orders and _is_late(orders[command.order_id], command)
    ]


def _is_late(order: Order, command: OrderCommand) -> bool:
    return isinstance(command, RecordPayment) and wants_seats_again(order, command.fact)


def leased_ids(commands: Sequence[OrderCommand]) -> list[int]:
    """List the orders that commands are for."""
    return [command.order_id for command in commands]


def _notice_id(command: OrderCommand) -> int | None:
    told = RecordPayment | RecordRefund | RecordAttempt
    return command.notice_id if isinstance(command, told) else None


def _unless_overtaken(outcome: Outcome, won: set[int]) -> Outcome:
    if isinstance(outcome, Turn) and outcome.order.id not in won:
        OVERTAKEN.inc()
        return Again()
    return outcome
