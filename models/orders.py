"""Loading an order whole: one row, one JSON document, one struct."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from contracts.channels import Openids
from contracts.order import Order
from models.engine import Connection

Column: TypeAlias = Literal["id", "order_no"]


class OwnOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Which order is meant, by its id or its number, by whom, and of which business."""

    column: Column
    key: str | int
    user_id: int
    biz_type: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An order and what its buyer is called, read together; *now* is the database's clock then."""

    order: Order
    now: datetime
    openids: Openids


_DOCUMENT = """json_build_object(
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
      'kind', r.kind, 'provider_refund_id', r.provider_refund_id, 'seats', r.seats)
      ORDER BY r.id), '[]')
    FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.order_id = o.id),
  'registrations', (SELECT coalesce(json_agg(json_build_object(
      'id', g.id, 'user_id', g.user_id, 'status', g.status, 'invite_id', g.invite_id,
      'refund_no', g.refund_no)
      ORDER BY g.id), '[]')
    FROM registrations g WHERE g.order_id = o.id),
  'invites', (SELECT coalesce(json_agg(json_build_object(
      'id', i.id, 'position', i.position, 'generation', i.generation, 'status', i.status,
      'refund_no', i.refund_no, 'redeemed_by', i.redeemed_by, 'redeemed_at', i.redeemed_at)
      ORDER BY i.position), '[]')
    FROM order_invites i WHERE i.order_id = o.id),
  'case_subjects', (SELECT coalesce(json_agg(c.subject ORDER BY c.id), '[]')
    FROM cases c WHERE c.order_id = o.id),
  'coupon', (SELECT json_build_object('coupon_id', u.coupon_id,
      'discount_minor', u.discount_minor, 'is_released', u.released_at IS NOT NULL)
    FROM coupon_usages u WHERE u.order_id = o.id)
)::text AS document"""
_READ = f"clock_timestamp() AS now, {_DOCUMENT}"
_LOAD = (
    f"SELECT {_READ} FROM orders o JOIN events e ON e.id = o.event_id"  # noqa: S608 - no input
    " WHERE o.id = ANY($1::bigint[]) ORDER BY o.id"
)
_OWN = """
SELECT w.n, {read}, json_build_object('own', u.openid, 'elsewhere', (
    SELECT coalesce(json_object_agg(i.appid, i.openid), '{{}}')
    FROM wechat_identities i WHERE i.user_id = w.user_id))::text AS openids
FROM unnest($1::{type}[], $2::bigint[], $3::text[])
  WITH ORDINALITY AS w(key, user_id, biz_type, n)
JOIN orders o ON o.{column} = w.key AND o.user_id = w.user_id AND o.biz_type = w.biz_type
JOIN events e ON e.id = o.event_id
LEFT JOIN users u ON u.id = w.user_id
"""
_LOAD_OWN: Mapping[Column, str] = {
    "id": _OWN.format(read=_READ, type="bigint", column="id"),
    "order_no": _OWN.format(read=_READ, type="text", column="order_no"),
}
_LOCK = "SELECT id FROM orders WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"

_decoder = msgspec.json.Decoder(Order)
_openids_decoder = msgspec.json.Decoder(Openids)


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


async def load_own(connection: Connection, wanted: Sequence[OwnOrder]) -> dict[OwnOrder, Seen]:
    """Load the orders that people call their own.

    What is absent, of another business, or someone else's is missing.
    """
    found: dict[OwnOrder, Seen] = {}
    for column, statement in _LOAD_OWN.items():
        asked = [one for one in wanted if one.column == column]
        if asked:
            keys, user_ids = [one.key for one in asked], [one.user_id for one in asked]
            biz_types = [one.biz_type for one in asked]
            for row in await connection.fetch(statement, keys, user_ids, biz_types):
                found[asked[row["n"] - 1]] = Seen(
                    order=_decoder.decode(row["document"]),
                    now=row["now"],
                    openids=_openids_decoder.decode(row["openids"]),
                )
    return found


async def attempt_of_payment(
    connection: Connection, provider: str, provider_txn_id: str
) -> str | None:
    """Find what was paid by its provider's number of the payment; None where it is not known."""
    found: str | None = await connection.fetchval(
        "SELECT attempt_no FROM payments WHERE provider = $1 AND provider_txn_id = $2",
        provider,
        provider_txn_id,
    )
    return found


async def order_ids_of_attempts(
    connection: Connection, attempt_nos: Sequence[str]
) -> dict[str, int]:
    """Find whose attempts the numbers are; unknown ones are missing."""
    found = await connection.fetch(
        "SELECT attempt_no, order_id FROM payment_attempts WHERE attempt_no = ANY($1::text[])",
        list(attempt_nos),
    )
    return {row["attempt_no"]: row["order_id"] for row in found}
