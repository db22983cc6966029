"""Who may use the Mini Program bridge."""

import msgspec

# Numbers and dots, few and short: a floor must be comparable with whatever a client claims.
BRIDGE_VERSION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9}){0,3}$"


class BridgeGate(msgspec.Struct, frozen=True, kw_only=True):
    """How far the bridge is rolled out, and the oldest one that may pay."""

    rollout_percent: int = 100
    min_version: str = "1.2.0"
