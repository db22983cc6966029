"""Refunds as they are called outside: by the id of their row, by who manages their event."""

import msgspec

from models.engine import Connection


class ManagedRefund(msgspec.Struct, frozen=True, kw_only=True):
    """Which refund is meant, and of which order."""

    id: int
    order_id: int
    refund_no: str


_MANAGED = """
SELECT f.id, f.order_id, f.refund_no
FROM refunds f JOIN orders o ON o.id = f.order_id JOIN events e ON e.id = o.event_id
WHERE f.id = $1 AND ($2::bigint IS NULL OR e.organizer_user_id = $2)
"""


async def refund_id_of(connection: Connection, refund_no: str) -> int:
    """Find a refund's id by its number."""
    found = await connection.fetchval("SELECT id FROM refunds WHERE refund_no = $1", refund_no)
    return int(found)


async def managed_refund(
    connection: Connection, refund_id: int, *, organizer_id: int | None
) -> ManagedRefund | None:
    """Find a refund at an event that an organizer, or with None anybody, manages."""
    row = await connection.fetchrow(_MANAGED, refund_id, organizer_id)
    return None if row is None else ManagedRefund(**row)


async def ask_about_refund_soon(connection: Connection, refund_no: str) -> None:
    """Have the sweep take up a refund that is under way as soon as it can. Safe to repeat."""
    await connection.execute(
        """UPDATE refunds SET due_at = least(due_at, now())
           WHERE refund_no = $1 AND kind = 'ours' AND status IN ('requested', 'processing')""",
        refund_no,
    )
