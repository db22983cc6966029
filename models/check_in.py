"""Tickets as their holders see them, and who came."""

from datetime import datetime

import msgspec

from contracts.errors import NotFound, TicketNotValid, TicketUnknown
from contracts.states import RegistrationStatus
from models.engine import Connection


class HeldTicket(msgspec.Struct, frozen=True, kw_only=True):
    """One person's place; *is_marked* while a refund frees it, under way or done."""

    registration_id: int
    event_id: int
    event_title: str
    ticket_type_name: str
    status: RegistrationStatus
    is_marked: bool
    checked_in_at: datetime | None


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Who came and when; *is_first* only for the one scan that let the person in."""

    registration_id: int
    name: str
    ticket_type_name: str
    checked_in_at: datetime
    is_first: bool


_HELD = """
SELECT g.id AS registration_id, g.event_id, e.title AS event_title, t.name AS ticket_type_name,
  g.status, g.refund_no IS NOT NULL AS is_marked, g.checked_in_at
FROM registrations g
JOIN events e ON e.id = g.event_id
JOIN ticket_types t ON t.id = g.ticket_type_id
WHERE g.id = $1 AND g.user_id = $2
"""
# The row itself says whether it may pass, under its own lock: no refund slips in between.
_CHECK_IN = """
UPDATE registrations AS g SET checked_in_at = now(), checked_in_by = $3, updated_at = now()
FROM users u, ticket_types t
WHERE g.id = $1 AND g.event_id = $2 AND g.status = 'APPROVED' AND g.refund_no IS NULL
  AND g.checked_in_at IS NULL AND u.id = g.user_id AND t.id = g.ticket_type_id
RETURNING g.id AS registration_id, u.name, t.name AS ticket_type_name, g.checked_in_at,
  true AS is_first
"""
_EARLIER = """
SELECT g.id AS registration_id, u.name, t.name AS ticket_type_name, g.checked_in_at,
  false AS is_first, g.status = 'APPROVED' AND g.refund_no IS NULL AS is_valid
FROM registrations g
JOIN users u ON u.id = g.user_id
JOIN ticket_types t ON t.id = g.ticket_type_id
WHERE g.id = $1 AND g.event_id = $2
"""


async def held_ticket(db: Connection, *, registration_id: int, user_id: int) -> HeldTicket:
    """Read a person's own ticket.

    :raises NotFound: it is absent, or someone else's.
    """
    row = await db.fetchrow(_HELD, registration_id, user_id)
    if row is None:
        raise NotFound
    return msgspec.convert(dict(row), HeldTicket)


async def check_in(db: Connection, *, registration_id: int, event_id: int, by: int) -> Arrival:
    """Note that a person came, once; a repetition tells when that was.

    :raises TicketUnknown: nobody has this place at this event.
    :raises TicketNotValid: the place does not admit anybody now.
    """
    row = await db.fetchrow(_CHECK_IN, registration_id, event_id, by)
    if row is None:
        row = await db.fetchrow(_EARLIER, registration_id, event_id)
    if row is None:
        raise TicketUnknown
    # Without a time it became valid a moment ago: whoever scans again lets the person in.
    if row["checked_in_at"] is None or not row.get("is_valid", True):
        raise TicketNotValid
    return msgspec.convert(dict(row), Arrival)
