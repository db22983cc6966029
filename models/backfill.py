"""Putting the counts of seats right from what orders and registrations hold.

What is held is the truth; the counts of ticket types and events follow it, and the ledger is given
the moves it lacks. Each look is one statement, so it sees counts and holders of one moment.
"""

from collections.abc import Sequence

import msgspec

from models.engine import Connection, Database, Tx


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A count that is not what it should be; *room* is the most it may be.

    *what* is ``current_quantity`` or ``seat_ledger`` of a ticket type, or ``seats_held`` of an
    event, which has no *ticket_type_id*. *holders* says how many of them the ledger misjudges. A
    count that is None is not there at all.
    """

    event_id: int
    ticket_type_id: int | None
    what: str
    counted: int | None
    held: int
    holders: int | None
    room: int | None

    @property
    def has_room(self) -> bool:
        """Tell whether the database would take the count as it should be."""
        return self.room is None or self.held <= self.room


# A ledger row of a holder that is gone, or of another ticket type than its holder's, is held by
# nobody: the full join finds it, and a move back makes up for it.
_BOOKS = """
WITH held AS (
  SELECT 'order' AS holder_kind, id AS holder_id, event_id, ticket_type_id, seats_held AS seats
  FROM orders WHERE seats_held > 0 AND ($1::bigint IS NULL OR event_id = $1)
  UNION ALL
  SELECT 'registration', id, event_id, ticket_type_id, seats_held
  FROM registrations WHERE seats_held > 0 AND status IN ('PENDING', 'APPROVED')
    AND ($1::bigint IS NULL OR event_id = $1)),
noted AS (
  SELECT holder_kind, holder_id, event_id, ticket_type_id, sum(seats) AS seats
  FROM seat_ledger WHERE $1::bigint IS NULL OR event_id = $1 GROUP BY 1, 2, 3, 4),
lacking AS (
  SELECT holder_kind, holder_id, event_id, ticket_type_id,
    (coalesce(h.seats, 0) - coalesce(n.seats, 0))::int AS seats
  FROM held h FULL JOIN noted n USING (holder_kind, holder_id, event_id, ticket_type_id)
  WHERE coalesce(h.seats, 0) <> coalesce(n.seats, 0)),
kinds AS (
  SELECT t.event_id, t.id, t.current_quantity, t.max_quantity, coalesce(h.seats, 0)::int AS held,
    coalesce(n.seats, 0)::int AS noted, coalesce(l.holders, 0)::int AS holders
  FROM ticket_types t
  LEFT JOIN (SELECT ticket_type_id, sum(seats) AS seats FROM held GROUP BY 1) h
    ON h.ticket_type_id = t.id
  LEFT JOIN (SELECT ticket_type_id, sum(seats) AS seats FROM noted GROUP BY 1) n
    ON n.ticket_type_id = t.id
  LEFT JOIN (SELECT ticket_type_id, count(*) AS holders FROM lacking GROUP BY 1) l
    ON l.ticket_type_id = t.id
  WHERE $1::bigint IS NULL OR t.event_id = $1),
totals AS (
  SELECT e.id AS event_id, a.seats_held, a.max_attendees, coalesce(sum(k.held), 0)::int AS held
  FROM events e LEFT JOIN event_attendance a ON a.event_id = e.id
  LEFT JOIN kinds k ON k.event_id = e.id
  WHERE $1::bigint IS NULL OR e.id = $1 GROUP BY 1, 2, 3)
"""
_DRIFTS = f"""
{_BOOKS}
SELECT event_id, id AS ticket_type_id, 'current_quantity' AS what, current_quantity AS counted,
  held, NULL::int AS holders, max_quantity AS room
FROM kinds WHERE current_quantity <> held
UNION ALL
SELECT event_id, id, 'seat_ledger', noted, held, holders, NULL FROM kinds WHERE holders > 0
UNION ALL
SELECT event_id, NULL, 'seats_held', seats_held, held, NULL, max_attendees
FROM totals WHERE seats_held IS DISTINCT FROM held
ORDER BY event_id, ticket_type_id NULLS LAST, what
"""  # noqa: S608  # our own text
_LOCK_TYPES = "SELECT id FROM ticket_types WHERE event_id = $1 ORDER BY id FOR NO KEY UPDATE"
_LOCK_ATTENDANCE = "SELECT event_id FROM event_attendance WHERE event_id = $1 FOR NO KEY UPDATE"
# A cause counts once per holder: a second correction of the same holder is numbered.
_NOTE = f"""
{_BOOKS},
numbered AS (
  SELECT l.*, (SELECT count(*) FROM seat_ledger s WHERE s.holder_kind = l.holder_kind
      AND s.holder_id = l.holder_id AND s.cause LIKE 'backfill%')
    + row_number() OVER (PARTITION BY l.holder_kind, l.holder_id) AS n
  FROM lacking l JOIN kinds k ON k.id = l.ticket_type_id)
INSERT INTO seat_ledger (holder_kind, holder_id, cause, event_id, ticket_type_id, seats)
SELECT holder_kind, holder_id, CASE n WHEN 1 THEN 'backfill' ELSE 'backfill:' || n END, event_id,
  ticket_type_id, seats
FROM numbered
"""  # noqa: S608  # our own text
_COUNT_TYPES = f"""
{_BOOKS}
UPDATE ticket_types t SET current_quantity = k.held FROM kinds k
WHERE t.id = k.id AND t.current_quantity <> k.held
"""  # noqa: S608  # our own text
_COUNT_EVENT = f"""
{_BOOKS}
INSERT INTO event_attendance (event_id, seats_held) SELECT event_id, held FROM totals
ON CONFLICT (event_id) DO UPDATE SET seats_held = excluded.seats_held
"""  # noqa: S608  # our own text


async def drifts(db: Connection, *, event_id: int | None = None) -> list[Drift]:
    """Find every count that is wrong, of one event or of all; nothing is locked or changed."""
    return [Drift(**dict(row)) for row in await db.fetch(_DRIFTS, event_id)]


async def correct(database: Database, event_id: int) -> Sequence[Drift]:
    """Put one event's counts right, all or none, and return what was wrong.

    None are where one :attr:`Drift.has_room` is false: a maximum must be raised first. Safe to
    repeat, and beside the service: sales of the event wait meanwhile.
    """
    async with database.transaction() as tx:
        await tx.execute(_LOCK_TYPES, event_id)
        await tx.execute(_LOCK_ATTENDANCE, event_id)
        found = await drifts(tx, event_id=event_id)
        if all(drift.has_room for drift in found):
            await _write(tx, event_id)
    return found


async def _write(tx: Tx, event_id: int) -> None:
    for statement in (_NOTE, _COUNT_TYPES, _COUNT_EVENT):
        await tx.execute(statement, event_id)
