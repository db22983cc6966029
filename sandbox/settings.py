"""What the simulators are told at start, read once from the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec


class WechatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant as WeChat Pay knows it, and the platform's own keys."""

    mch_id: str
    app_ids: tuple[str, ...]
    app_secrets: dict[str, str] = {}
    api_v3_key: str
    merchant_public_key: Path
    merchant_serial_no: str
    platform_private_key: Path
    platform_public_key_id: str
    platform_certificate: Path
    notice_key: Literal["public_key", "certificate"] = "public_key"
    close_min_age_seconds: float = 0.0
    login_code_seconds: float = 300.0


class MockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the mock provider shares with its merchant, and when it speaks unasked."""

    secret: str
    autofire: bool = True
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 500


class AlipaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant's app as Alipay knows it, and Alipay's own key."""

    app_id: str
    seller_id: str
    merchant_public_key: Path
    private_key: Path


class PingxxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant's app as Ping++ knows it, Ping++'s own key, and where its events go."""

    secret_key: Annotated[str, msgspec.Meta(pattern=r"\Ask_(live|test)_[0-9A-Za-z]+\Z")]
    app_id: str
    merchant_public_key: Path
    private_key: Path
    webhook_url: str

    @property
    def is_live(self) -> bool:
        """Whether the key is one of those that move real money."""
        return self.secret_key.startswith("sk_live_")


class StripeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account at Stripe: its key, and the endpoint that its events go to."""

    secret_key: str
    webhook_secret: str
    webhook_url: str


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the simulators listen, what they remember, and how fast their time runs.

    With *smtp_port* 0 no mail is taken; a provider that is None is not simulated.
    """

    port: int
    smtp_port: int = 0
    state: Path
    time_scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    wechat: WechatSettings
    mock: MockSettings | None = None
    alipay: AlipaySettings | None = None
    pingxx: PingxxSettings | None = None
    stripe: StripeSettings | None = None

    def scaled_ms(self, seconds: float) -> int:
        """Turn the real world's seconds into the sandbox's milliseconds."""
        return round(seconds * 1000 / self.time_scale)


def from_environment(env: Mapping[str, str]) -> SandboxSettings:
    """Read the SANDBOX_* variables; SANDBOX_WECHAT_APP_SECRETS is ``appid=secret,...``.

    The mock provider is told by PAYMENT_WEBHOOK_SECRET and MOCK_WEBHOOK_*, as the service is.

    :raises KeyError: a required variable is missing; its name is the message.
    :raises msgspec.ValidationError: a value has the wrong form.
    """
    fields = {
        "port": env["SANDBOX_PORT"],
        "smtp_port": env.get("SANDBOX_SMTP_PORT") or "0",
        "state": Path(env["SANDBOX_STATE"]),
        "time_scale": env.get("SANDBOX_TIME_SCALE") or "1",
        "wechat": {
            "mch_id": env["SANDBOX_WECHAT_MCH_ID"],
            "app_ids": _listed(env["SANDBOX_WECHAT_APP_IDS"]),
            "app_secrets": _paired(env.get("SANDBOX_WECHAT_APP_SECRETS", "")),
            "api_v3_key": env["SANDBOX_WECHAT_API_V3_KEY"],
            "merchant_public_key": Path(env["SANDBOX_WECHAT_MERCHANT_PUBLIC_KEY"]),
            "merchant_serial_no": env["SANDBOX_WECHAT_MERCHANT_SERIAL_NO"],
            "platform_private_key": Path(env["SANDBOX_WECHAT_PLATFORM_PRIVATE_KEY"]),
            "platform_public_key_id": env["SANDBOX_WECHAT_PLATFORM_PUBLIC_KEY_ID"],
            "platform_certificate": Path(env["SANDBOX_WECHAT_PLATFORM_CERTIFICATE"]),
            "notice_key": env.get("SANDBOX_WECHAT_NOTICE_KEY") or "public_key",
            "close_min_age_seconds": env.get("SANDBOX_WECHAT_CLOSE_MIN_AGE_SECONDS") or "0",
            "login_code_seconds": env.get("SANDBOX_WECHAT_LOGIN_CODE_SECONDS") or "300",
        },
        "mock": _mock(env),
        "alipay": _alipay(env),
        "pingxx": _pingxx(env),
        "stripe": _stripe(env),
    }
    return msgspec.convert(fields, SandboxSettings, strict=False)


def _mock(env: Mapping[str, str]) -> dict[str, str] | None:
    secret = env.get("PAYMENT_WEBHOOK_SECRET")
    if not secret:
        return None
    return {
        "secret": secret,
        "autofire": env.get("MOCK_WEBHOOK_AUTOFIRE") or "1",
        "delay_ms": env.get("MOCK_WEBHOOK_DELAY_MS") or "500",
    }


def _alipay(env: Mapping[str, str]) -> dict[str, object] | None:
    if not env.get("SANDBOX_ALIPAY_APP_ID"):
        return None
    return {
        "app_id": env["SANDBOX_ALIPAY_APP_ID"],
        "seller_id": env["SANDBOX_ALIPAY_SELLER_ID"],
        "merchant_public_key": Path(env["SANDBOX_ALIPAY_MERCHANT_PUBLIC_KEY"]),
        "private_key": Path(env["SANDBOX_ALIPAY_PRIVATE_KEY"]),
    }


def _pingxx(env: Mapping[str, str]) -> dict[str, str | Path] | None:
    secret_key = env.get("SANDBOX_PINGXX_SECRET_KEY")
    if not secret_key:
        return None
    return {
        "secret_key": secret_key,
        "app_id": env["SANDBOX_PINGXX_APP_ID"],
        "merchant_public_key": Path(env["SANDBOX_PINGXX_MERCHANT_PUBLIC_KEY"]),
        "private_key": Path(env["SANDBOX_PINGXX_PRIVATE_KEY"]),
        "webhook_url": env["SANDBOX_PINGXX_WEBHOOK_URL"],
    }


def _stripe(env: Mapping[str, str]) -> dict[str, str] | None:
    key = env.get("SANDBOX_STRIPE_SECRET_KEY")
    if not key:
        return None
    return {
        "secret_key": key,
        "webhook_secret": env["SANDBOX_STRIPE_WEBHOOK_SECRET"],
        "webhook_url": env["SANDBOX_STRIPE_WEBHOOK_URL"],
    }


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _paired(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in _listed(text))
    return {name: value for name, _, value in pairs}
