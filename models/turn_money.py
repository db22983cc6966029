"""Writing what a group of turns did to attempts, payments and refunds."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import asdict

from contracts.errors import InvalidState
from contracts.order import Attempt, Order, Payment, Refund
from contracts.states import (
    REFUNDS_IN_VAIN,
    REFUNDS_UNDER_WAY,
    AttemptState,
    RefundKind,
    RefundStatus,
)
from models.encoding import rows
from models.engine import Tx
from models.written import WrittenTurn, changed

# The first look at an unpaid attempt; the worker chooses the later ones.
FIRST_LOOK = timedelta(seconds=5)

# An attempt that nobody confirmed an intent for belongs to the order's own, made with the first.
# One that confirms another than the order's own is not written: that one has ended since.
_NEW_ATTEMPTS = """
WITH r AS (SELECT *, (request -> 'amount' ->> 'amount_minor')::bigint AS amount_minor,
    request -> 'amount' ->> 'currency' AS currency
  FROM json_to_recordset($1::json) AS r(order_id bigint, attempt_no text, state text,
    request jsonb, opened jsonb, opened_at timestamptz, claim_until timestamptz,
    close_owed boolean, due_at timestamptz)),
own AS (SELECT i.id, i.order_id FROM payment_intents i JOIN r USING (order_id)
  WHERE i.ended_at IS NULL),
new AS (INSERT INTO payment_intents (order_id, provider, amount_minor, currency)
  SELECT order_id, request ->> 'provider', amount_minor, currency FROM r
  WHERE NOT request ? 'confirmation' AND order_id NOT IN (SELECT order_id FROM own)
  RETURNING id, order_id)
INSERT INTO payment_attempts (order_id, intent_id, idempotency_key, attempt_no, provider, channel,
  state, merchant_id, appid, amount_minor, currency, request, opened, opened_at, claim_until,
  payable_until, close_owed, due_at, looks)
SELECT r.order_id,
  coalesce(own.id, new.id),
  r.request #>> '{confirmation,idempotency_key}', r.attempt_no, r.request ->> 'provider',
  r.request ->> 'channel', r.state, r.request ->> 'merchant_id', r.request ->> 'appid',
  r.amount_minor, r.currency, r.request, r.opened, r.opened_at, r.claim_until,
  (r.request ->> 'payable_until')::timestamptz, r.close_owed, r.due_at, 0
