"""How far the Mini Program bridge is rolled out: the newest row says, the others remember."""

from contracts.bridge import BridgeGate
from models.engine import Connection


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
