"""What the worker counts: how much waits, and for how long."""

from datetime import timedelta

import msgspec

from models.engine import Connection

# Time enough for a close to be refused, retried and answered; longer needs a person's eye.
_STUCK_AFTER = timedelta(minutes=10)


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits, and for how long."""

    inbox_pending: int
    inbox_oldest_seconds: float
    inbox_dead: int
    effects_pending: int
    effects_dead: int
    pending_stuck: int
    closing_stuck: int


_BACKLOG = """
SELECT inbox.*, duties.*, stuck.*
FROM (SELECT count(*) FILTER (WHERE status <> 'DEAD') AS inbox_pending,
             count(*) FILTER (WHERE status = 'DEAD') AS inbox_dead,
             coalesce(extract(epoch FROM now() - min(received_at)
                 FILTER (WHERE status <> 'DEAD')), 0)::float8 AS inbox_oldest_seconds
      FROM webhook_events WHERE status IN ('RECEIVED', 'FAILED', 'DEAD')) AS inbox,
     (SELECT count(*) FILTER (WHERE due_at IS NOT NULL) AS effects_pending,
             count(*) FILTER (WHERE due_at IS NULL) AS effects_dead
      FROM effects WHERE done_at IS NULL) AS duties,
     (SELECT count(*) FILTER (WHERE status = 'PENDING' AND expired_at < now() - $1::interval)
                 AS pending_stuck,
             count(*) FILTER (WHERE status = 'CLOSING' AND NOT EXISTS (
                 SELECT FROM order_events
                 WHERE order_id = orders.id AND created_at > now() - $1::interval))
                 AS closing_stuck
      FROM orders WHERE status IN ('PENDING', 'CLOSING')) AS stuck
"""


async def backlog(connection: Connection) -> Backlog:
    """Count what waits."""
    (row,) = await connection.fetch(_BACKLOG, _STUCK_AFTER)
    return msgspec.convert(dict(row), Backlog)
