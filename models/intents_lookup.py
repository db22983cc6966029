"""What an event names, found together: an intent, its attempts, a refund, a payment."""

import msgspec

from contracts.facts import is_nameless
from contracts.money import Money
from contracts.states import AttemptState
from models.engine import Connection


class NamedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of the intent: what its provider called it when it opened, and when it was paid.

    *paid_as* None: not paid, as far as we know.
    """

    attempt_no: str
    provider: str
    state: AttemptState
    merchant_id: str
    appid: str
    reference: str | None
    paid_as: str | None

    @property
    def txn_id(self) -> str | None:
        """The provider's number of its payment, where that is known."""
        if self.reference is not None or self.paid_as is None or is_nameless(self.paid_as):
            return self.reference
        return self.paid_as


class NamedRefund(msgspec.Struct, frozen=True, kw_only=True):
    """The refund of that number, whoever's it is: of what *attempt_no* brought."""

    refund_no: str
    attempt_no: str
    provider: str
    amount: Money


class NamedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The payment its provider calls so, whoever's it is."""

    attempt_no: str


class NamedIntent(msgspec.Struct, frozen=True, kw_only=True):
    """An intent with its attempts, oldest first."""

    order_id: int
    amount: Money
    attempts: tuple[NamedAttempt, ...]
    refund: NamedRefund | None
    payment: NamedPayment | None

    def attempt(self, attempt_no: str | None) -> NamedAttempt | None:
        """Find an attempt of this intent by its number."""
        return next((a for a in self.attempts if a.attempt_no == attempt_no), None)


_NAMED = """
SELECT json_build_object(
  'order_id', i.order_id,
  'amount', json_build_object('amount_minor', i.amount_minor, 'currency', i.currency),
  'attempts', (SELECT coalesce(json_agg(json_build_object(
      'attempt_no', a.attempt_no, 'provider', a.provider, 'state', a.state,
      'merchant_id', a.merchant_id, 'appid', a.appid, 'reference', a.opened ->> 'reference',
      'paid_as', (SELECT p.provider_txn_id FROM payments p
        WHERE p.order_id = a.order_id AND p.attempt_no = a.attempt_no
        ORDER BY p.honoured DESC, p.id LIMIT 1))
      ORDER BY a.attempt_no), '[]')
    FROM payment_attempts a WHERE a.order_id = i.order_id AND a.intent_id = i.id),
  'refund', (SELECT json_build_object(
      'refund_no', r.refund_no, 'attempt_no', p.attempt_no, 'provider', p.provider,
      'amount', json_build_object('amount_minor', r.amount_minor, 'currency', r.currency))
    FROM refunds r JOIN payments p ON p.id = r.payment_id
    WHERE r.refund_no = $2),
  'payment', (SELECT json_build_object('attempt_no', p.attempt_no)
    FROM payments p WHERE p.provider = $3 AND p.provider_txn_id = $4)
)::text AS document
FROM payment_intents i WHERE i.id = $1
"""
_decoder = msgspec.json.Decoder(NamedIntent)


async def named(
    connection: Connection,
    intent_id: int,
    *,
    refund_no: str | None = None,
    txn: tuple[str, str | None] = ("", None),
) -> NamedIntent | None:
    """Find an intent by its id; None: unknown.

    With it come the refund of a number and the payment of *txn*, a provider and its number of it,
    if there are any.
    """
    document = await connection.fetchval(_NAMED, intent_id, refund_no, *txn)
    return None if document is None else _decoder.decode(document)
