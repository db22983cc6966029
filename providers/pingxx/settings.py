"""What the adapter must be told about the merchant's app at Ping++."""

import re
from typing import Final

import msgspec

from providers.gateways import is_loopback, may_be_called

PRODUCTION_GATEWAY: Final = "https://api.pingxx.com"
CALL_SECONDS = 10.0
# A refund whose making outlived our patience may be listed late, and a repeat makes another one.
REFUND_PAUSE_SECONDS = 300.0
_LIVE: Final = "sk_live_"


class PingxxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One app's keys: what signs our calls, and what Ping++ signs its notices with.

    *open_window_seconds* is how long before its end an attempt may have been opened: charges are
    searched for that far back, so no order may live longer.

    :raises ValueError: a setting is malformed; names it, never shows it.
    """

    secret_key: str
    app_id: str
    private_key_pem: str
    webhook_public_keys_pem: tuple[str, ...]
    gateway: str = PRODUCTION_GATEWAY
    # A payer waits for the answer: longer is no help, and the number can be asked about again.
    timeout_seconds: float = CALL_SECONDS
    connect_timeout_seconds: float = 5.0
    max_connections: int = 64
    open_window_seconds: float = 86_400.0

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at the first call."""
        key = re.fullmatch(r"sk_(live|test)_[0-9A-Za-z]{1,64}", self.secret_key)
        _require(key is not None, "secret_key")
        _require(re.fullmatch(r"app_[0-9A-Za-z]{1,64}", self.app_id) is not None, "app_id")
        _require(bool(self.webhook_public_keys_pem), "webhook_public_keys_pem")
        _require(may_be_called(self.gateway), "gateway")
        _require(0 < self.connect_timeout_seconds <= self.timeout_seconds, "timeout_seconds")
        _require(self.open_window_seconds > 0, "open_window_seconds")

    def __repr__(self) -> str:
        """Say which app, and nothing secret: settings end up in error reports."""
        return f"PingxxSettings(app_id={self.app_id!r}, gateway={self.gateway!r})"

    @property
    def is_live(self) -> bool:
        """Whether the key moves real money."""
        return self.secret_key.startswith(_LIVE)

    @property
    def is_loopback(self) -> bool:
        """Whether the gateway is a simulator on this machine."""
        return is_loopback(self.gateway)


def _require(holds: bool, setting: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        msg = f"Ping++ setting is malformed: {setting}"
        raise ValueError(msg)
