"""Everything of an event, for its organizer's own books.

Each page is a short statement of its own: however long a download takes, it holds no connection
and no snapshot. What is made meanwhile comes at the end, what changes is seen as it is then.
"""

from collections.abc import AsyncIterator
from enum import StrEnum

from models.engine import Database, Record

_PAGE_ROWS = 1000


class ExportKind(StrEnum):
    """What can be taken home."""

    ORDERS = "orders"
    REGISTRATIONS = "registrations"


_ORDERS = """
SELECT o.id, o.order_no AS "orderNo", o.status, o.payment_status AS "paymentStatus",
  o.refund_status AS "refundStatus", o.payment_channel AS "paymentChannel", o.channel,
  o.ticket_type_id AS "ticketTypeId", t.name AS "ticketTypeName", o.quantity,
  o.total_minor AS "totalAmount", o.currency,
  (SELECT coalesce(sum(f.amount_minor), 0)::bigint
   FROM refunds f JOIN payments p ON p.id = f.payment_id
   WHERE f.order_id = o.id AND f.status = 'succeeded' AND p.honoured) AS "refundedAmount",
  o.user_id AS "userId", u.name, o.created_at AS "createdAt", o.paid_at AS "paidAt",
  o.expired_at AS "expiredAt"
FROM orders o
LEFT JOIN ticket_types t ON t.id = o.ticket_type_id
LEFT JOIN users u ON u.id = o.user_id
WHERE o.event_id = $1 AND o.id > $2 ORDER BY o.id LIMIT $3
"""
_REGISTRATIONS = """
SELECT g.id, g.status, g.user_id AS "userId", u.name, g.ticket_type_id AS "ticketTypeId",
  t.name AS "ticketTypeName", g.order_id AS "orderId", o.order_no AS "orderNo",
  o.status AS "orderStatus", g.invite_id AS "inviteId", g.answers,
  g.checked_in_at AS "checkedInAt", g.created_at AS "createdAt"
FROM registrations g
LEFT JOIN ticket_types t ON t.id = g.ticket_type_id
LEFT JOIN users u ON u.id = g.user_id
LEFT JOIN orders o ON o.id = g.order_id
WHERE g.event_id = $1 AND g.id > $2 ORDER BY g.id LIMIT $3
"""
_STATEMENTS = {ExportKind.ORDERS: _ORDERS, ExportKind.REGISTRATIONS: _REGISTRATIONS}
COLUMNS = {
    ExportKind.ORDERS: (
        *("id", "orderNo", "status", "paymentStatus", "refundStatus", "paymentChannel", "channel"),
        *("ticketTypeId", "ticketTypeName", "quantity", "totalAmount", "currency"),
        *("refundedAmount", "userId", "name", "createdAt", "paidAt", "expiredAt"),
    ),
    ExportKind.REGISTRATIONS: (
        *("id", "status", "userId", "name", "ticketTypeId", "ticketTypeName", "orderId"),
        *("orderNo", "orderStatus", "inviteId", "answers", "checkedInAt", "createdAt"),
    ),
}


async def pages(database: Database, event_id: int, kind: ExportKind) -> AsyncIterator[list[Record]]:
    """Read the rows of an event in order of their ids, one page after the other."""
    after_id = 0
    while found := await database.fetch(_STATEMENTS[kind], event_id, after_id, _PAGE_ROWS):
        yield found
        after_id = found[-1]["id"]
