"""What pages are told at /api/config."""

from dataclasses import dataclass
from typing import Annotated

from runtime.registry import about


@dataclass(frozen=True, kw_only=True, repr=False)
class FrontendSettings:
    """What pages are told at /api/config."""

    next_public_stripe_publishable_key: Annotated[
        str | None,
        about("frontend", "Stripe's key for browsers; unset: STRIPE_PUBLISHABLE_KEY."),
    ] = None
    next_public_stripe_enabled: Annotated[
        bool,
        about(
            "frontend",
            "Whether pages offer Stripe, where it has all it needs, is enabled and its key for"
            " browsers is set.",
        ),
    ] = False
