"""Writing events and what is on sale for them.

Lock order: the event, then its ticket types by id, then its attendance. Sales never lock the
event, so whoever changes the catalogue waits for others who do, and for a sale only as long as
that holds its ticket types. Whatever a sale knows by heart is outdated by a raised catalog_version.
"""

from collections.abc import Sequence

from contracts.errors import NotFound
from contracts.event_plans import EventPlan, TicketTypePlan, TierPlan
from contracts.states import EventStatus
from models.encoding import rows
from models.engine import Tx

_INSERT_EVENT = """
INSERT INTO events (organizer_user_id, title, status, starts_at, ends_at, sale_starts_at,
  sale_ends_at, require_approval) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
"""
_INSERT_ATTENDANCE = """
INSERT INTO event_attendance (event_id, seats_held, max_attendees) VALUES ($1, 0, $2)
"""
_UPDATE_EVENT = """
UPDATE events SET title = $2, status = $3, starts_at = $4, ends_at = $5, sale_starts_at = $6,
  sale_ends_at = $7, require_approval = $8 WHERE id = $1
"""
_RAISE_VERSIONS = """
WITH held AS (SELECT id FROM ticket_types WHERE event_id = $1 ORDER BY id FOR NO KEY UPDATE)
UPDATE ticket_types t SET catalog_version = t.catalog_version + 1 FROM held WHERE t.id = held.id
"""


async def insert_event(tx: Tx, plan: EventPlan, *, organizer_id: int) -> int:
    """Write a new event and its empty attendance; return its id."""
    event_id: int = await tx.fetchval(_INSERT_EVENT, organizer_id, *_event_values(plan))
    await tx.execute(_INSERT_ATTENDANCE, event_id, plan.max_attendees)
    return event_id


async def lock_event(tx: Tx, event_id: int) -> EventStatus:
    """Keep others from changing the event's catalogue, and read where it stands.

    :raises NotFound: it does not exist.
    """
    status = await tx.fetchval(
        "SELECT status FROM events WHERE id = $1 FOR NO KEY UPDATE", event_id
    )
    if status is None:
        raise NotFound
    return EventStatus(status)


async def raise_versions(tx: Tx, event_id: int) -> None:
    """Lock the ticket types of a locked event and outdate what is known of them."""
    await tx.execute(_RAISE_VERSIONS, event_id)


async def lock_attendance(tx: Tx, event_id: int) -> int:
    """Lock the attendance of an event whose types are locked; return the seats held."""
    held: int = await tx.fetchval(
        "SELECT seats_held FROM event_attendance WHERE event_id = $1 FOR NO KEY UPDATE", event_id
    )
    return held


async def update_event(tx: Tx, event_id: int, plan: EventPlan) -> None:
    """Write an event whose attendance is locked anew."""
    await tx.execute(_UPDATE_EVENT, event_id, *_event_values(plan))
    await tx.execute(
        "UPDATE event_attendance SET max_attendees = $2 WHERE event_id = $1",
        event_id,
        plan.max_attendees,
    )


_INSERT_TYPE = """
INSERT INTO ticket_types (event_id, name, price_minor, currency, max_quantity, max_per_order,
  is_active, position, current_quantity, catalog_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 1) RETURNING id
"""
_UPDATE_TYPE = """
UPDATE ticket_types SET name = $2, price_minor = $3, currency = $4, max_quantity = $5,
  max_per_order = $6, is_active = $7, position = $8, catalog_version = catalog_version + 1
WHERE id = $1
"""
_INSERT_TIERS = """
INSERT INTO price_tiers (ticket_type_id, quantity, price_minor)
SELECT $1, r.quantity, r.price_minor
FROM json_to_recordset($2::json) AS r(quantity int, price_minor bigint) ORDER BY r.quantity
"""
_IS_NAMED = """
SELECT EXISTS (SELECT FROM orders WHERE event_id = $1 AND ticket_type_id = $2)
    OR EXISTS (SELECT FROM registrations WHERE event_id = $1 AND ticket_type_id = $2)
"""


async def insert_type(tx: Tx, event_id: int, plan: TicketTypePlan) -> int:
    """Write a new ticket type of a locked event with its tiers; return its id."""
    type_id: int = await tx.fetchval(_INSERT_TYPE, event_id, *_type_values(plan))
    await _insert_tiers(tx, type_id, plan.tiers)
    return type_id


async def lock_type(tx: Tx, event_id: int, type_id: int) -> int:
    """Lock a ticket type of a locked event; return how many are gone.

    :raises NotFound: the event has no such type.
    """
    taken = await tx.fetchval(
        "SELECT current_quantity FROM ticket_types WHERE id = $2 AND event_id = $1"
        " FOR NO KEY UPDATE",
        event_id,
        type_id,
    )
    if taken is None:
        raise NotFound
    return int(taken)


async def update_type(tx: Tx, type_id: int, plan: TicketTypePlan) -> None:
    """Write a locked ticket type anew, its tiers replaced whole."""
    await tx.execute(_UPDATE_TYPE, type_id, *_type_values(plan))
    await tx.execute("DELETE FROM price_tiers WHERE ticket_type_id = $1", type_id)
    await _insert_tiers(tx, type_id, plan.tiers)


async def is_named(tx: Tx, event_id: int, type_id: int) -> bool:
    """Tell whether an order or a registration has ever been for a locked ticket type."""
    named: bool = await tx.fetchval(_IS_NAMED, event_id, type_id)
    return named


async def delete_type(tx: Tx, type_id: int) -> None:
    """Remove a locked ticket type that nothing names, and its tiers."""
    await tx.execute("DELETE FROM price_tiers WHERE ticket_type_id = $1", type_id)
    await tx.execute("DELETE FROM ticket_types WHERE id = $1", type_id)


async def _insert_tiers(tx: Tx, type_id: int, tiers: Sequence[TierPlan]) -> None:
    if tiers:
        await tx.execute(_INSERT_TIERS, type_id, rows(tiers))


def _event_values(plan: EventPlan) -> tuple[object, ...]:
    return (
        plan.title,
        plan.status.value,
        plan.starts_at,
        plan.ends_at,
        plan.sale_starts_at,
        plan.sale_ends_at,
        plan.require_approval,
    )


def _type_values(plan: TicketTypePlan) -> tuple[object, ...]:
    return (
        plan.name,
        plan.price_minor,
        plan.currency,
        plan.max_quantity,
        plan.max_per_order,
        plan.is_active,
        plan.position,
    )
