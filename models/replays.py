"""Giving stored notices another chance, at a person's word."""

from models.engine import Database, Tx


async def reopen_notices(db: Database | Tx) -> list[int]:
    """Claim every notice that failed or was given up, oldest first. Processed ones stay so.

    Its tries are counted anew.
    """
    rows = await db.fetch(
        "UPDATE webhook_events SET status = 'FAILED', retry_count = 0,"
        " due_at = now() + interval '60 s'"
        " WHERE status IN ('RECEIVED', 'FAILED', 'DEAD') RETURNING id"
    )
    return sorted(row["id"] for row in rows)
