"""Locks for when Redis is away: held for one transaction, gone with it."""

from collections.abc import Sequence

from models.engine import Tx

# The first key keeps these apart from any other advisory lock in the database.
_NAMESPACE = 0x6775


async def lock_orders(tx: Tx, order_ids: Sequence[int]) -> None:
    """Wait for every order's advisory lock, in order of id."""
    await tx.execute(
        """SELECT pg_advisory_xact_lock($1, id)
           FROM (SELECT (x % 2147483647)::int AS id FROM unnest($2::bigint[]) AS x
                 ORDER BY x) AS orders""",
        _NAMESPACE,
        list(order_ids),
    )
