"""What may stand in production and what in the sandbox; the two never mix.

1. Production refuses the sandbox's keys, test keys, addresses of simulators and the mock provider.
2. The sandbox refuses live keys, real addresses and an address of its own that others can reach.
3. A provider that takes new orders, or was named as one that may, has all it needs.
"""

import re
from urllib.parse import urlsplit

from contracts.people import is_email
from providers.webhook_signature import keys_of
from runtime.addresses import is_loopback
from runtime.groups.payment import PROVIDERS
from runtime.mail_server import is_sender
from runtime.real_money import about_live, about_pretended
from runtime.registry import missing, variables
from runtime.settings import Settings

# The sandbox makes every secret of its own with this in front, so that none is mistaken for real.
# Some words are the provider's and come first.
_SANDBOX_MARK = re.compile(r"(whsec_|[a-z]{2}_test_)?sandbox", re.IGNORECASE)
# What an HMAC-SHA256 key needs to be as strong as the hash (RFC 7518, 3.2).
_KEY_LENGTH_MIN = 32
# Standard Webhooks, "Signature scheme", read 2026-11.
_EVENT_KEY_BYTES_MIN = 24
# A Checkout Session lives for a day at most, half an hour longer than its order can be paid.
_SESSION_SECONDS_MAX = 23 * 3600


def objections(settings: Settings) -> list[str]:
    """Name every reason why these settings must not be started with."""
    return [
        *_about_providers(settings),
        *_about_sessions(settings),
        *_about_mail(settings),
        *_about_events(settings),
        *_about_news(settings),
        *(_in_sandbox(settings) if settings.is_sandbox else _in_production(settings)),
    ]


def _about_providers(settings: Settings) -> list[str]:
    problems = []
    named = {
        "PAYMENT_PROVIDER": (settings.payment_provider,),
        "PAYMENT_CHANNELS_ENABLED": settings.payment_channels_enabled,
    }
    # The mock is refused in production; what it lacks there would only mislead.
    known = [p for p in PROVIDERS if settings.is_sandbox or p != "mock"]
    strange = f"is not known; known: {', '.join(known)}"
    for name, providers in named.items():
        for provider in providers:
            if provider not in known:
                why = "takes no real money" if provider == "mock" else strange
                problems.append(f"{name} {provider!r} {why}")
    wanted = {provider for providers in named.values() for provider in providers} & set(known)
    problems += [f"{name} is missing" for name in missing(settings, {*wanted, settings.app_env})]
    if "mock" in wanted and settings.mock_url is None:
        problems.append("MOCK_GATEWAY is missing, and SANDBOX_URL is too")
    return problems


def _about_sessions(settings: Settings) -> list[str]:
    is_set_up = settings.stripe_secret_key and settings.stripe_webhook_secret
    if is_set_up and settings.order_expire_seconds > _SESSION_SECONDS_MAX:
        return ["ORDER_EXPIRE_SECONDS is above 82800, and no session of Stripe's lives longer"]
    return []


def _about_mail(settings: Settings) -> list[str]:
    problems = []
    try:
        server = settings.mail_server
    except ValueError:
        # Its words would show the password.
        return ["SMTP_URL is malformed"]
    if server is not None and settings.mail_from is None:
        problems.append("MAIL_FROM is missing")
    if server is not None and settings.is_sandbox and not is_loopback(server.host):
        problems.append("SMTP_URL is not on this machine, but APP_ENV is sandbox")
    if settings.mail_from is not None and not is_sender(settings.mail_from):
        problems.append("MAIL_FROM is no address")
    if settings.alarm_mail_to is not None and not is_email(settings.alarm_mail_to):
        problems.append("ALARM_MAIL_TO is no address")
    return problems


def _about_events(settings: Settings) -> list[str]:
    if settings.payment_webhook_secret is None:
        return []
    try:
        keys = keys_of(settings.payment_webhook_secret)
    except ValueError:
        return ["PAYMENT_WEBHOOK_SECRET is malformed"]
    is_short = any(len(key) < _EVENT_KEY_BYTES_MIN for key in keys)
    if is_short and not settings.is_sandbox:
        return ["PAYMENT_WEBHOOK_SECRET is too short"]
    return []


def _about_news(settings: Settings) -> list[str]:
    if settings.feishu_notify_url is None:
        return []
    try:
        parts = urlsplit(settings.feishu_notify_url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        # Its words would show the bot's key.
        return ["FEISHU_NOTIFY_URL is malformed"]
    if settings.is_sandbox and not is_loopback(host):
        return ["FEISHU_NOTIFY_URL is not on this machine, but APP_ENV is sandbox"]
    if not host or parts.scheme not in ({"http", "https"} if settings.is_sandbox else {"https"}):
        return ["FEISHU_NOTIFY_URL is no https address"]
    if not settings.is_sandbox and is_loopback(host):
        return ["FEISHU_NOTIFY_URL is not Feishu"]
    return []


def _in_production(settings: Settings) -> list[str]:
    problems = [
        f"{name} belongs to the sandbox"
        for name, secret in _secrets(settings)
        if any(_SANDBOX_MARK.match(one.strip()) for one in secret.split(","))
    ]
    problems += [
        f"{name} is too short"
        for name, key in _code_keys(settings)
        if key and len(key) < _KEY_LENGTH_MIN
    ]
    if settings.sandbox_url:
        problems.append("SANDBOX_URL is set, but APP_ENV is production")
    problems += [
        f"{name} is set, but APP_ENV is production"
        for name, value in _mock_settings(settings)
        if value is not None
    ]
    if settings.guichet_failpoints:
        problems.append("GUICHET_FAILPOINTS is set, but APP_ENV is production")
    return problems + about_live(settings)


def _in_sandbox(settings: Settings) -> list[str]:
    problems = []
    if not is_loopback(settings.host):
        problems.append("HOST can be reached by others, but APP_ENV is sandbox")
    if settings.mock_gateway and not is_loopback(urlsplit(settings.mock_gateway).hostname or ""):
        problems.append("MOCK_GATEWAY is not on this machine, but APP_ENV is sandbox")
    return problems + about_pretended(settings)


def _mock_settings(settings: Settings) -> list[tuple[str, object]]:
    return [
        ("MOCK_GATEWAY", settings.mock_gateway),
        ("MOCK_WEBHOOK_AUTOFIRE", settings.mock_webhook_autofire),
        ("MOCK_WEBHOOK_DELAY_MS", settings.mock_webhook_delay_ms),
    ]


def _code_keys(settings: Settings) -> list[tuple[str, str | None]]:
    return [
        ("GIFT_CODE_KEY", settings.gift_code_key),
        ("TICKET_CODE_KEY", settings.ticket_code_key),
    ]


def _secrets(settings: Settings) -> list[tuple[str, str]]:
    values = {v.name: getattr(settings, v.field) for v in variables(Settings) if v.secret}
    return [
        (name, one)
        for name, value in values.items()
        for one in ((value,) if isinstance(value, str) else value or ())
        if not name.endswith("_URL")
    ]
