"""Refunds as they are called outside: by the id of their row."""

from models.engine import Connection


async def refund_id_of(connection: Connection, refund_no: str) -> int:
    """Find a refund's id by its number."""
    found = await connection.fetchval("SELECT id FROM refunds WHERE refund_no = $1", refund_no)
    return int(found)
