"""Who may use the Mini Program bridge."""

import msgspec


class BridgeGate(msgspec.Struct, frozen=True, kw_only=True):
    """How far the bridge is rolled out, and the oldest one that may pay."""

    rollout_percent: int = 100
    min_version: str = "1.2.0"
