"""What coupons do to a sale: lower the price in its own commit, and settle what costs nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from actors.coupons import discount_at, plain_code, settle_if_free
from actors.duties import coupon_news, effects_of
from actors.evolve import evolve_all
from actors.wishes import Wish
from contracts.commands import CreateOrder
from contracts.coupons import Coupon
from contracts.order import Order
from contracts.policy import Policy
from models.coupon_uses import NewUse, lock_codes, take_uses
from models.engine import Tx
from models.seats import Stock
from models.turn_duties import owe
from models.turns import write
from models.written import WrittenTurn


async def lock_named(tx: Tx, requests: Sequence[CreateOrder]) -> dict[str, Coupon]:
    """Lock the coupons that requests name, after ticket types and attendance."""
    codes = {_code(request) for request in requests if request.coupon_code is not None}
    return await lock_codes(tx, codes)


def with_coupon(wish: Wish, coupons: Mapping[str, Coupon], stocks: Mapping[int, Stock]) -> Wish:
    """Note which coupon a wish uses, if it names one.

    :raises CouponInvalid: it takes nothing off this price.
    """
    command = wish.command
    if command.coupon_code is None:
        return wish
    coupon = coupons.get(_code(command))
    now = stocks[command.ticket_type_id].now
    discount_at(coupon, event_id=command.event_id, price_minor=wish.total_minor, now=now)
    return replace(wish, coupon=coupon)


async def take_uses_of(tx: Tx, orders: Sequence[Order], policy: Policy) -> None:
    """Count the coupons of orders that were just written, and owe the news of them."""
    uses = [
        NewUse(order_id=order.id, coupon_id=used.coupon_id, discount_minor=used.discount_minor)
        for order in orders
        if (used := order.coupon) is not None
    ]
    if not uses:
        return
    await take_uses(tx, uses)
    if policy.tells_sales:
        await owe(
            tx, [(order, coupon_news(order.coupon.coupon_id)) for order in orders if order.coupon]
        )


async def settle_free(
    tx: Tx, orders: Sequence[Order], now: datetime, policy: Policy
) -> dict[int, Order]:
    """Settle what costs nothing, as a turn of its own in the same commit; return it by id."""
    turns = [turn for order in orders if (turn := _settling(order, now, policy)) is not None]
    if turns:
        await write(tx, turns, now)
    return {turn.after.id: turn.after for turn in turns}


def _settling(order: Order, now: datetime, policy: Policy) -> WrittenTurn | None:
    events = settle_if_free(order, now)
    if not events:
        return None
    return WrittenTurn(
        before=order,
        after=replace(evolve_all(order, [*events]), version=order.version + 1),
        events=tuple(events),
        effects=tuple(
            effect
            for event in events
            for effect in effects_of(event, tells_sales=policy.tells_sales)
        ),
    )


def _code(request: CreateOrder) -> str:
    return plain_code(request.coupon_code or "")
