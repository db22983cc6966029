"""The bridge's gate as every process sees it: asked for on each payment, read every few seconds."""

import asyncio
import time

import structlog

from contracts.bridge import BridgeGate
from models.bridge import load_gate, set_gate
from models.engine import Database

# An admin who switches the bridge off waits this long at most for the last process to notice.
_FRESH_SECONDS = 2.0

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


class Gatekeeper:
    """Knows who may use the bridge; *default* counts while nobody has changed it."""

    def __init__(self, *, database: Database, default: BridgeGate) -> None:
        self._database = database
        self._default = default
        self._gate: BridgeGate | None = None
        self._stale_at = 0.0
        self._reading: asyncio.Task[BridgeGate] | None = None

    async def current(self) -> BridgeGate:
        """Return the gate as it was at most two seconds ago; longer while the database is away."""
        if self._gate is not None and time.monotonic() < self._stale_at:
            return self._gate
        try:
            return await self.read()
        except Exception:
            if self._gate is None:
                raise
            # Whoever was let in a moment ago still is; what follows fails on its own if it must.
            return self._gate

    async def read(self) -> BridgeGate:
        """Read the gate now; many who ask at once share one look."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._forget)
        return await asyncio.shield(self._reading)

    async def change(self, gate: BridgeGate, *, user_id: int) -> None:
        """Open or close the gate for everybody, in the name of an admin."""
        await set_gate(self._database, gate, changed_by=user_id)
        log.warning(
            "bridge.gate.changed",
            user_id=user_id,
            rollout_percent=gate.rollout_percent,
            min_version=gate.min_version,
        )
        self._keep(gate)

    async def _read(self) -> BridgeGate:
        # First, so that a database that is away is not asked by every payment.
        self._stale_at = time.monotonic() + _FRESH_SECONDS
        gate = await load_gate(self._database) or self._default
        self._keep(gate)
        return gate

    def _keep(self, gate: BridgeGate) -> None:
        self._gate = gate
        self._stale_at = time.monotonic() + _FRESH_SECONDS

    def _forget(self, task: "asyncio.Task[BridgeGate]") -> None:
        self._reading = None
        if not task.cancelled():
            # Everybody who waited may be gone; then nobody else would look at the failure.
            task.exception()
