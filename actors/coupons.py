"""What a coupon takes off a price, when it may, and who gets its last uses. Pure.

1. A fixed coupon takes off its value, at most the price; a percent coupon takes off value/100 of
   the price, rounded down to the minor unit.
2. A coupon that would take off nothing is not used: it could have served somebody else.
3. Whatever is wrong with a code, the answer is the same: nobody learns which codes exist.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from contracts.commands import ApplyCoupon
from contracts.coupons import Coupon
from contracts.errors import CouponInvalid
from contracts.events import CouponApplied, OrderPaid
from contracts.facts import FactSource
from contracts.money import Money
from contracts.order import Order, Payment
from contracts.states import AttemptState, CouponKind

# Who "moves" the money of an order that costs nothing.
FREE_PROVIDER = "free"

Claimant = TypeVar("Claimant", int, str)


def plain_code(text: str) -> str:
    """Write a code as it is kept: without blanks around it, in capitals."""
    return text.strip().upper()


def discount_minor(coupon: Coupon, price_minor: int) -> int:
    """Say how much a coupon takes off a price."""
    if coupon.kind is CouponKind.FIXED:
        return min(coupon.value, price_minor)
    return price_minor * coupon.value // 100


def discount_at(coupon: Coupon | None, *, event_id: int, price_minor: int, now: datetime) -> int:
    """Say how much a coupon, if there is one, takes off a price at an event now.

    :raises CouponInvalid: it takes off nothing there.
    """
    if coupon is None or not _is_good(coupon, event_id, now) or _left(coupon) == 0:
        raise CouponInvalid
    discount = discount_minor(coupon, price_minor)
    if discount == 0:
        raise CouponInvalid
    return discount


def lower_price(order: Order, coupon: Coupon | None, now: datetime) -> CouponApplied:
    """Apply a coupon to an order that has none.

    :raises CouponInvalid: it takes off nothing there.
    """
    price = order.total
    discount = discount_at(coupon, event_id=order.event_id, price_minor=price.amount_minor, now=now)
    assert coupon is not None
    total = Money(amount_minor=price.amount_minor - discount, currency=price.currency)
    return CouponApplied(
        coupon_id=coupon.id, code=coupon.code, discount_minor=discount, total=total
    )


def keeps_old_price(order: Order, command: ApplyCoupon) -> bool:
    """Tell whether an order must keep its price, for it is being paid or may yet be closed.

    What can be closed is closed first. Where nothing can be, the buyer is not held to the old
    price for that: who pays it all the same gets the money back.
    """
    return any(
        attempt.state is not AttemptState.OPEN or attempt.attempt_no not in command.unclosed
        for attempt in order.live_attempts
    )


def settle_if_free(order: Order, now: datetime) -> list[OrderPaid]:
    """Settle an order that costs nothing any more: there is nothing to wait for."""
    if order.total.amount_minor > 0:
        return []
    payment = Payment(
        provider=FREE_PROVIDER,
        provider_txn_id=f"FREE-{order.order_no}",
        # No provider ever sees this number, and no attempt has a letter there.
        attempt_no=f"{order.order_no}F",
        paid=order.total,
        paid_at=now,
        source=FactSource.FREE,
        honoured=True,
    )
    return [OrderPaid(payment=payment)]


def beyond_uses(
    claims: Iterable[tuple[Claimant, int]], coupons: Mapping[int, Coupon]
) -> set[Claimant]:
    """Name who comes too late for a use; a claim pairs who claims with the coupon's id."""
    taken: Counter[int] = Counter()
    late: set[Claimant] = set()
    for claimant, coupon_id in claims:
        left = _left(coupons[coupon_id])
        if left is not None and taken[coupon_id] >= left:
            late.add(claimant)
        else:
            taken[coupon_id] += 1
    return late


def _left(coupon: Coupon) -> int | None:
    return None if coupon.max_uses is None else max(coupon.max_uses - coupon.used_count, 0)


def _is_good(coupon: Coupon, event_id: int, now: datetime) -> bool:
    return (
        coupon.is_active
        and coupon.event_id in (None, event_id)
        and (coupon.starts_at is None or coupon.starts_at <= now)
        and (coupon.ends_at is None or now < coupon.ends_at)
    )
