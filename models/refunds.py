"""Refunds beside their turns: who is at one, and what they are called outside.

A refund is called by the id of its row, by who manages its event.
"""

from datetime import datetime

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


# The claim outlives what may be called under it, so who dies over a refund leaves it soon.
_CLAIM = """
UPDATE refunds SET claim_until = clock_timestamp() + make_interval(secs => $2)
WHERE refund_no = $1 AND status IN ('requested', 'processing')
  AND (claim_until IS NULL OR claim_until <= clock_timestamp())
RETURNING claim_until
"""
_RELEASE = "UPDATE refunds SET claim_until = NULL WHERE refund_no = $1 AND claim_until = $2"
_MAY_MAKE = """
UPDATE refunds SET made_at = clock_timestamp()
WHERE refund_no = $1
  AND (made_at IS NULL OR made_at <= clock_timestamp() - make_interval(secs => $2))
RETURNING id
"""
_NOT_MADE = "UPDATE refunds SET made_at = NULL WHERE refund_no = $1"


async def claim_refund(
    connection: Connection, refund_no: str, *, seconds: float
) -> datetime | None:
    """Take the right to call about a refund under way; None while another has it.

    What comes back names the claim, for :func:`release_refund`.
    """
    claimed_until: datetime | None = await connection.fetchval(_CLAIM, refund_no, seconds)
    return claimed_until


async def release_refund(connection: Connection, refund_no: str, claim_until: datetime) -> None:
    """Let others have a refund, unless the claim has run out and they have it already."""
    await connection.execute(_RELEASE, refund_no, claim_until)


async def may_make_refund(connection: Connection, refund_no: str, *, every_seconds: float) -> bool:
    """Note that a provider is told to make a refund now, unless it was told a while ago."""
    return await connection.fetchval(_MAY_MAKE, refund_no, every_seconds) is not None


async def note_refund_not_made(connection: Connection, refund_no: str) -> None:
    """Take back that a provider was told: it never heard of it."""
    await connection.execute(_NOT_MADE, refund_no)


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
