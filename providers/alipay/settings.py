"""What the adapter must be told about the merchant's app and about Alipay."""

import re

import msgspec

from providers.gateways import is_loopback, may_be_called

PRODUCTION_GATEWAY = "https://openapi.alipay.com/gateway.do"
CALL_SECONDS = 10.0


class AlipaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """One app's keys and Alipay's own; with a *seller_id* money for any other seller is foreign.

    Keys are PEM or the bare base64 that Alipay's console shows. Each of Alipay's is believed, so
    that a new one can be added before the old one is taken away.

    :raises ValueError: a setting is malformed; names it, never shows it.
    """

    app_id: str
    seller_id: str | None = None
    private_key_pem: str
    alipay_public_keys_pem: tuple[str, ...]
    gateway: str = PRODUCTION_GATEWAY
    # A payer waits for the answer: longer is no help, and the number can be asked about again.
    timeout_seconds: float = CALL_SECONDS
    connect_timeout_seconds: float = 5.0
    max_connections: int = 64

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at the first call or the first notice."""
        _require(bool(re.fullmatch(r"[0-9A-Za-z]{1,32}", self.app_id)), "app_id")
        _require(
            self.seller_id is None or bool(re.fullmatch(r"[0-9]{1,28}", self.seller_id)),
            "seller_id",
        )
        _require(bool(self.alipay_public_keys_pem), "alipay_public_keys: at least one wanted")
        _require(may_be_called(self.gateway), "gateway")
        _require(0 < self.connect_timeout_seconds <= self.timeout_seconds, "timeout_seconds")

    def __repr__(self) -> str:
        """Say which app, and nothing secret: settings end up in error reports."""
        return f"AlipaySettings(app_id={self.app_id!r}, gateway={self.gateway!r})"

    @property
    def merchant_id(self) -> str:
        """Who is paid: the seller, or the app where no seller was named."""
        return self.seller_id or self.app_id

    @property
    def is_loopback(self) -> bool:
        """Whether the gateway is a simulator on this machine."""
        return is_loopback(self.gateway)


def _require(holds: bool, setting: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        msg = f"Alipay setting is malformed: {setting}"
        raise ValueError(msg)
