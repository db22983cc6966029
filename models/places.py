"""Places and gift seats as people ask for them; free places are written here.

Whoever gives a place's seat back locks its ticket type before the place, as everywhere.
"""

from datetime import datetime

import msgspec

from contracts.effects import Effect
from contracts.errors import NotFound
from contracts.states import InviteStatus, OrderStatus, RegistrationStatus
from models.engine import Database, Record, Tx
from models.order_views import Ownership, key_of


class HeldPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One person's place; *order_id* is None for a free one, which holds its own seat."""

    id: int
    event_id: int
    ticket_type_id: int
    order_id: int | None
    status: RegistrationStatus
    is_used: bool


class Gift(msgspec.Struct, frozen=True, kw_only=True):
    """A gift seat, and who has taken it."""

    id: int
    order_id: int
    order_no: str
    order_status: OrderStatus
    event_id: int
    position: int
    generation: int
    status: InviteStatus
    refund_no: str | None
    redeemed_at: datetime | None
    redeemer_id: int | None
    redeemer_name: str | None


_PLACE = (
    "SELECT g.id, g.event_id, g.ticket_type_id, g.order_id, g.status,"
    " g.checked_in_at IS NOT NULL AS is_used FROM registrations g"
)
_LOCK_PLACE = f"{_PLACE} WHERE g.id = $1 FOR NO KEY UPDATE OF g"
_LIVE_PLACE = (
    f"{_PLACE} WHERE g.event_id = $1 AND g.user_id = $2"
    " AND g.status IN ('PENDING_PAYMENT', 'PENDING', 'APPROVED')"
)
_MANAGED_PLACE = (
    f"{_PLACE} JOIN events e ON e.id = g.event_id"
    " WHERE g.id = $1 AND ($2::bigint IS NULL OR e.organizer_user_id = $2)"
)


async def find_live_place(db: Database | Tx, *, event_id: int, user_id: int) -> HeldPlace:
    """Find the one place a person has at an event.

    :raises NotFound: there is none.
    """
    return _found(await db.fetchrow(_LIVE_PLACE, event_id, user_id))


async def find_managed_place(
    db: Database | Tx, registration_id: int, *, organizer_id: int | None
) -> HeldPlace:
    """Find a place at an event that an organizer, or with None anybody, manages.

    :raises NotFound: it does not exist, or is at another organizer's event.
    """
    return _found(await db.fetchrow(_MANAGED_PLACE, registration_id, organizer_id))


async def lock_place(tx: Tx, registration_id: int) -> HeldPlace:
    """Read a place that nobody else changes until the transaction ends.

    :raises NotFound: there is none.
    """
    return _found(await tx.fetchrow(_LOCK_PLACE, registration_id))


_MOVE = """
UPDATE registrations SET status = $2::text, updated_at = now(),
  seats_held = CASE WHEN $2::text IN ('PENDING', 'APPROVED') THEN seats_held ELSE 0 END
WHERE id = $1
"""
_OWE = """
INSERT INTO effects (holder_kind, holder_id, cause, kind, due_at, tries)
VALUES ('registration', $1, $2, $3, now(), 0)
ON CONFLICT (holder_kind, holder_id, cause, kind) DO NOTHING
"""


async def move_place(
    tx: Tx, registration_id: int, status: RegistrationStatus, effect: Effect | None
) -> None:
    """Write what became of a free place, and what its person is to be told."""
    await tx.execute(_MOVE, registration_id, status.value)
    if effect is not None:
        await tx.execute(_OWE, registration_id, effect.cause, effect.kind.value)


_GIFTS = """
SELECT i.id, i.order_id, o.order_no, o.status AS order_status, o.event_id, i.position,
  i.generation, i.status, i.refund_no, i.redeemed_at, u.id AS redeemer_id, u.name AS redeemer_name
FROM order_invites i JOIN orders o ON o.id = i.order_id
LEFT JOIN users u ON u.id = i.redeemed_by
"""


async def own_gifts(db: Database | Tx, whose: Ownership) -> list[Gift]:
    """Read the gift seats of somebody's own order, oldest first; someone else's has none."""
    column, value = key_of(whose.reference)
    found = await db.fetch(
        f"{_GIFTS} WHERE o.event_id = $1 AND o.user_id = $2 AND o.{column} = $3"
        " ORDER BY i.position",
        whose.event_id,
        whose.user_id,
        value,
    )
    return [msgspec.convert(dict(row), Gift) for row in found]


async def gift_of_code(db: Database | Tx, *, event_id: int, code_hash: str) -> Gift | None:
    """Find the gift seat that a code is for; None where no seat of the event has it."""
    row = await db.fetchrow(
        f"{_GIFTS} WHERE i.code_hash = $2 AND o.event_id = $1", event_id, code_hash
    )
    return None if row is None else msgspec.convert(dict(row), Gift)


async def place_of_gift(db: Database | Tx, gift: Gift) -> HeldPlace:
    """Read the place that a redeemed gift seat became.

    :raises NotFound: it was not redeemed.
    """
    found = f"{_PLACE} WHERE g.order_id = $1 AND g.invite_id = $2"
    return _found(await db.fetchrow(found, gift.order_id, gift.id))


def _found(row: Record | None) -> HeldPlace:
    if row is None:
        raise NotFound
    return msgspec.convert(dict(row), HeldPlace)
