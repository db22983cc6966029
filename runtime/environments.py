"""What may stand in production and what in the sandbox; the two never mix.

1. Production refuses the sandbox's keys, its addresses and the mock provider.
2. The sandbox refuses real addresses of WeChat and an address of its own that others can reach.
3. A provider that takes new orders has all it needs.
"""

from urllib.parse import urlsplit

from contracts.people import is_email
from providers.webhook_signature import keys_of
from runtime.addresses import is_loopback
from runtime.mail_server import is_sender
from runtime.registry import variables
from runtime.settings import Settings

# The sandbox makes every secret of its own with this in front, so that none is mistaken for real.
SANDBOX_MARK = "sandbox"
# What an HMAC-SHA256 key needs to be as strong as the hash (RFC 7518, 3.2).
_KEY_LENGTH_MIN = 32
# Standard Webhooks, "Signature scheme", read 2026-11.
_EVENT_KEY_BYTES_MIN = 24


def objections(settings: Settings) -> list[str]:
    """Name every reason why these settings must not be started with."""
    return [
        *_missing(settings),
        *_about_mail(settings),
        *_about_events(settings),
        *_about_news(settings),
        *(_in_sandbox(settings) if settings.is_sandbox else _in_production(settings)),
    ]


def _missing(settings: Settings) -> list[str]:
    wanted_for = {settings.payment_provider, settings.app_env.value}
    if not settings.is_sandbox:
        # It is refused there; what it lacks would only mislead.
        wanted_for.discard("mock")
    return [
        f"{variable.name} is missing"
        for variable in variables(Settings)
        if variable.needed_by in wanted_for and getattr(settings, variable.field) is None
    ]


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
        if any(one.strip().lower().startswith(SANDBOX_MARK) for one in secret.split(","))
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
    if settings.payment_provider != "wechat":
        problems.append(f"PAYMENT_PROVIDER {settings.payment_provider!r} takes no real money")
    for name, address in _wechat_addresses(settings):
        parts = urlsplit(address)
        if parts.scheme != "https" or is_loopback(parts.hostname or ""):
            problems.append(f"{name} is not WeChat")
    return problems


def _in_sandbox(settings: Settings) -> list[str]:
    problems = []
    if not is_loopback(settings.host):
        problems.append("HOST can be reached by others, but APP_ENV is sandbox")
    for name, address in _wechat_addresses(settings):
        if not is_loopback(urlsplit(address).hostname or ""):
            problems.append(f"{name} is not on this machine, but APP_ENV is sandbox")
    if settings.payment_provider not in {"wechat", "mock"}:
        problems.append(f"PAYMENT_PROVIDER {settings.payment_provider!r} is not known")
    if settings.payment_provider == "mock" and settings.mock_url is None:
        problems.append("MOCK_GATEWAY is missing, and SANDBOX_URL is too")
    if settings.mock_gateway and not is_loopback(urlsplit(settings.mock_gateway).hostname or ""):
        problems.append("MOCK_GATEWAY is not on this machine, but APP_ENV is sandbox")
    return problems


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


def _wechat_addresses(settings: Settings) -> list[tuple[str, str]]:
    if settings.payment_provider == "mock" and settings.wechat_pay_mch_id is None:
        return []
    gateway = ("WECHAT_PAY_GATEWAY", settings.wechat_pay_gateway)
    of_people = [
        ("WECHAT_API_BASE", settings.wechat_api_base),
        ("WECHAT_OPEN_BASE", settings.wechat_open_base),
    ]
    secrets = settings.wechat_service_account_app_secret, settings.wechat_miniprogram_app_secret
    # The sandbox asks nobody there without a secret, and old ones have no other address for it.
    return [gateway, *of_people] if any(secrets) or not settings.is_sandbox else [gateway]


def _secrets(settings: Settings) -> list[tuple[str, str]]:
    values = {v.name: getattr(settings, v.field) for v in variables(Settings) if v.secret}
    return [(name, value) for name, value in values.items() if value and not name.endswith("_URL")]
