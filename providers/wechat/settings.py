"""What the adapters must be told about the merchant, the platform and the apps."""

import re
from collections.abc import Mapping

import msgspec

from providers.gateways import is_loopback, may_be_called

PRODUCTION_GATEWAY = "https://api.mch.weixin.qq.com"
PRODUCTION_API = "https://api.weixin.qq.com"
PRODUCTION_OPEN = "https://open.weixin.qq.com"
API_V3_KEY_BYTES = 32
CALL_SECONDS = 10.0


class WeChatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant's keys and the platform's.

    With platform public keys, by id, answers and notices are checked against the one they name,
    and answers are asked to be signed with the first; without, against platform certificates
    downloaded at the start and on every refresh.

    :raises ValueError: a setting is malformed; names it, never shows it.
    """

    merchant_id: str
    merchant_serial_no: str
    merchant_private_key_pem: str
    api_v3_key: str
    app_ids: tuple[str, ...]
    gateway: str = PRODUCTION_GATEWAY
    platform_public_keys_pem: Mapping[str, str] = {}
    # A payer waits for the answer: longer is no help, and the number can be asked about again.
    timeout_seconds: float = CALL_SECONDS
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
            all(re.fullmatch(r"[0-9A-Za-z_]{1,64}", one) for one in self.platform_public_keys_pem),
            "platform_public_key_id",
        )
        _require(may_be_called(self.gateway), "gateway")
        _require(0 < self.connect_timeout_seconds <= self.timeout_seconds, "timeout_seconds")
        _require(bool(self.app_ids) and all(self.app_ids), "app_ids")

    def __repr__(self) -> str:
        """Say which merchant, and nothing secret: settings end up in error reports."""
        return f"WeChatSettings(merchant_id={self.merchant_id!r}, gateway={self.gateway!r})"

    @property
    def is_loopback(self) -> bool:
        """Whether the gateway is a simulator on this machine."""
        return is_loopback(self.gateway)


class App(msgspec.Struct, frozen=True, kw_only=True):
    """One app and the secret that lets its owner ask who its users are.

    :raises ValueError: one of them is malformed; names it, never shows it.
    """

    appid: str
    secret: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at the first call."""
        _require(bool(re.fullmatch(r"[0-9A-Za-z_\-]{1,64}", self.appid)), "appid")
        shaped = self.secret is None or re.fullmatch(r"[!-~]{1,128}", self.secret)
        _require(bool(shaped), "app secret")

    def __repr__(self) -> str:
        """Say which app, and nothing secret."""
        return f"App(appid={self.appid!r})"


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The apps whose users we want to know, and where to ask.

    *open_base* is where a person's browser is sent, *api_base* where we call.

    :raises ValueError: a setting is malformed; names it, never shows it.
    """

    service_account: App
    mini_program: App
    api_base: str = PRODUCTION_API
    open_base: str = PRODUCTION_OPEN
    # A person waits for the answer, and gets another code by a touch.
    timeout_seconds: float = 5.0
    connect_timeout_seconds: float = 3.0
    max_connections: int = 16

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at the first call."""
        _require(may_be_called(self.api_base), "api_base")
        _require(may_be_called(self.open_base), "open_base")
        _require(0 < self.connect_timeout_seconds <= self.timeout_seconds, "timeout_seconds")

    @property
    def is_loopback(self) -> bool:
        """Whether a simulator on this machine is asked."""
        return is_loopback(self.api_base)


def _require(holds: bool, setting: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        msg = f"WeChat Pay setting is malformed: {setting}"
        raise ValueError(msg)
