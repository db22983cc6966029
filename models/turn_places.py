"""Writing what a group of turns did to registrations, gift seats and the count of seats."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import asdict

from models.encoding import rows
from models.engine import Tx
from models.seats import SeatMove, move_seats
from models.written import WrittenTurn, changed

_NEW_REGISTRATIONS = """
INSERT INTO registrations (event_id, user_id, ticket_type_id, order_id, invite_id, status,
  seats_held, answers)
SELECT r.event_id, r.user_id, r.ticket_type_id, r.order_id, r.invite_id, r.status, 0, r.answers
FROM json_to_recordset($1::json) AS r(event_id bigint, user_id bigint, ticket_type_id bigint,
  order_id bigint, invite_id bigint, status text, answers jsonb) ORDER BY r.event_id, r.user_id
"""
_MOVED_REGISTRATIONS = """
UPDATE registrations g SET status = r.status, refund_no = r.refund_no, updated_at = now()
FROM json_to_recordset($1::json) AS r(id bigint, status text, refund_no text) WHERE g.id = r.id
"""


async def write_registrations(tx: Tx, turns: Sequence[WrittenTurn], _now: datetime) -> None:
    """Store places that are new or have moved."""
    pairs = [(t, g) for t in turns for g in changed(t.before.registrations, t.after.registrations)]
    moved = [
        {"id": place.id, "status": place.status, "refund_no": place.refund_no}
        for _, place in pairs
        if place.id
    ]
    new = [
        {
            "event_id": turn.after.event_id,
            "user_id": place.user_id,
            "ticket_type_id": turn.after.ticket_type_id,
            "order_id": turn.after.id,
            "invite_id": place.invite_id,
            "status": place.status,
            "answers": turn.answers,
        }
        for turn, place in pairs
        if place.id is None
    ]
    if moved:
        await tx.execute(_MOVED_REGISTRATIONS, rows(moved))
    if new:
        await tx.execute(_NEW_REGISTRATIONS, rows(new))


_NEW_INVITES = """
INSERT INTO order_invites (order_id, position, generation, status, code_hash)
SELECT r.order_id, r.position, r.generation, r.status, r.code_hash
FROM json_to_recordset($1::json) AS r(order_id bigint, position int, generation int, status text,
  code_hash text)
"""
_MOVED_INVITES = """
UPDATE order_invites i SET status = r.status, generation = r.generation,
  code_hash = coalesce(r.code_hash, i.code_hash), refund_no = r.refund_no,
  redeemed_by = r.redeemed_by, redeemed_at = r.redeemed_at
FROM json_to_recordset($1::json) AS r(id bigint, status text, generation int, code_hash text,
  refund_no text, redeemed_by bigint, redeemed_at timestamptz) WHERE i.id = r.id
"""


async def write_invites(tx: Tx, turns: Sequence[WrittenTurn], _now: datetime) -> None:
    """Store gift seats that are new or have moved."""
    pairs = [(turn, i) for turn in turns for i in changed(turn.before.invites, turn.after.invites)]
    moved = [
        {**asdict(invite), "code_hash": turn.invite_hashes.get(invite.position)}
        for turn, invite in pairs
        if invite.id
    ]
    new = [
        {
            "order_id": turn.after.id,
            "position": invite.position,
            "generation": invite.generation,
            "status": invite.status,
            "code_hash": turn.invite_hashes[invite.position],
        }
        for turn, invite in pairs
        if invite.id is None
    ]
    if moved:
        await tx.execute(_MOVED_INVITES, rows(moved))
    if new:
        await tx.execute(_NEW_INVITES, rows(new))


async def write_seats(tx: Tx, turns: Sequence[WrittenTurn], _now: datetime) -> None:
    """Move the seats that orders took again or gave back."""
    moves = [
        SeatMove(
            holder_kind="order",
            holder_id=turn.after.id,
            event_id=turn.after.event_id,
            ticket_type_id=turn.after.ticket_type_id,
            seats=turn.after.seats_held - turn.before.seats_held,
            cause=turn.seat_cause,
        )
        for turn in turns
        if turn.seat_cause is not None
    ]
    if moves:
        await move_seats(tx, moves)
