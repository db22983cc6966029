"""Attempts beside their turns: how often they are asked about, and what they are called."""

from collections.abc import Sequence

from models.engine import Connection

# In one order, as everybody locks them; what is due sooner stays so.
_ASK_SOON = """
WITH live AS (SELECT id FROM payment_attempts
  WHERE attempt_no = ANY($1::text[]) AND state IN ('OPENING', 'OPEN', 'UNKNOWN')
  ORDER BY id FOR NO KEY UPDATE)
UPDATE payment_attempts a SET due_at = least(a.due_at, now()) FROM live WHERE a.id = live.id
"""


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


async def ask_soon(connection: Connection, attempt_nos: Sequence[str]) -> None:
    """Have the sweep ask about attempts that are live as soon as it can. Safe to repeat."""
    await connection.execute(_ASK_SOON, list(attempt_nos))


async def attempt_id_of(connection: Connection, attempt_no: str) -> int:
    """Find an attempt's id by its number."""
    found = await connection.fetchval(
        "SELECT id FROM payment_attempts WHERE attempt_no = $1", attempt_no
    )
    return int(found)
