"""What the adapter must be told about the account."""

import re
from typing import Final

import msgspec

from providers.gateways import is_loopback, may_be_called

PRODUCTION_API: Final = "https://api.stripe.com"
CALL_SECONDS: Final = 10.0
# Stripe's own word: searches lag by less than a minute, in an outage by up to an hour.
SEARCH_LAG_SECONDS: Final = 3600.0


class StripeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account's keys; several *webhook_secrets* are good at once while one is rolled.

    Without *api_version* the SDK's own is asked for, which is the one this adapter was made with.

    :raises ValueError: a setting is malformed; names it, never shows it.
    """

    secret_key: str
    webhook_secrets: tuple[str, ...] = ()
    api_base: str | None = None
    api_version: str | None = None
    publishable_key: str | None = None
    # A payer waits for the answer; all tries of one call share this time.
    timeout_seconds: float = CALL_SECONDS
    connect_timeout_seconds: float = 5.0
    max_connections: int = 64
    # The SDK repeats a call under one idempotency key when its connection broke.
    max_network_retries: int = 1
    search_lag_seconds: float = SEARCH_LAG_SECONDS

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at the first call or the first notice."""
        _require(bool(re.fullmatch(_SECRET_KEY, self.secret_key)), "secret_key")
        public = self.publishable_key
        _require(public is None or bool(re.fullmatch(_PUBLISHABLE_KEY, public)), "publishable_key")
        _require(all(re.fullmatch(r"[!-~]+", one) for one in self.webhook_secrets), "webhook")
        version = self.api_version
        _require(version is None or bool(re.fullmatch(r"[0-9a-z.\-]{1,40}", version)), "version")
        _require(may_be_called(self.gateway), "api_base")
        _require(0 < self.connect_timeout_seconds <= self.timeout_seconds, "timeout_seconds")

    def __repr__(self) -> str:
        """Say whose mode and where, and nothing secret: settings end up in error reports."""
        return f"StripeSettings(mode={self.merchant_id!r}, api_base={self.gateway!r})"

    @property
    def gateway(self) -> str:
        """Where calls go."""
        return (self.api_base or PRODUCTION_API).rstrip("/")

    @property
    def merchant_id(self) -> str:
        """Name the account by the mode of its key; money of the other mode is somebody else's."""
        return merchant_of(is_live="_live_" in self.secret_key)

    @property
    def is_loopback(self) -> bool:
        """Whether a simulator on this machine is called."""
        return is_loopback(self.gateway)


def merchant_of(*, is_live: bool, account: str | None = None) -> str:
    """Name a merchant: by mode, and by the connected account where an event names one."""
    mode = "stripe:live" if is_live else "stripe:test"
    return mode if account is None else f"{mode}:{account}"


# A restricted key (rk_) does as well, if it may do what this adapter does.
_SECRET_KEY = r"(sk|rk)_(test|live)_[0-9A-Za-z_]{1,240}"  # noqa: S105 - a pattern
_PUBLISHABLE_KEY = r"pk_(test|live)_[0-9A-Za-z_]{1,240}"


def _require(holds: bool, setting: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        msg = f"Stripe setting is malformed: {setting}"
        raise ValueError(msg)
