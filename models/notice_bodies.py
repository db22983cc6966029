"""What notices said is forgotten in time; that they came is not, for they may come again."""

from datetime import timedelta

import msgspec

from models.engine import Connection


class Emptied(msgspec.Struct, frozen=True, kw_only=True):
    """How many notices a batch emptied; every notice before *next_id* needs no look any more."""

    count: int
    next_id: int
    is_full: bool


# Replay reads what is not processed, so that waits for a person however old it is.
_EMPTY = """
WITH next AS (
    SELECT id, received_at < now() - $2::interval AS is_old FROM webhook_events
    WHERE id >= $1 ORDER BY id LIMIT $3
),
emptied AS (
    UPDATE webhook_events AS notice SET body = '', headers = '{}' FROM next
    WHERE notice.id = next.id AND next.is_old
      AND notice.status IN ('PROCESSED', 'QUARANTINED') AND notice.body <> ''
    RETURNING notice.id
)
SELECT (SELECT count(*) FROM emptied) AS count,
  coalesce(min(id) FILTER (WHERE NOT is_old), max(id) + 1, $1) AS next_id,
  count(*) FILTER (WHERE is_old) = $3 AS is_full
FROM next
"""


async def empty_notices(
    db: Connection, *, from_id: int, older_than_days: float, limit: int
) -> Emptied:
    """Forget what finished notices said that came longer ago, looking at up to *limit*.

    Their rows stay: a provider's id of a notice keeps a late repetition out.
    """
    row = await db.fetchrow(_EMPTY, from_id, timedelta(days=older_than_days), limit)
    assert row is not None
    return Emptied(**dict(row))
