"""Who has a place at an event, for its organizer."""

from datetime import datetime

import asyncpg
import msgspec

from models.engine import Database


class GuestView(msgspec.Struct, frozen=True, kw_only=True):
    """One place, whatever became of it; a free one has no order."""

    id: int
    status: str
    user_id: int
    name: str | None
    ticket_type_id: int
    ticket_type_name: str | None
    order_id: int | None
    order_no: str | None
    order_status: str | None
    invite_id: int | None
    answers: dict[str, str] | None
    checked_in_at: datetime | None
    created_at: datetime


_GUESTS = """
SELECT g.id, g.status, g.user_id, u.name, g.ticket_type_id, t.name AS ticket_type_name, g.order_id,
  o.order_no, o.status AS order_status, g.invite_id, g.answers, g.checked_in_at, g.created_at
FROM registrations g
LEFT JOIN users u ON u.id = g.user_id
LEFT JOIN ticket_types t ON t.id = g.ticket_type_id
LEFT JOIN orders o ON o.id = g.order_id
WHERE g.event_id = $1 AND g.id > $2 AND ($3::text IS NULL OR g.status = $3)
ORDER BY g.id LIMIT $4
"""


async def list_guests(
    db: Database, event_id: int, *, status: str | None, after_id: int, limit: int
) -> list[GuestView]:
    """Read places of an event, oldest first, those after *after_id*."""
    rows = await db.fetch(_GUESTS, event_id, after_id, status, limit)
    return [_guest(row) for row in rows]


def _guest(row: asyncpg.Record) -> GuestView:
    fields = dict(row)
    written = fields.pop("answers")
    answers = None if written is None else msgspec.json.decode(written, type=dict[str, str])
    return GuestView(**fields, answers=answers)
