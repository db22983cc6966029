"""What a provider sent us, kept as it came for whoever audits it later."""

from enum import StrEnum
from typing import Any

import msgspec


class EvidenceKind(StrEnum):
    """Which of a provider's objects it is."""

    CHARGE = "charge"
    PAYMENT_INTENT = "payment_intent"
    CHECKOUT_SESSION = "checkout_session"
    TRADE = "trade"
    REFUND = "refund"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a provider's as it told it, without what opens or pays anything.

    *source* is the call that brought it, or ``notice``. Nothing is decided by it.
    """

    provider: str
    attempt_no: str
    kind: EvidenceKind
    object_id: str
    source: str
    body: dict[str, Any]
