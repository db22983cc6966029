"""The one count of seats: locked in order, moved once per cause.

Lock order: ticket types by id, then the event's attendance row.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from models.encoding import rows
from models.engine import Tx


class SeatMove(msgspec.Struct, frozen=True, kw_only=True):
    """Seats taken (positive) or given back (negative) by one holder for one cause."""

    holder_kind: str
    holder_id: int
    event_id: int
    ticket_type_id: int
    seats: int
    cause: str


class SeatCount(msgspec.Struct, frozen=True, kw_only=True):
    """Seats of one ticket type."""

    event_id: int
    ticket_type_id: int
    seats: int


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of one ticket type, read under its lock; None means unlimited."""

    ticket_type_id: int
    event_id: int
    remaining: int | None
    event_remaining: int | None
    on_sale: bool
    catalog_version: int
    now: datetime


_LOCK_TYPES = """
SELECT t.id, t.event_id, t.max_quantity - t.current_quantity AS remaining, t.catalog_version,
  c.max_attendees IS NOT NULL AS is_capped, clock_timestamp() AS now,
  t.is_active AND e.status = 'PUBLISHED'
    AND clock_timestamp() >= coalesce(e.sale_starts_at, '-infinity')
    AND clock_timestamp() < coalesce(e.sale_ends_at, e.ends_at) AS on_sale
FROM ticket_types t JOIN events e ON e.id = t.event_id
JOIN event_attendance c ON c.event_id = e.id
WHERE t.id = ANY($1::bigint[]) AND ($2::bigint IS NULL OR t.event_id = $2)
ORDER BY t.id FOR NO KEY UPDATE OF t
"""
_LOCK_ATTENDANCE = """
SELECT event_id, max_attendees - seats_held AS remaining FROM event_attendance
WHERE event_id = ANY($1::bigint[]) ORDER BY event_id FOR NO KEY UPDATE
"""


async def lock_stock(
    tx: Tx,
    ticket_type_ids: Iterable[int],
    *,
    event_id: int | None = None,
    with_attendance: bool = False,
) -> dict[int, Stock]:
    """Lock ticket types, and the attendance of capped events, and read what is left.

    With *event_id*, types of other events are left alone, whoever named them. *with_attendance*
    locks that of other events too, for who locks something else after it and counts then.
    """
    types = await tx.fetch(_LOCK_TYPES, sorted(set(ticket_type_ids)), event_id)
    counted = sorted({row["event_id"] for row in types if row["is_capped"] or with_attendance})
    caps = await tx.fetch(_LOCK_ATTENDANCE, counted) if counted else []
    left = {row["event_id"]: row["remaining"] for row in caps}
    return {
        row["id"]: Stock(
            ticket_type_id=row["id"],
            event_id=row["event_id"],
            remaining=row["remaining"],
            event_remaining=left.get(row["event_id"]),
            on_sale=row["on_sale"],
            catalog_version=row["catalog_version"],
            now=row["now"],
        )
        for row in types
    }


_MOVE_TYPES = """
WITH moves AS (SELECT ticket_type_id AS id, sum(seats)::int AS seats
  FROM json_to_recordset($1::json) AS r(ticket_type_id bigint, seats int) GROUP BY 1),
held AS (SELECT t.id FROM ticket_types t JOIN moves USING (id) ORDER BY t.id FOR NO KEY UPDATE OF t)
UPDATE ticket_types t SET current_quantity = t.current_quantity + moves.seats
FROM moves JOIN held USING (id) WHERE t.id = moves.id
"""
_MOVE_ATTENDANCE = """
WITH moves AS (SELECT event_id, sum(seats)::int AS seats FROM json_to_recordset($1::json)
  AS r(event_id bigint, seats int) GROUP BY 1),
held AS (SELECT c.event_id FROM event_attendance c JOIN moves USING (event_id)
         ORDER BY c.event_id FOR NO KEY UPDATE OF c)
UPDATE event_attendance c SET seats_held = c.seats_held + moves.seats
FROM moves JOIN held USING (event_id) WHERE c.event_id = moves.event_id
"""
_LEDGER = """
INSERT INTO seat_ledger (holder_kind, holder_id, cause, event_id, ticket_type_id, seats)
SELECT r.holder_kind, r.holder_id, r.cause, r.event_id, r.ticket_type_id, r.seats
FROM json_to_recordset($1::json) AS r(holder_kind text, holder_id bigint, cause text,
  event_id bigint, ticket_type_id bigint, seats int)
"""


async def move_seats(tx: Tx, moves: Sequence[SeatMove]) -> None:
    """Move seats and note why; the ledger refuses a second move for the same cause."""
    encoded = rows(moves)
    await _count(tx, encoded)
    await tx.execute(_LEDGER, encoded)


async def count_sold(tx: Tx, sold: Sequence[SeatCount]) -> None:
    """Raise the counts by what was inserted; the inserts wrote the ledger themselves."""
    await _count(tx, rows(sold))


async def _count(tx: Tx, encoded: str) -> None:
    await tx.execute(_MOVE_TYPES, encoded)
    await tx.execute(_MOVE_ATTENDANCE, encoded)
