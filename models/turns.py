"""Writing what a group of turns decided: at the version they loaded, or not at all.

Each statement takes the whole group. The compare-and-swap comes first and takes its rows in
order of id; only the orders that won it are written further. What nearly every turn has goes with
the swap: what became true, the attempts that moved, and what older clients pay with.
"""

from collections.abc import Sequence
from datetime import datetime

from contracts.states import NoticeStatus
from models.coupon_uses import write_coupon_uses
from models.encoding import rows
from models.engine import Connection, Tx
from models.legacy_fields import NOTE
from models.turn_duties import write_cases, write_effects
from models.turn_money import (
    end_repriced_intents,
    moved_attempts,
    write_new_attempts,
    write_payments,
    write_refunds,
)
from models.turn_places import write_invites, write_registrations, write_seats
from models.written import WrittenTurn

# The global order of locks: orders and their attempts (the swap), seats, coupons, the inserts.
_STEPS = (
    write_seats,
    write_coupon_uses,
    end_repriced_intents,
    write_new_attempts,
    write_payments,
    write_refunds,
    write_registrations,
    write_invites,
    write_effects,
    write_cases,
)


async def write(tx: Tx, turns: Sequence[WrittenTurn], now: datetime) -> set[int]:
    """Write the turns whose order still has the version it was loaded with; return their ids."""
    moved = [turn for turn in turns if turn.events]
    won = await swap(tx, moved, now) if moved else set()
    winners = [turn for turn in moved if turn.after.id in won]
    for step in _STEPS:
        await step(tx, winners, now)
    unchanged = {turn.after.id for turn in turns if not turn.events}
    await _finish_notices(tx, [turn for turn in turns if turn.after.id in won | unchanged])
    return won | unchanged


_WON = """
WITH new AS (SELECT * FROM json_to_recordset($1::json) AS r(
    id bigint, version int, status text, payment_status text, last_payment_attempt_status text,
    refund_status text, closing_for text, channel text, payment_channel text,
    seats_held int, paid_at timestamptz, total_minor bigint,
    events jsonb, attempts jsonb, legacy jsonb)),
held AS (SELECT o.id FROM orders o JOIN new USING (id) WHERE o.version = new.version
         ORDER BY o.id FOR NO KEY UPDATE OF o),
won AS (UPDATE orders o SET version = o.version + 1, status = new.status,
  payment_status = new.payment_status, refund_status = new.refund_status,
  last_payment_attempt_status = new.last_payment_attempt_status,
  closing_for = new.closing_for, channel = new.channel,
  payment_channel = new.payment_channel, seats_held = new.seats_held,
  paid_at = new.paid_at, total_minor = new.total_minor
  FROM new JOIN held USING (id) WHERE o.id = new.id
  RETURNING o.id),
audit AS (INSERT INTO order_events (order_id, version, kind, data)
  SELECT new.id, new.version + 1, e ->> 'type', e - 'type'
  FROM new JOIN won USING (id) CROSS JOIN LATERAL jsonb_array_elements(new.events) AS e),
moved AS (UPDATE payment_attempts a SET state = r.state, opened = r.opened,
  opened_at = r.opened_at, claim_until = r.claim_until, close_owed = r.close_owed,
  due_at = r.due_at, looks = 0
  FROM new JOIN won USING (id) CROSS JOIN LATERAL jsonb_to_recordset(new.attempts)
    AS r(attempt_no text, state text, opened jsonb, opened_at timestamptz,
      claim_until timestamptz, close_owed boolean, due_at timestamptz)
  WHERE a.attempt_no = r.attempt_no)"""
_SWAP = f"{_WON}\nSELECT id FROM won\n"
# Apart, so that nothing names the table any more where nobody writes it.
_SWAP_AND_NOTE = f"{_WON},{NOTE}\nSELECT id FROM won\n"


async def swap(db: Connection, turns: Sequence[WrittenTurn], now: datetime) -> set[int]:
    """Write of turns what stands in the order and its attempts, in one statement.

    That is all of a turn that moves no money, seat or place, owes nothing and is no new attempt.
    Return the ids of the orders that still had the version they were decided at.
    """
    new = [
        {
            "id": turn.after.id,
            "version": turn.before.version,
            "status": turn.after.status,
            "payment_status": turn.after.payment_status,
            "last_payment_attempt_status": turn.after.last_payment_attempt_status,
            "refund_status": turn.after.refund_status,
            "closing_for": turn.after.closing_for,
            "channel": turn.after.channel,
            "payment_channel": turn.after.payment_channel,
            "seats_held": turn.after.seats_held,
            "paid_at": turn.after.paid_at,
            "total_minor": turn.after.total.amount_minor,
            "events": turn.events,
            "attempts": moved_attempts(turn, now),
            "legacy": turn.legacy_fields,
        }
        for turn in turns
    ]
    has_legacy = any(turn.legacy_fields is not None for turn in turns)
    statement = _SWAP_AND_NOTE if has_legacy else _SWAP
    return {row["id"] for row in await db.fetch(statement, rows(new))}


_NOTICES = """
UPDATE webhook_events w SET status = r.status, order_id = r.order_id, due_at = NULL,
  processed_at = now()
FROM json_to_recordset($1::json) AS r(id bigint, order_id bigint, status text) WHERE w.id = r.id
"""


async def _finish_notices(tx: Tx, turns: Sequence[WrittenTurn]) -> None:
    done = [
        {
            "id": turn.notice_id,
            "order_id": turn.after.id,
            "status": NoticeStatus.QUARANTINED if turn.cases else NoticeStatus.PROCESSED,
        }
        for turn in turns
        if turn.notice_id is not None
    ]
    if done:
        await tx.execute(_NOTICES, rows(done))
