"""The Mini Program bridge: who may use it, and the words in which it fails."""

from enum import StrEnum

import msgspec

# Numbers and dots, few and short: a floor must be comparable with whatever a client claims.
BRIDGE_VERSION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9}){0,3}$"


class BridgeGate(msgspec.Struct, frozen=True, kw_only=True):
    """How far the bridge is rolled out, and the oldest one that may pay."""

    rollout_percent: int = 100
    min_version: str = "1.2.0"


class BridgeError(StrEnum):
    """Why a payment through the bridge did not succeed, as the bridge says it."""

    BRIDGE_NOT_SUPPORTED = "BRIDGE_NOT_SUPPORTED"
    PAY_CANCELLED = "PAY_CANCELLED"
    PAY_FAILED = "PAY_FAILED"
    INVALID_PAYLOAD = "INVALID_PAYLOAD"
    BRIDGE_TIMEOUT = "BRIDGE_TIMEOUT"


_ERRORS = frozenset(error.value for error in BridgeError)
_OTHER = "OTHER"


def report_code(*, ok: bool, err_code: str | None) -> str:
    """Name what a page reports by a word of a closed list, whatever it says."""
    if ok:
        return "OK"
    return err_code if err_code is not None and err_code in _ERRORS else _OTHER
