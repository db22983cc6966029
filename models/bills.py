"""Which days' bills are to be checked, and what the books know of the refunds a bill names.

Claims are those of :mod:`models.sweeps`.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import msgspec

from contracts.states import RefundKind
from models.engine import Connection
from models.sweeps import CLAIM, Held


class DueBill(Held, frozen=True, kw_only=True):
    """A day's bill to check; *tries* counts those in a row that failed, this one too."""

    provider: str
    day: date
    tries: int

    @property
    def name(self) -> dict[str, str | int]:
        """The day it is of."""
        return {"day": self.day.isoformat()}


_ENSURE = """
INSERT INTO bill_checks (provider, day, due_at, tries, found, unknown)
SELECT p.provider, d.day, d.due_at, 0, 0, 0
FROM unnest($1::text[]) AS p(provider), unnest($2::date[], $3::timestamptz[]) AS d(day, due_at)
ON CONFLICT (provider, day) DO NOTHING
"""

_CLAIM_BILLS = """
WITH due AS (
    SELECT id FROM bill_checks
    WHERE due_at <= now() AND provider = ANY($3::text[])
    ORDER BY due_at
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE bill_checks AS bill SET due_at = now() + $2::interval, tries = bill.tries + 1
FROM due WHERE bill.id = due.id
RETURNING bill.id, bill.provider, bill.day, bill.tries, bill.due_at, now() AS claimed_at,
    NULL::text AS trace_ctx
"""

_NOTE_CHECKED = """
UPDATE bill_checks SET due_at = $3, tries = 0, found = $4, unknown = $5,
    done_at = CASE WHEN $3::timestamptz IS NULL THEN now() END
WHERE id = $1 AND due_at = $2
"""

_PUT_OFF = "UPDATE bill_checks SET due_at = $3 WHERE id = $1 AND due_at = $2 RETURNING id"

_KINDS = "SELECT refund_no, kind FROM refunds WHERE refund_no = ANY($1::text[])"


async def ensure_bills(
    connection: Connection, providers: Sequence[str], days: Mapping[date, datetime]
) -> None:
    """Have each provider's bill of each day checked, once, from its instant on."""
    await connection.execute(_ENSURE, list(providers), list(days), list(days.values()))


async def claim_bills(
    connection: Connection, limit: int, providers: Sequence[str]
) -> list[DueBill]:
    """Claim bills of these providers that are to be checked now."""
    found = await connection.fetch(_CLAIM_BILLS, limit, CLAIM, list(providers))
    return [msgspec.convert(dict(row), DueBill) for row in found]


async def note_checked(
    connection: Connection, bill: DueBill, *, found: int, unknown: int, again_at: datetime | None
) -> None:
    """Keep what a bill said; it is done, unless it is to be looked at again."""
    await connection.execute(_NOTE_CHECKED, bill.id, bill.due_at, again_at, found, unknown)


async def put_off_bill(connection: Connection, bill: DueBill, until: datetime | None) -> bool:
    """End the claim of a bill that was not checked; None gives it up. False when it was checked."""
    return await connection.fetchval(_PUT_OFF, bill.id, bill.due_at, until) is not None


async def kinds_of_refunds(
    connection: Connection, refund_nos: Sequence[str]
) -> dict[str, RefundKind]:
    """Find which numbers the books know, and who made those refunds; unknown ones are missing."""
    found = await connection.fetch(_KINDS, list(refund_nos))
    return {row["refund_no"]: RefundKind(row["kind"]) for row in found}
