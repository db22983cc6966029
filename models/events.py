"""Events as anybody may see them, and as their organizers do."""

from collections import defaultdict
from datetime import datetime

import asyncpg
import msgspec

from contracts.errors import NotFound
from contracts.states import EventStatus
from models.engine import Database, Tx


class TierView(msgspec.Struct, frozen=True, kw_only=True):
    """The price of an exact quantity, for all of it."""

    quantity: int
    price_minor: int


class TicketTypeView(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of ticket and how many are gone."""

    id: int
    name: str
    price_minor: int
    currency: str
    max_quantity: int | None
    current_quantity: int
    max_per_order: int
    is_active: bool
    position: int
    tiers: tuple[TierView, ...]


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event and what is on sale for it."""

    id: int
    title: str
    status: str
    starts_at: datetime
    ends_at: datetime
    sale_starts_at: datetime | None
    sale_ends_at: datetime | None
    require_approval: bool
    max_attendees: int | None
    ticket_types: tuple[TicketTypeView, ...]


_EVENTS = """
    SELECT e.id, e.title, e.status, e.starts_at, e.ends_at, e.sale_starts_at, e.sale_ends_at,
           e.require_approval, a.max_attendees
    FROM events e LEFT JOIN event_attendance a ON a.event_id = e.id
"""


async def list_events(db: Database | Tx, *, after_id: int, limit: int) -> list[EventView]:
    """Read events that are no drafts in the order they were made, those after *after_id*."""
    rows = await db.fetch(
        f"{_EVENTS} WHERE e.status <> $1 AND e.id > $2 ORDER BY e.id LIMIT $3",
        EventStatus.DRAFT.value,
        after_id,
        limit,
    )
    return await _with_tickets(db, rows)


async def get_event(db: Database | Tx, event_id: int) -> EventView:
    """Read one event.

    :raises NotFound: it does not exist or is a draft.
    """
    rows = await db.fetch(
        f"{_EVENTS} WHERE e.status <> $1 AND e.id = $2", EventStatus.DRAFT.value, event_id
    )
    if not rows:
        raise NotFound
    return (await _with_tickets(db, rows))[0]


async def list_managed(
    db: Database | Tx, *, organizer_id: int | None, after_id: int, limit: int
) -> list[EventView]:
    """Read an organizer's events, or with None everybody's, drafts included, after *after_id*."""
    rows = await db.fetch(
        f"{_EVENTS} WHERE ($1::bigint IS NULL OR e.organizer_user_id = $1) AND e.id > $2"
        " ORDER BY e.id LIMIT $3",
        organizer_id,
        after_id,
        limit,
    )
    return await _with_tickets(db, rows)


async def event_of_any_status(db: Database | Tx, event_id: int) -> EventView:
    """Read one event for who manages it.

    :raises NotFound: it does not exist.
    """
    rows = await db.fetch(f"{_EVENTS} WHERE e.id = $1", event_id)
    if not rows:
        raise NotFound
    return (await _with_tickets(db, rows))[0]


async def find_managed(db: Database | Tx, event_id: int, *, organizer_id: int | None) -> int:
    """Return the id of an event that an organizer, or with None anybody, manages.

    :raises NotFound: it does not exist, or is another organizer's.
    """
    found = await db.fetchval(
        "SELECT id FROM events WHERE id = $1 AND ($2::bigint IS NULL OR organizer_user_id = $2)",
        event_id,
        organizer_id,
    )
    if found is None:
        raise NotFound
    return int(found)


async def _with_tickets(db: Database | Tx, rows: list[asyncpg.Record]) -> list[EventView]:
    ids = [row["id"] for row in rows]
    types = await db.fetch(
        "SELECT id, event_id, name, price_minor, currency, max_quantity, current_quantity,"
        " max_per_order, is_active, position"
        " FROM ticket_types WHERE event_id = ANY($1) ORDER BY position, id",
        ids,
    )
    tiers = await db.fetch(
        "SELECT t.ticket_type_id, t.quantity, t.price_minor FROM price_tiers t"
        " JOIN ticket_types y ON y.id = t.ticket_type_id"
        " WHERE y.event_id = ANY($1) ORDER BY t.quantity",
        ids,
    )
    return _assemble(rows, types, tiers)


def _assemble(
    rows: list[asyncpg.Record], types: list[asyncpg.Record], tiers: list[asyncpg.Record]
) -> list[EventView]:
    tiers_of: dict[int, list[TierView]] = defaultdict(list)
    for tier in tiers:
        view = TierView(quantity=tier["quantity"], price_minor=tier["price_minor"])
        tiers_of[tier["ticket_type_id"]].append(view)
    types_of: dict[int, list[TicketTypeView]] = defaultdict(list)
    for row in types:
        fields = {name: value for name, value in row.items() if name != "event_id"}
        kind = TicketTypeView(**fields, tiers=tuple(tiers_of[row["id"]]))
        types_of[row["event_id"]].append(kind)
    return [EventView(**dict(row), ticket_types=tuple(types_of[row["id"]])) for row in rows]
