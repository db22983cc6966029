"""Writing what a group of turns owes to the outside and asks a person."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import asdict

from contracts.effects import Effect
from contracts.order import Order
from models.encoding import rows
from models.engine import Tx
from models.written import WrittenTurn

_EFFECTS = """
INSERT INTO effects (holder_kind, holder_id, cause, kind, due_at, tries, trace_ctx)
SELECT 'order', r.order_id, r.cause, r.kind, now(), 0, r.trace_ctx
FROM json_to_recordset($1::json) AS r(order_id bigint, cause text, kind text, trace_ctx text)
ON CONFLICT (holder_kind, holder_id, cause, kind) DO NOTHING
"""


async def write_effects(tx: Tx, turns: Sequence[WrittenTurn], _now: datetime) -> None:
    """Store duties to the outside, each once."""
    await owe(tx, [(turn.after, effect) for turn in turns for effect in turn.effects])


async def owe(tx: Tx, duties: Sequence[tuple[Order, Effect]]) -> None:
    """Store duties of orders, each once."""
    owed = [
        {
            "order_id": order.id,
            "cause": effect.cause,
            "kind": effect.kind,
            "trace_ctx": order.trace_ctx,
        }
        for order, effect in duties
    ]
    if owed:
        await tx.execute(_EFFECTS, rows(owed))


_CASES = """
INSERT INTO cases (kind, subject, order_id, reason, details)
SELECT r.kind, r.subject, r.order_id, r.reason, r.details
FROM json_to_recordset($1::json) AS r(kind text, subject text, order_id bigint, reason text,
  details jsonb)
ON CONFLICT (kind, subject) DO NOTHING
"""


async def write_cases(tx: Tx, turns: Sequence[WrittenTurn], _now: datetime) -> None:
    """Store questions for a person, each once."""
    opened = [{"order_id": turn.after.id, **asdict(case)} for turn in turns for case in turn.cases]
    if opened:
        await tx.execute(_CASES, rows(opened))
