"""The few numbers that decisions depend on, chosen by whoever runs the service."""

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How long things last and when they are forgiven.

    *gift_code_key* is secret: gift codes are recomputed from it.
    """

    order_expire_seconds: int = 1800
    late_payment_honour_hours: int = 24
    # A provider's clock and ours may differ, and its last second may still be on the wire.
    attempt_grace_seconds: int = 60
    # Longer than any provider call may take, so a claim never ends under a living opener.
    prepare_claim_seconds: int = 20
    gift_code_key: bytes = b""
    # Clients of the release before read them; off when the last of those is gone.
    legacy_payment_fields: bool = False
    # Whether the house's own people hear of sales; nothing is owed where nobody listens.
    tells_sales: bool = False
