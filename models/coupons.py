"""Coupons as who manages them sees them."""

from contracts.coupons import Coupon, NewCoupon
from contracts.errors import NotFound
from models.coupon_uses import COLUMNS, coupon_of
from models.engine import Connection, Tx

_INSERT = (
    "INSERT INTO coupons AS c (code, kind, value, event_id, starts_at, ends_at, max_uses,"  # noqa: S608 - no input
    " used_count, is_active, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, true, $8)"
    f" ON CONFLICT (code) DO NOTHING RETURNING {COLUMNS}"
)


async def insert_coupon(
    connection: Connection, new: NewCoupon, *, created_by: int
) -> Coupon | None:
    """Write a coupon; None when its code is taken."""
    found = await connection.fetch(
        _INSERT,
        new.code,
        new.kind.value,
        new.value,
        new.event_id,
        new.starts_at,
        new.ends_at,
        new.max_uses,
        created_by,
    )
    return coupon_of(found[0]) if found else None


_SOME = f"""
SELECT {COLUMNS} FROM coupons c
WHERE c.event_id IS NOT DISTINCT FROM $1 AND c.id < $2 ORDER BY c.id DESC LIMIT $3
"""  # noqa: S608 - no input


async def list_coupons(
    connection: Connection, *, event_id: int | None, before_id: int, limit: int
) -> list[Coupon]:
    """Read the coupons of an event, or with None those for every event, newest first."""
    found = await connection.fetch(_SOME, event_id, before_id, limit)
    return [coupon_of(row) for row in found]


_LOCK = f"""
SELECT {COLUMNS} FROM coupons c
WHERE c.id = $1 AND c.event_id IS NOT DISTINCT FROM $2 FOR NO KEY UPDATE
"""  # noqa: S608 - no input


async def lock_coupon(tx: Tx, coupon_id: int, *, event_id: int | None) -> Coupon:
    """Read a coupon of an event, or with None one for every event, and keep others off it.

    :raises NotFound: there is no such coupon there.
    """
    found = await tx.fetch(_LOCK, coupon_id, event_id)
    if not found:
        raise NotFound
    return coupon_of(found[0])


async def update_coupon(tx: Tx, coupon: Coupon) -> None:
    """Write what may change of a coupon; its count moves with its uses only."""
    await tx.execute(
        "UPDATE coupons SET is_active = $2, max_uses = $3, ends_at = $4 WHERE id = $1",
        coupon.id,
        coupon.is_active,
        coupon.max_uses,
        coupon.ends_at,
    )
