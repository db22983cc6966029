"""Intents as they are asked for by name; who made them may see them, and nobody else."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from contracts.intents import Intent
from contracts.money import Money
from contracts.states import IntentEnd
from models.encoding import document
from models.engine import Connection, Record
from models.payment_keys import Key, Remembered, remembered


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an intent is to collect; *key* is held by the order."""

    user_id: int
    amount: Money
    key: Key
    metadata: Mapping[str, str] | None = None

    @property
    def order_id(self) -> int:
        """The order it is for."""
        return self.key.holder_id


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose intent somebody wants, and what the key has brought before, if anything."""

    order_status: str
    total: Money
    is_payable: bool
    active_id: int | None
    earlier: Remembered | None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """An intent and where it stood when it was answered."""

    intent_id: int
    status: str
    is_new: bool


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An intent, and the attempt by which somebody has paid it."""

    intent: Intent
    attempt_ids: Mapping[str, int]
    paid_attempt_id: int | None
    paid_at: datetime | None


_ASK = """
SELECT o.status, o.total_minor, o.currency, k.body_hash, k.target_id,
  o.status = 'PENDING' AND o.expired_at > clock_timestamp() AND o.total_minor > 0 AS is_payable,
  k.answer ->> 'status' AS key_status, i.id AS active_id
FROM orders o
LEFT JOIN payment_keys k
  ON k.scope = 'intent' AND k.holder_id = o.id AND k.idempotency_key = $3
LEFT JOIN payment_intents i ON i.order_id = o.id AND i.ended_at IS NULL
WHERE o.id = $1 AND o.user_id = $2
"""
# The share lock keeps the price as it is: a coupon that comes later ends what is made here, and
# one that came a moment ago is seen.
_MAKE = """
WITH o AS (SELECT id, payment_channel, total_minor, currency FROM orders
  WHERE id = $1 AND user_id = $2 AND status = 'PENDING' AND expired_at > clock_timestamp()
    AND total_minor = $3 AND currency = $4 FOR SHARE),
made AS (INSERT INTO payment_intents (order_id, provider, amount_minor, currency,
    idempotency_key, metadata)
  SELECT id, payment_channel, total_minor, currency, $5, $7::jsonb FROM o WHERE $8::bigint IS NULL
  ON CONFLICT DO NOTHING RETURNING id),
found AS (SELECT id FROM made
  UNION ALL SELECT i.id FROM payment_intents i JOIN o ON o.id = i.order_id
    WHERE i.id = $8 AND i.ended_at IS NULL),
k AS (INSERT INTO payment_keys (scope, holder_id, idempotency_key, body_hash, target_id, answer)
  SELECT 'intent', $1, $5, $6, id, $9::jsonb FROM found
  ON CONFLICT DO NOTHING RETURNING target_id)
SELECT target_id FROM k
"""
_KNOW = """
SELECT i.id, i.order_id, i.provider, i.amount_minor, i.currency, i.created_at, i.idempotency_key,
  i.ended_at, i.end_reason,
  (SELECT coalesce(json_object_agg(a.attempt_no, a.id), '{}') FROM payment_attempts a
   WHERE a.order_id = o.id AND a.intent_id = i.id)::text AS attempt_ids, p.attempt_id, p.paid_at
FROM payment_intents i
JOIN orders o ON o.id = i.order_id
LEFT JOIN LATERAL (SELECT a.id AS attempt_id, p.paid_at
  FROM payment_attempts a
  JOIN payments p ON p.attempt_no = a.attempt_no AND p.order_id = a.order_id
  WHERE a.order_id = o.id AND a.intent_id = i.id AND a.state = 'PAID'
  ORDER BY p.honoured DESC, p.id LIMIT 1) p ON true
WHERE i.id = $1 AND ($2::bigint IS NULL OR o.user_id = $2)
"""

_decode_ids = msgspec.json.Decoder(dict[str, int]).decode


async def ask(connection: Connection, wanted: Wanted) -> Asked | None:
    """Look at the order an intent is wanted for; None when it is absent or someone else's.

    :raises contracts.errors.IdempotencyMismatch: the key was used with another body.
    """
    row = await connection.fetchrow(_ASK, wanted.order_id, wanted.user_id, wanted.key.key)
    if row is None:
        return None
    return Asked(
        order_status=row["status"],
        total=Money(amount_minor=row["total_minor"], currency=row["currency"]),
        is_payable=row["is_payable"],
        active_id=row["active_id"],
        earlier=_earlier(row, wanted.key.body_hash),
    )


async def make(
    connection: Connection, wanted: Wanted, *, active_id: int | None, status: str
) -> Made | None:
    """Make the order's intent, or remember by the key the active one that was seen.

    None when the order or its intent moved on meanwhile, or another was quicker: look again.
    """
    intent_id = await connection.fetchval(
        _MAKE,
        wanted.order_id,
        wanted.user_id,
        wanted.amount.amount_minor,
        wanted.amount.currency,
        wanted.key.key,
        wanted.key.body_hash,
        None if wanted.metadata is None else document(wanted.metadata),
        active_id,
        document({"status": status}),
    )
    if intent_id is None:
        return None
    return Made(intent_id=int(intent_id), status=status, is_new=active_id is None)


async def known_intent(
    connection: Connection, intent_id: int, *, user_id: int | None
) -> Known | None:
    """Find an intent of a user's own order, with None of anybody's."""
    row = await connection.fetchrow(_KNOW, intent_id, user_id)
    if row is None:
        return None
    return Known(
        intent=Intent(
            id=row["id"],
            order_id=row["order_id"],
            provider=row["provider"],
            amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
            created_at=row["created_at"],
            idempotency_key=row["idempotency_key"],
            ended_at=row["ended_at"],
            end=None if row["end_reason"] is None else IntentEnd(row["end_reason"]),
        ),
        attempt_ids=_decode_ids(row["attempt_ids"]),
        paid_attempt_id=row["attempt_id"],
        paid_at=row["paid_at"],
    )


def _earlier(row: Record, body_hash: str) -> Remembered | None:
    if row["target_id"] is None:
        return None
    return remembered({**row, "status": row["key_status"]}, body_hash)
