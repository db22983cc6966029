"""What of each provider is real and what is pretended: keys by their marks, addresses by hosts.

Nothing tells a real payment from a test one but the key it was made with, so a house that mixes
them would give places away for money nobody paid, or charge people who play.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from runtime.addresses import is_loopback
from runtime.settings import Settings

# Stripe, "API keys", and Ping++, "Secret keys", read 2026-11.
_TEST_KEY = re.compile(r"[a-z]{2}_test_")
_LIVE_KEY = re.compile(r"[a-z]{2}_live_")
_STRIPE_API = "https://api.stripe.com"
# Alipay keeps its own sandbox there ("Sandbox environment", read 2026-11).
_ALIPAY_SANDBOX = "alipaydev.com"


class _Called(NamedTuple):
    name: str
    address: str
    whose: str
    # Whether the sandbox, too, would call there.
    is_used: bool


def about_live(settings: Settings) -> list[str]:
    """Name what takes no real money, or would call a simulator for it."""
    problems = [
        f"{name} is a test key, but APP_ENV is production"
        for name, key in _keys(settings)
        if key and _TEST_KEY.match(key)
    ]
    return problems + [
        f"{called.name} is not {called.whose}"
        for called in _called(settings)
        if not _is_real(called.address)
    ]


def about_pretended(settings: Settings) -> list[str]:
    """Name what would move real money, or call anybody but a simulator."""
    problems = [
        f"{name} is a live key, but APP_ENV is sandbox"
        for name, key in _keys(settings)
        if key and _LIVE_KEY.match(key)
    ]
    return problems + [
        f"{called.name} is not on this machine, but APP_ENV is sandbox"
        for called in _called(settings)
        if called.is_used and not is_loopback(urlsplit(called.address).hostname or "")
    ]


def _is_real(address: str) -> bool:
    """Tell whether an address may be somebody's outside, and none of a simulator's."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "https" and not is_loopback(host) and not host.endswith(_ALIPAY_SANDBOX)


def _keys(settings: Settings) -> list[tuple[str, str | None]]:
    return [
        ("STRIPE_SECRET_KEY", settings.stripe_secret_key),
        ("STRIPE_PUBLISHABLE_KEY", settings.stripe_publishable_key),
        ("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", settings.next_public_stripe_publishable_key),
        ("PINGXX_SECRET_KEY", settings.pingxx_secret_key),
    ]


def _called(settings: Settings) -> list[_Called]:
    wechat = settings.wechat_pay_mch_id is not None
    secrets = settings.wechat_service_account_app_secret, settings.wechat_miniprogram_app_secret
    # Nobody is asked there without a secret, and old sandboxes have no other address for it.
    people = wechat and any(secrets)
    stripe, pingxx = settings.stripe_secret_key, settings.pingxx_secret_key
    return [
        _Called("WECHAT_PAY_GATEWAY", settings.wechat_pay_gateway, "WeChat", wechat),
        _Called("WECHAT_API_BASE", settings.wechat_api_base, "WeChat", people),
        _Called("WECHAT_OPEN_BASE", settings.wechat_open_base, "WeChat", people),
        _Called("STRIPE_API_BASE", settings.stripe_api_base or _STRIPE_API, "Stripe", bool(stripe)),
        _Called("PINGXX_GATEWAY", settings.pingxx_gateway, "Ping++", bool(pingxx)),
        _Called("ALIPAY_GATEWAY", settings.alipay_gateway, "Alipay", bool(settings.alipay_app_id)),
    ]
