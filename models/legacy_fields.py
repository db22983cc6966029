"""What older clients were told to pay with, beside the order and on its way out."""

from datetime import timedelta

import msgspec

from models.engine import Connection


class LegacyFields(msgspec.Struct, frozen=True, kw_only=True):
    """What one order is paid with: whichever of the two its channel has."""

    code_url: str | None
    prepay_id: str | None


# A part of the swap of turns: *new* has the fields, *won* the orders that may be written.
NOTE = """
legacy AS (INSERT INTO order_legacy_payment_fields (order_id, code_url, prepay_id, written_at)
  SELECT new.id, new.legacy ->> 'code_url', new.legacy ->> 'prepay_id', now()
  FROM new JOIN won USING (id) WHERE new.legacy IS NOT NULL
  ON CONFLICT (order_id) DO UPDATE SET code_url = excluded.code_url,
    prepay_id = excluded.prepay_id, written_at = excluded.written_at)"""
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


async def empty_legacy_fields(db: Connection, *, older_than_days: float, limit: int) -> int:
    """Remove the fields of up to *limit* orders made longer ago; return of how many."""
    gone = await db.fetch(_EMPTY, limit, timedelta(days=older_than_days))
    return len(gone)