FROM r LEFT JOIN own USING (order_id) LEFT JOIN new USING (order_id)
WHERE NOT r.request ? 'confirmation'
  OR (r.request #>> '{confirmation,intent_id}')::bigint = own.id
RETURNING attempt_no
"""


async def write_new_attempts(tx: Tx, turns: Sequence[WrittenTurn], now: datetime) -> None:
    """Store attempts that are new, and say when to look at them.

    :raises contracts.errors.InvalidState: an intent that one of them confirms has ended since it
        was looked at; nothing of the group may be kept.
    """
    new = [
        {"order_id": turn.after.id, "request": attempt.request, **_attempt_row(attempt, now)}
        for turn in turns
        for attempt in turn.after.attempts
        if turn.before.attempt(attempt.attempt_no) is None
    ]
    if new and len(await tx.fetch(_NEW_ATTEMPTS, rows(new))) < len(new):
        raise InvalidState("The intent has ended; ask for another.")


_REPRICED = """
UPDATE payment_intents SET ended_at = clock_timestamp(), end_reason = 'PRICE_CHANGED'
WHERE order_id = ANY($1::bigint[]) AND ended_at IS NULL
"""


async def end_repriced_intents(tx: Tx, turns: Sequence[WrittenTurn], _now: datetime) -> None:
    """End what was to collect a price that an order no longer has."""
    repriced = [turn.after.id for turn in turns if turn.before.total != turn.after.total]
    if repriced:
        await tx.execute(_REPRICED, repriced)


def moved_attempts(turn: WrittenTurn, now: datetime) -> list[dict[str, object]]:
    """List the attempts that were there and have moved, and when to look at them next."""
    return [
        _attempt_row(attempt, now)
        for attempt in changed(turn.before.attempts, turn.after.attempts)
        if turn.before.attempt(attempt.attempt_no) is not None
    ]


def _attempt_row(attempt: Attempt, now: datetime) -> dict[str, object]:
    return {
        "attempt_no": attempt.attempt_no,
        "state": attempt.state,
        "opened": attempt.opened,
        "opened_at": attempt.opened_at,
        "claim_until": attempt.claim_until,
        "close_owed": attempt.close_owed,
        "due_at": _due_at(attempt, now),
    }


def _due_at(attempt: Attempt, now: datetime) -> datetime | None:
    if not attempt.is_live:
        return None
    if attempt.close_owed:
        return now
    if attempt.state is AttemptState.OPENING and attempt.claim_until is not None:
        return attempt.claim_until
    return now + FIRST_LOOK


_PAYMENTS = """
INSERT INTO payments (order_id, attempt_no, provider, provider_txn_id, amount_minor, currency,
  honoured, refund_minor, source, paid_at)
SELECT r.order_id, r.attempt_no, r.provider, r.provider_txn_id, (r.paid ->> 'amount_minor')::bigint,
  r.paid ->> 'currency', r.honoured, 0, r.source, r.paid_at
FROM json_to_recordset($1::json) AS r(order_id bigint, attempt_no text, provider text,
  provider_txn_id text, paid json, honoured boolean, source text, paid_at timestamptz)
"""


async def write_payments(tx: Tx, turns: Sequence[WrittenTurn], _now: datetime) -> None:
    """Store new payments; the database refuses a transaction it knows."""
    new = [
        {"order_id": turn.after.id, **asdict(payment)}
        for turn in turns
        for payment in changed(turn.before.payments, turn.after.payments)
    ]
    if new:
        await tx.execute(_PAYMENTS, rows(new))


_REFUNDS = """
INSERT INTO refunds AS f (order_id, payment_id, refund_no, idempotency_key, amount_minor, currency,
  status, kind, reason, provider_refund_id, seats, due_at, looks)
SELECT r.order_id, p.id, r.refund_no, r.idempotency_key, (r.amount ->> 'amount_minor')::bigint,
  r.amount ->> 'currency', r.status, r.kind, r.reason, r.provider_refund_id,
  r.seats, r.due_at, 0
FROM json_to_recordset($1::json) AS r(order_id bigint, provider text, provider_txn_id text,
  refund_no text, idempotency_key text, amount json, status text, kind text, reason text,
  provider_refund_id text, seats jsonb, due_at timestamptz)
JOIN payments p ON p.provider = r.provider AND p.provider_txn_id = r.provider_txn_id
ON CONFLICT (refund_no) DO UPDATE SET status = excluded.status, due_at = excluded.due_at,
  order_id = CASE WHEN f.order_id = excluded.order_id THEN f.order_id END,
  provider_refund_id = excluded.provider_refund_id, updated_at = now()
"""
_REFUND_SUMS = """
UPDATE payments p SET refund_minor = r.refund_minor
FROM json_to_recordset($1::json) AS r(provider text, provider_txn_id text, refund_minor bigint)
WHERE p.provider = r.provider AND p.provider_txn_id = r.provider_txn_id
"""


async def write_refunds(tx: Tx, turns: Sequence[WrittenTurn], now: datetime) -> None:
    """Store refunds that are new or have moved, and what each payment has left.

    Numbers made past us are not ours to keep apart: one that another order's refund has is
    refused, as no order.
    """
    moved = [
        {
            "order_id": turn.after.id,
            **asdict(refund),
            "due_at": _refund_due_at(refund, now),
        }
        for turn in turns
        for refund in changed(turn.before.refunds, turn.after.refunds)
    ]
    if not moved:
        return
    sums = [
        {
            "provider": payment.provider,
            "provider_txn_id": payment.provider_txn_id,
            "refund_minor": _refund_minor(turn.after, payment),
        }
        for turn in turns
        for payment in turn.after.payments
    ]
    await tx.execute(_REFUNDS, rows(moved))
    await tx.execute(_REFUND_SUMS, rows(sums))


def _refund_due_at(refund: Refund, now: datetime) -> datetime | None:
    # Nobody but the payer's bank moves a dispute: there is nothing to ask for.
    if refund.status not in REFUNDS_UNDER_WAY or refund.kind is not RefundKind.OURS:
        return None
    # The provider has it and will send a notice; we ask only if none comes.
    return now if refund.status is RefundStatus.REQUESTED else now + FIRST_LOOK


def _refund_minor(order: Order, payment: Payment) -> int:
    return sum(
        refund.amount.amount_minor
        for refund in order.refunds_of(payment)
        if refund.status not in REFUNDS_IN_VAIN
    )
