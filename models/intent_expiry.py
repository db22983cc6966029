"""Intents that nobody does anything with are ended, so that an order may be asked for anew."""

from datetime import timedelta

import msgspec

from models.engine import Database


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """How many intents a batch ended; every intent before *next_id* needs no look any more."""

    count: int
    next_id: int


# An intent whose order was paid stays as it is for ever, and so does not keep *next_id* back.
_CANDIDATES = """
FROM payment_intents i JOIN orders o ON o.id = i.order_id
WHERE i.ended_at IS NULL AND i.id >= $1 AND i.created_at <= now() - $2::interval
  AND o.status NOT IN ('PAID', 'REFUNDED')
"""
_IDLE = """
  AND NOT EXISTS (SELECT FROM payment_attempts a WHERE a.intent_id = i.id
    AND (a.state IN ('OPENING', 'OPEN', 'UNKNOWN') OR a.created_at > now() - $2::interval))
"""
# A turn that starts an attempt holds its order: whoever has one locked has no attempt beginning.
_LOCK = f"""
SELECT i.id {_CANDIDATES} {_IDLE}
ORDER BY o.id LIMIT $3 FOR NO KEY UPDATE OF o, i SKIP LOCKED
"""
# A statement of its own, which sees what was committed until the lock was had.
_END = f"""
UPDATE payment_intents SET ended_at = clock_timestamp(), end_reason = 'INTENT_EXPIRED'
WHERE id IN (SELECT i.id {_CANDIDATES} {_IDLE} AND i.id = ANY($3::bigint[]))
RETURNING id
"""  # noqa: S608 - no input
_NEXT = f"""
SELECT coalesce((SELECT min(i.id) {_CANDIDATES}),
  (SELECT max(id) + 1 FROM payment_intents WHERE id >= $1 AND created_at <= now() - $2::interval),
  $1)
"""  # noqa: S608 - no input


async def expire_intents(
    database: Database, *, from_id: int, idle_minutes: float, limit: int
) -> Expired:
    """End up to *limit* intents that are idle for *idle_minutes*. Safe to repeat.

    Idle is an intent that is so old and whose attempts all are, none of them live, while its order
    is not paid; what somebody is at work on is skipped.
    """
    idle = timedelta(minutes=idle_minutes)
    async with database.transaction() as tx:
        locked = [row["id"] for row in await tx.fetch(_LOCK, from_id, idle, limit)]
        ended = await tx.fetch(_END, from_id, idle, locked) if locked else []
    next_id: int = await database.fetchval(_NEXT, from_id, idle)
    return Expired(count=len(ended), next_id=next_id)
