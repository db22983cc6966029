"""What the adapter must be told about the merchant and the platform."""

import ipaddress
import re
from urllib.parse import urlsplit

import msgspec

PRODUCTION_GATEWAY = "https://api.mch.weixin.qq.com"
API_V3_KEY_BYTES = 32


class WeChatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant's keys and the platform's.

    With a platform public key and its id, answers and notices are checked against that key;
    without, against platform certificates downloaded at the start and on every refresh.

    :raises ValueError: a setting is malformed; names it, never shows it.
    """

    merchant_id: str
    merchant_serial_no: str
    merchant_private_key_pem: str
    api_v3_key: str
    app_ids: tuple[str, ...]
    gateway: str = PRODUCTION_GATEWAY
    platform_public_key_pem: str | None = None
    platform_public_key_id: str | None = None
    # A payer waits for the answer: longer is no help, and the number can be asked about again.
    timeout_seconds: float = 10.0
    connect_timeout_seconds: float = 5.0
    # At 100 ms an answer that is 640 calls a second, about what one process can sign and check.
    max_connections: int = 64

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at the first call or the first notice."""
        _require(bool(re.fullmatch(r"[0-9A-Za-z]{1,32}", self.merchant_id)), "merchant_id")
        _require(
            bool(re.fullmatch(r"[0-9A-Fa-f]{1,64}", self.merchant_serial_no)), "merchant_serial_no"
        )
        _require(len(self.api_v3_key.encode()) == API_V3_KEY_BYTES, "api_v3_key: 32 bytes wanted")
        _require(
            (self.platform_public_key_pem is None) == (self.platform_public_key_id is None),
            "platform_public_key: the key and its id come together",
        )
        scheme = urlsplit(self.gateway).scheme
        _require(scheme == "https" or (scheme == "http" and self.is_loopback), "gateway")
        _require(0 < self.connect_timeout_seconds <= self.timeout_seconds, "timeout_seconds")
        _require(bool(self.app_ids) and all(self.app_ids), "app_ids")

    def __repr__(self) -> str:
        """Say which merchant, and nothing secret: settings end up in error reports."""
        return f"WeChatSettings(merchant_id={self.merchant_id!r}, gateway={self.gateway!r})"

    @property
    def is_loopback(self) -> bool:
        """Whether the gateway is a simulator on this machine."""
        host = urlsplit(self.gateway).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def _require(holds: bool, setting: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        msg = f"WeChat Pay setting is malformed: {setting}"
        raise ValueError(msg)
