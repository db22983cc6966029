"""Coupons under their locks, and the one count of their uses.

Lock order: orders, ticket types, the event's attendance, then coupons by id, then inserts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from contracts.coupons import Coupon
from models.encoding import rows
from models.engine import Record, Tx
from models.written import WrittenTurn

COLUMNS = (
    "c.id, c.code, c.kind, c.value, c.event_id, c.starts_at, c.ends_at, c.max_uses, c.used_count,"
    " c.is_active"
)
_LOCK_CODES = (
    f"SELECT {COLUMNS} FROM coupons c"  # noqa: S608 - no input
    " WHERE c.code = ANY($1::text[]) ORDER BY c.id FOR NO KEY UPDATE"
)
_LOCK_IDS = (
    f"SELECT {COLUMNS} FROM coupons c"  # noqa: S608 - no input
    " WHERE c.id = ANY($1::bigint[]) ORDER BY c.id FOR NO KEY UPDATE"
)


def coupon_of(row: Record) -> Coupon:
    """Read a coupon."""
    return msgspec.convert(dict(row), Coupon)


async def lock_codes(tx: Tx, codes: Iterable[str]) -> dict[str, Coupon]:
    """Lock the coupons that have these codes, written as they are kept; unknown ones are missing.

    A statement that waits for a row sees it as it is afterwards.
    """
    found = [coupon_of(row) for row in await tx.fetch(_LOCK_CODES, sorted(set(codes)))]
    return {coupon.code: coupon for coupon in found}


async def lock_coupons(tx: Tx, coupon_ids: Iterable[int]) -> dict[int, Coupon]:
    """Lock coupons by id."""
    found = [coupon_of(row) for row in await tx.fetch(_LOCK_IDS, sorted(set(coupon_ids)))]
    return {coupon.id: coupon for coupon in found}


class NewUse(msgspec.Struct, frozen=True, kw_only=True):
    """One order's use of a coupon."""

    order_id: int
    coupon_id: int
    discount_minor: int


_NEW_USES = """
INSERT INTO coupon_usages (order_id, coupon_id, discount_minor)
SELECT r.order_id, r.coupon_id, r.discount_minor
FROM json_to_recordset($1::json) AS r(order_id bigint, coupon_id bigint, discount_minor bigint)
ORDER BY r.order_id
RETURNING coupon_id
"""


async def take_uses(tx: Tx, uses: Sequence[NewUse]) -> None:
    """Note who uses which coupon, and count what was really written."""
    taken = await tx.fetch(_NEW_USES, rows(uses))
    await _count(tx, Counter(row["coupon_id"] for row in taken))


_MOVED_USES = """
UPDATE coupon_usages u SET released_at = CASE WHEN r.is_released THEN now() END
FROM json_to_recordset($1::json) AS r(order_id bigint, is_released boolean)
WHERE u.order_id = r.order_id AND (u.released_at IS NOT NULL) <> r.is_released
RETURNING u.coupon_id, r.is_released
"""


async def write_coupon_uses(tx: Tx, turns: Sequence[WrittenTurn], _now: datetime) -> None:
    """Store the uses that orders took, gave back or took again."""
    used = [(t.before.coupon, t.after.coupon, t.after.id) for t in turns]
    moved = [
        {"order_id": order_id, "is_released": after.is_released}
        for before, after, order_id in used
        if before and after and before.is_released is not after.is_released
    ]
    new = [
        NewUse(order_id=order_id, coupon_id=after.coupon_id, discount_minor=after.discount_minor)
        for before, after, order_id in used
        if before is None and after is not None
    ]
    if moved:
        found = await tx.fetch(_MOVED_USES, rows(moved))
        change: Counter[int] = Counter()
        for row in found:
            change[row["coupon_id"]] += -1 if row["is_released"] else 1
        await _count(tx, change)
    if new:
        await take_uses(tx, new)


_COUNT_USES = """
WITH moves AS (SELECT r.id, r.uses FROM json_to_recordset($1::json) AS r(id bigint, uses int)),
held AS (SELECT c.id FROM coupons c JOIN moves USING (id) ORDER BY c.id FOR NO KEY UPDATE OF c)
UPDATE coupons c SET used_count = c.used_count + moves.uses
FROM moves JOIN held USING (id) WHERE c.id = moves.id
"""


async def _count(tx: Tx, change: Counter[int]) -> None:
    await tx.execute(_COUNT_USES, rows([{"id": n, "uses": uses} for n, uses in change.items()]))
