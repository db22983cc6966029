"""What a sandbox has on sale from its first day."""

from contracts.states import EventStatus
from models.engine import Tx
from models.people import sandbox_user

ORGANIZER = "organizer"
_ISSUER = "guichet"
_HOT = 1_000_000
# (id, event, name, price, most, per order): the ids are fixed so that every guide can name them.
_TICKET_TYPES = (
    (1, 1, "Standard", 9900, 10_000, 10),
    (2, 1, "Last seats", 5000, 50, 10),
    (3, 1, "Hot", 5000, _HOT, 10),
    (4, 1, "Free", 0, 1000, 1),
    (5, 2, "Standard", 9900, 100, 10),
    (6, 2, "Free", 0, 100, 1),
)
_EVENTS = ((1, "Guichet Demo Night", False), (2, "Guichet Members' Evening", True))
_TIERS = ((1, 2, 16_900), (1, 4, 32_000))


async def seed_demo_data(tx: Tx) -> bool:
    """Put two events on sale unless there has ever been one; tell whether it did.

    The caller holds the migration's lock, so that two starts cannot both find nothing.
    """
    if await tx.fetchval("SELECT count(*) FROM events"):
        return False
    organizer_id = await sandbox_user(tx, issuer=_ISSUER, name=ORGANIZER, with_openid=True)
    for event_id, title, require_approval in _EVENTS:
        await _insert_event(tx, event_id, title, organizer_id, require_approval=require_approval)
    for position, ticket_type in enumerate(_TICKET_TYPES):
        await tx.execute(
            "INSERT INTO ticket_types (id, event_id, name, price_minor, max_quantity,"
            " max_per_order, currency, current_quantity, is_active, position, catalog_version)"
            " VALUES ($1, $2, $3, $4, $5, $6, 'CNY', 0, true, $7, 1)",
            *ticket_type,
            position,
        )
    for tier in _TIERS:
        await tx.execute(
            "INSERT INTO price_tiers (ticket_type_id, quantity, price_minor) VALUES ($1, $2, $3)",
            *tier,
        )
    await _move_sequences(tx)
    return True


async def _insert_event(
    tx: Tx, event_id: int, title: str, organizer_id: int, *, require_approval: bool
) -> None:
    # A year ahead: a sandbox kept for months still sells.
    await tx.execute(
        "INSERT INTO events (id, organizer_user_id, title, status, starts_at, ends_at,"
        " require_approval) VALUES ($1, $2, $3, $4, date_trunc('hour', now()) + interval '365 d',"
        " date_trunc('hour', now()) + interval '365 d 4 h', $5)",
        event_id,
        organizer_id,
        title,
        EventStatus.PUBLISHED.value,
        require_approval,
    )
    await tx.execute(
        "INSERT INTO event_attendance (event_id, seats_held, max_attendees) VALUES ($1, 0, NULL)",
        event_id,
    )


async def _move_sequences(tx: Tx) -> None:
    for table in ("events", "ticket_types"):
        await tx.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # noqa: S608  # our own two table names
        )
