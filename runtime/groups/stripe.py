"""Stripe."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from runtime.groups.house import HouseSettings
from runtime.groups.kinds import Url
from runtime.registry import about

# Stripe replaces the word in braces ("Customize redirect behavior", read 2026-11).
_RESULT_PAGE = "/payment/stripe/result?session_id={CHECKOUT_SESSION_ID}"


@dataclass(frozen=True, kw_only=True, repr=False)
class StripeSettings(HouseSettings):
    """Keys and pages of Stripe."""

    stripe_secret_key: Annotated[
        str | None,
        about("stripe", "Key of our calls, sk_ or rk_.", secret=True, needed_by="stripe"),
    ] = None
    stripe_publishable_key: Annotated[
        str | None, about("stripe", "Key for browsers, pk_; it is public.")
    ] = None
    stripe_webhook_secret: Annotated[
        tuple[str, ...],
        about(
            "stripe",
            "Signing secrets of our webhook endpoint, whsec_, comma separated; each counts until it"
            " is removed.",
            secret=True,
            needed_by="stripe",
        ),
    ] = ()
    stripe_api_version: Annotated[
        str | None, about("stripe", "Version of the API to speak; unset: the library's own.")
    ] = None
    stripe_success_url: Annotated[
        Url | None,
        about(
            "stripe",
            f"Page for who has paid at Stripe's Checkout; unset: APP_URL{_RESULT_PAGE}.",
        ),
    ] = None
    stripe_cancel_url: Annotated[
        Url | None,
        about("stripe", f"Page for who left it without paying; unset: APP_URL{_RESULT_PAGE}."),
    ] = None
    stripe_default_currency: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z]{3}$")] | None,
        about(
            "stripe",
            "Read and without effect, which is logged at start: every charge is in its order's"
            " currency.",
        ),
    ] = None
    stripe_api_base: Annotated[
        Url | None, about("stripe", "Base URL of the API; unset: https://api.stripe.com.")
    ] = None

    @property
    def stripe_notices_url(self) -> str:
        """Where Stripe was told to send its events."""
        return f"{self.app_url}/api/order/stripe/webhook"

    @property
    def stripe_return_url(self) -> str:
        """Where Stripe sends who has paid."""
        return self.stripe_success_url or f"{self.app_url}{_RESULT_PAGE}"

    @property
    def stripe_way_out_url(self) -> str:
        """Where Stripe sends who would not pay."""
        return self.stripe_cancel_url or f"{self.app_url}{_RESULT_PAGE}"
