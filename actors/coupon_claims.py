"""Coupons that turns want, read under the coupons' own locks.

Whoever wants one holds its order, and the ticket types and attendance it wants, already.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from actors.coupons import beyond_uses, discount_at, keeps_old_price, plain_code
from contracts.commands import ApplyCoupon
from contracts.coupons import Coupon
from contracts.errors import CouponInvalid
from contracts.order import Order
from contracts.states import OrderStatus
from models.coupon_uses import lock_codes, lock_coupons
from models.engine import Tx


async def with_offers(
    tx: Tx, orders: Mapping[int, Order], commands: Sequence[ApplyCoupon], now: datetime
) -> dict[int, Order]:
    """Show each order the coupon it asks for; who comes too late for a use is shown it used up."""
    coupons = await lock_codes(tx, {plain_code(command.code) for command in commands})
    asked = [
        (command, order, coupon)
        for command in commands
        if (order := orders.get(command.order_id)) is not None
        and (coupon := coupons.get(plain_code(command.code))) is not None
    ]
    claims = [
        (order.id, coupon.id)
        for command, order, coupon in asked
        if _would_use(command, order, coupon, now)
    ]
    late = beyond_uses(claims, {coupon.id: coupon for coupon in coupons.values()})
    return {
        order.id: replace(order, on_offer=_used_up(coupon) if order.id in late else coupon)
        for _, order, coupon in asked
    }


async def coupons_of(tx: Tx, orders: Iterable[Order]) -> dict[int, Coupon]:
    """Lock the coupons of orders that want to use theirs again."""
    wanted = {order.coupon.coupon_id for order in orders if order.coupon is not None}
    return await lock_coupons(tx, wanted) if wanted else {}


def without_coupon(orders: Sequence[Order], coupons: Mapping[int, Coupon]) -> set[int]:
    """Name the orders whose coupon is used up by others; its window and event do not matter.

    They took the use in time, and it was only lent back.
    """
    claims = [(order.id, order.coupon.coupon_id) for order in orders if order.coupon is not None]
    return beyond_uses(claims, coupons)


def _would_use(command: ApplyCoupon, order: Order, coupon: Coupon, now: datetime) -> bool:
    if order.coupon is not None or order.status is not OrderStatus.PENDING:
        return False
    if keeps_old_price(order, command):
        return False
    price_minor = order.total.amount_minor
    try:
        discount_at(coupon, event_id=order.event_id, price_minor=price_minor, now=now)
    except CouponInvalid:
        return False
    return now < order.expired_at


def _used_up(coupon: Coupon) -> Coupon:
    return replace(coupon, used_count=coupon.max_uses or coupon.used_count)
