"""Pacing the questions we ask providers about attempts."""

from models.engine import Connection


async def may_ask(connection: Connection, attempt_no: str, every_seconds: float) -> bool:
    """Take the right to ask about an attempt now, unless somebody did a moment ago."""
    taken = await connection.fetchval(
        """UPDATE payment_attempts SET asked_at = clock_timestamp()
           WHERE attempt_no = $1
             AND (asked_at IS NULL OR asked_at <= clock_timestamp() - make_interval(secs => $2))
           RETURNING id""",
        attempt_no,
        every_seconds,
    )
    return taken is not None
