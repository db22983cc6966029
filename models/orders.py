"""Loading an order whole: one row, one JSON document, one struct."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from contracts.errors import NotFound
from contracts.order import Order
from models.engine import Connection
from models.order_views import key_of

_ORDER = """
SELECT clock_timestamp() AS now, json_build_object(
  'id', o.id, 'order_no', o.order_no, 'event_id', o.event_id, 'event_title', e.title,
  'user_id', o.user_id,
  'ticket_type_id', o.ticket_type_id, 'quantity', o.quantity,
  'total', json_build_object('amount_minor', o.total_minor, 'currency', o.currency),
  'payment_channel', o.payment_channel, 'status', o.status, 'payment_status', o.payment_status,
  'last_payment_attempt_status', o.last_payment_attempt_status,
  'refund_status', o.refund_status, 'closing_for', o.closing_for, 'channel', o.channel,
  'seats_held', o.seats_held, 'expired_at', o.expired_at, 'created_at', o.created_at,
  'paid_at', o.paid_at, 'version', o.version, 'trace_ctx', o.trace_ctx,
  'requires_approval', e.require_approval,
  'attempts', (SELECT coalesce(json_agg(json_build_object(
      'attempt_no', a.attempt_no, 'state', a.state, 'request', a.request, 'opened', a.opened,
      'opened_at', a.opened_at, 'claim_until', a.claim_until, 'close_owed', a.close_owed)
      ORDER BY a.attempt_no), '[]')
    FROM payment_attempts a WHERE a.order_id = o.id),
  'payments', (SELECT coalesce(json_agg(json_build_object(
      'provider', p.provider, 'provider_txn_id', p.provider_txn_id, 'attempt_no', p.attempt_no,
      'paid', json_build_object('amount_minor', p.amount_minor, 'currency', p.currency),
      'paid_at', p.paid_at, 'source', p.source, 'honoured', p.honoured) ORDER BY p.id), '[]')
    FROM payments p WHERE p.order_id = o.id),
  'refunds', (SELECT coalesce(json_agg(json_build_object(
      'refund_no', r.refund_no, 'provider', p.provider, 'provider_txn_id', p.provider_txn_id,
      'attempt_no', p.attempt_no,
      'amount', json_build_object('amount_minor', r.amount_minor, 'currency', r.currency),
      'status', r.status, 'reason', r.reason, 'idempotency_key', r.idempotency_key,
      'kind', r.kind, 'provider_refund_id', r.provider_refund_id) ORDER BY r.id), '[]')
    FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.order_id = o.id),
  'registrations', (SELECT coalesce(json_agg(json_build_object(
      'id', g.id, 'user_id', g.user_id, 'status', g.status, 'invite_id', g.invite_id)
      ORDER BY g.id), '[]')
    FROM registrations g WHERE g.order_id = o.id),
  'invites', (SELECT coalesce(json_agg(json_build_object(
      'id', i.id, 'position', i.position, 'generation', i.generation, 'status', i.status)
      ORDER BY i.position), '[]')
    FROM order_invites i WHERE i.order_id = o.id),
  'case_subjects', (SELECT coalesce(json_agg(c.subject ORDER BY c.id), '[]')
    FROM cases c WHERE c.order_id = o.id)
)::text AS document
FROM orders o JOIN events e ON e.id = o.event_id
"""
_LOAD = f"{_ORDER} WHERE o.id = ANY($1::bigint[]) ORDER BY o.id"
_LOCK = "SELECT id FROM orders WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"

_decoder = msgspec.json.Decoder(Order)


async def load(
    connection: Connection, order_ids: Sequence[int], *, lock: bool = False
) -> tuple[dict[int, Order], datetime | None]:
    """Load orders by id, with the database's clock; the clock is None when there are none.

    *lock* takes the rows in the global order of locks, for turns that will need seats too.
    """
    if lock:
        # A statement of its own: one that waits for a row sees that row as it is afterwards, but
        # its payments, attempts and all else as they were before.
        await connection.execute(_LOCK, list(order_ids))
    found = await connection.fetch(_LOAD, list(order_ids))
    orders = [_decoder.decode(row["document"]) for row in found]
    return {order.id: order for order in orders}, found[0]["now"] if found else None


async def load_own(
    connection: Connection, *, user_id: int, reference: str, biz_type: str
) -> tuple[Order, datetime]:
    """Load the order that a person calls by its id or its number, with the database's clock.

    :raises NotFound: it is absent, of another business, or someone else's.
    """
    column, value = key_of(reference)
    own = f"{_ORDER} WHERE o.{column} = $1 AND o.user_id = $2 AND o.biz_type = $3"
    found = await connection.fetchrow(own, value, user_id, biz_type)
    if found is None:
        raise NotFound
    return _decoder.decode(found["document"]), found["now"]


async def order_ids_of_attempts(
    connection: Connection, attempt_nos: Sequence[str]
) -> dict[str, int]:
    """Find whose attempts the numbers are; unknown ones are missing."""
    found = await connection.fetch(
        "SELECT attempt_no, order_id FROM payment_attempts WHERE attempt_no = ANY($1::text[])",
        list(attempt_nos),
    )
    return {row["attempt_no"]: row["order_id"] for row in found}
