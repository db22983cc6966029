"""How far the Mini Program bridge is rolled out: the newest row says, the others remember."""

import msgspec

from contracts.bridge import BridgeGate
from models.engine import Connection


class ReportedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order of whom reports about it, and how it is being paid."""

    id: int
    payment_channel: str
    channel: str | None


async def load_gate(db: Connection) -> BridgeGate | None:
    """Read the gate as it is now; None while nobody has ever changed it."""
    row = await db.fetchrow(
        "SELECT rollout_percent, min_version FROM bridge_gate ORDER BY id DESC LIMIT 1"
    )
    return None if row is None else BridgeGate(**dict(row))


async def set_gate(db: Connection, gate: BridgeGate, *, changed_by: int) -> None:
    """Change the gate; who did it, when, and what it was before are kept."""
    await db.execute(
        "INSERT INTO bridge_gate (rollout_percent, min_version, changed_by) VALUES ($1, $2, $3)",
        gate.rollout_percent,
        gate.min_version,
        changed_by,
    )


async def reported_order(db: Connection, *, user_id: int, order_no: str) -> ReportedOrder | None:
    """Find an order of the person's own by its number; None when it is not."""
    row = await db.fetchrow(
        "SELECT id, payment_channel, channel FROM orders WHERE order_no = $1 AND user_id = $2",
        order_no,
        user_id,
    )
    return None if row is None else ReportedOrder(**dict(row))
