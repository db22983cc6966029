"""Orders that kept money without being paid; there should never be one."""

from collections.abc import Sequence

import msgspec

from models.engine import Connection
from models.sweeps import Due

# The newest payments by key; older ones were looked at when they were among the newest. Orders
# that are still open are looked at whatever their age: they are few.
_RECENT_PAYMENTS = 10_000
_UNSETTLED = """
SELECT orders.id, orders.id AS order_id, orders.payment_channel AS provider, orders.channel,
  orders.trace_ctx
FROM orders
WHERE orders.payment_status = 'UNPAID' AND orders.id IN (
    SELECT o.id FROM orders o JOIN payments ON payments.order_id = o.id AND payments.honoured
    WHERE o.status IN ('PENDING', 'CLOSING')
    UNION ALL
    SELECT order_id FROM payments
    WHERE honoured AND id > (SELECT coalesce(max(id), 0) FROM payments) - $1::bigint)
"""
# Who was told once is not told again; what they do about it shows in the order.
_UNTOLD = """
  AND NOT EXISTS (SELECT FROM cases
    WHERE kind = 'PAYMENT_MISMATCH' AND subject = 'settlement:' || orders.id)
"""
_FIRST = "ORDER BY orders.id LIMIT $2"


class Unsettled(Due, frozen=True, kw_only=True):
    """An order that kept money without being paid."""

    order_id: int


async def unsettled(connection: Connection, limit: int) -> Sequence[Unsettled]:
    """Find orders that kept money without being paid, oldest first."""
    return await _found(connection, _UNSETTLED + _FIRST, limit)


async def unsettled_and_untold(connection: Connection, limit: int) -> Sequence[Unsettled]:
    """Find those no person was asked about yet.

    No claim: two workers that mend one order do it once, for the version decides.
    """
    return await _found(connection, _UNSETTLED + _UNTOLD + _FIRST, limit)


async def _found(connection: Connection, statement: str, limit: int) -> Sequence[Unsettled]:
    records = await connection.fetch(statement, _RECENT_PAYMENTS, limit)
    return [msgspec.convert(dict(record), Unsettled) for record in records]
