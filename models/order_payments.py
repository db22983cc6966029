"""Everything that was tried, paid and sent back for one order, newest first."""

from datetime import datetime

import msgspec

from contracts.intents import Intent
from contracts.money import Money
from contracts.states import IntentEnd
from models.engine import Connection
from models.order_views import key_of


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks: *organizer_id* is None for who organizes nothing."""

    user_id: int
    organizer_id: int | None
    is_admin: bool


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an order's attempt is called by, and when it was made."""

    id: int
    intent_id: int | None
    attempt_no: str
    created_at: datetime


class IntentRow(msgspec.Struct, frozen=True, kw_only=True):
    """An intent as it is stored."""

    id: int
    order_id: int
    provider: str
    amount_minor: int
    currency: str
    created_at: datetime
    ended_at: datetime | None
    end_reason: IntentEnd | None

    @property
    def intent(self) -> Intent:
        """The intent in our own language."""
        return Intent(
            id=self.id,
            order_id=self.order_id,
            provider=self.provider,
            amount=Money(amount_minor=self.amount_minor, currency=self.currency),
            created_at=self.created_at,
            ended_at=self.ended_at,
            end=self.end_reason,
        )


class PaymentRow(msgspec.Struct, frozen=True, kw_only=True):
    """Verified money; *honoured* is what the order keeps."""

    id: int
    intent_id: int | None
    attempt_id: int | None
    provider: str
    provider_txn_id: str
    amount_minor: int
    currency: str
    honoured: bool
    source: str
    paid_at: datetime


class RefundRow(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back of one payment."""

    id: int
    payment_id: int
    refund_no: str
    status: str
    amount_minor: int
    currency: str
    reason: str
    kind: str
    created_at: datetime


class OrderPayments(msgspec.Struct, frozen=True, kw_only=True):
    """All of one order."""

    order_id: int
    intents: tuple[IntentRow, ...]
    attempts: tuple[AttemptRow, ...]
    payments: tuple[PaymentRow, ...]
    refunds: tuple[RefundRow, ...]


_READ = """
SELECT json_build_object('order_id', o.id,
  'intents', (SELECT coalesce(json_agg(i ORDER BY i.id DESC), '[]')
    FROM payment_intents i WHERE i.order_id = o.id),
  'attempts', (SELECT coalesce(json_agg(json_build_object('id', a.id, 'intent_id', a.intent_id,
      'attempt_no', a.attempt_no, 'created_at', a.created_at) ORDER BY a.id DESC), '[]')
    FROM payment_attempts a WHERE a.order_id = o.id),
  'payments', (SELECT coalesce(json_agg(json_build_object('id', p.id, 'intent_id', a.intent_id,
      'attempt_id', a.id, 'provider', p.provider, 'provider_txn_id', p.provider_txn_id,
      'amount_minor', p.amount_minor, 'currency', p.currency, 'honoured', p.honoured,
      'source', p.source, 'paid_at', p.paid_at) ORDER BY p.id DESC), '[]')
    FROM payments p LEFT JOIN payment_attempts a ON a.attempt_no = p.attempt_no
    WHERE p.order_id = o.id),
  'refunds', (SELECT coalesce(json_agg(r ORDER BY r.id DESC), '[]')
    FROM refunds r WHERE r.order_id = o.id))::text
FROM orders o JOIN events e ON e.id = o.event_id
WHERE o.{column} = $1 AND ($2 OR o.user_id = $3 OR e.organizer_user_id = $4::bigint)
"""
_decode = msgspec.json.Decoder(OrderPayments).decode


async def order_payments(
    connection: Connection, reference: str, viewer: Viewer
) -> OrderPayments | None:
    """Read what there is of an order by its id or number; None for who may not see it.

    :raises contracts.errors.NotFound: the reference is neither.
    """
    column, value = key_of(reference)
    found = await connection.fetchval(
        _READ.format(column=column), value, viewer.is_admin, viewer.user_id, viewer.organizer_id
    )
    return None if found is None else _decode(found)
