"""What older clients were told to pay with, beside the order and on its way out."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from models.encoding import rows
from models.engine import Connection


class LegacyFields(msgspec.Struct, frozen=True, kw_only=True):
    """What one order is paid with: whichever of the two its channel has."""

    order_id: int
    code_url: str | None
    prepay_id: str | None


_NOTE = """
INSERT INTO order_legacy_payment_fields (order_id, code_url, prepay_id, written_at)
SELECT r.order_id, r.code_url, r.prepay_id, now()
FROM json_to_recordset($1::json) AS r(order_id bigint, code_url text, prepay_id text)
ORDER BY r.order_id
ON CONFLICT (order_id) DO UPDATE SET code_url = excluded.code_url,
    prepay_id = excluded.prepay_id, written_at = excluded.written_at
"""
# Orders are numbered as they are made: among the first few, one that is young ends the search.
_EMPTY = """
WITH first AS (
    SELECT order_id FROM order_legacy_payment_fields ORDER BY order_id LIMIT $1
    FOR UPDATE SKIP LOCKED
)
DELETE FROM order_legacy_payment_fields AS fields USING first, orders
WHERE fields.order_id = first.order_id AND orders.id = first.order_id
  AND orders.created_at < now() - $2::interval
RETURNING fields.order_id
"""


async def note_legacy_fields(db: Connection, fields: Sequence[LegacyFields]) -> None:
    """Keep what older clients pay with, instead of what was kept before; each order once."""
    await db.execute(_NOTE, rows(fields))


async def empty_legacy_fields(db: Connection, *, older_than_days: float, limit: int) -> int:
    """Remove the fields of up to *limit* orders made longer ago; return of how many."""
    gone = await db.fetch(_EMPTY, limit, timedelta(days=older_than_days))
    return len(gone)
