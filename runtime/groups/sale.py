"""How long orders wait."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from runtime.groups.kinds import Seconds
from runtime.registry import about


@dataclass(frozen=True, kw_only=True, repr=False)
class SaleSettings:
    """How long orders and what opens them wait."""

    order_expire_seconds: Annotated[
        int, Meta(ge=1, le=7 * 86400), about("sale", "How long an order may be paid.")
    ] = 1800
    late_payment_honour_hours: Annotated[
        int, Meta(ge=0, le=720), about("sale", "How long an ended order may still keep late money.")
    ] = 24
    attempt_grace_seconds: Annotated[
        Seconds, about("sale", "How long after its last moment an attempt may still be paid.")
    ] = 60
    prepare_claim_seconds: Annotated[
        int, Meta(ge=1), about("sale", "How long an opener may take before another takes over.")
    ] = 20
