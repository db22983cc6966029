"""Every setting of the service: the one registry, read once per process.

1. A field's name in capitals is its environment variable; its metadata is its documentation.
2. A field without a default is required; an empty value counts as not set.
3. ``APP_ENV`` unset means production. Production refuses what belongs to the sandbox, the sandbox
   refuses what is real.
4. ``.env.example`` is this file in another form: ``python -m runtime.settings > .env.example``.
"""

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.bridge import BRIDGE_VERSION_PATTERN
from runtime.mail_server import MailServer, read_mail_server
from runtime.registry import SettingsError, about, as_env_example, gather

__all__ = ["PRODUCTION_WECHAT_GATEWAY", "AppEnv", "Settings", "SettingsError", "read_settings"]

PRODUCTION_WECHAT_GATEWAY = "https://api.mch.weixin.qq.com"
PRODUCTION_WECHAT_API = "https://api.weixin.qq.com"
PRODUCTION_WECHAT_OPEN = "https://open.weixin.qq.com"

_Port = Annotated[int, Meta(ge=0, le=65535)]
_Percent = Annotated[int, Meta(ge=0, le=100)]
_Seconds = Annotated[int, Meta(ge=0)]
_Interval = Annotated[float, Meta(ge=0)]


class AppEnv(StrEnum):
    """Which world the house stands in."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the service was told at its start."""

    app_env: Annotated[AppEnv, about("house", "production or sandbox.")] = AppEnv.PRODUCTION
    app_url: Annotated[str, about("house", "The service as its users see it.")] = (
        "http://127.0.0.1:8000"
    )
    sandbox_url: Annotated[str | None, about("house", "The simulators; sandbox only.")] = None
    guichet_failpoints: Annotated[
        str | None,
        about("house", "Folder in which tests say where a process dies; sandbox only."),
    ] = None
    log_level: Annotated[str, about("house", "DEBUG, INFO, WARNING or ERROR.")] = "INFO"

    host: Annotated[str, about("http", "Address to listen on.")] = "127.0.0.1"
    port: Annotated[_Port, about("http", "Port to listen on.")] = 8000
    api_workers: Annotated[
        int, Meta(ge=1, le=64), about("http", "API processes on the one port.")
    ] = 1
    cors_allow_origins: Annotated[
        tuple[str, ...], about("http", "Web origins that may call, comma separated; unset: none.")
    ] = ()
    legacy_payment_fields: Annotated[
        bool, about("http", "Repeat codeUrl and jsapiParams beside payPayload.")
    ] = True
    miniprogram_bridge_min_version: Annotated[
        str,
        Meta(pattern=BRIDGE_VERSION_PATTERN),
        about(
            "http",
            "The oldest Mini Program bridge that may pay, until an admin says otherwise.",
            aliases=("MIN_BRIDGE_VERSION",),
        ),
    ] = "1.2.0"
    miniprogram_bridge_rollout_percent: Annotated[
        _Percent | None,
        about(
            "http",
            "Percent of users who may use it until an admin says otherwise; unset: 0, sandbox 100.",
        ),
    ] = None
    wechat_oauth_redirect_url: Annotated[
        str | None,
        about("http", "Page to which WeChat sends back who binds an account; unset: APP_URL."),
    ] = None

    database_url: Annotated[str, about("stores", "PostgreSQL 15 or newer.", secret=True)]
    database_pool_size: Annotated[
        int, Meta(ge=2, le=100), about("stores", "Connections per process.")
    ] = 8
    redis_url: Annotated[
        str | None, about("stores", "Redis 6.2 or newer; everything works without.", secret=True)
    ] = None

    jwt_secret: Annotated[
        str,
        Meta(min_length=32),
        about("people", "HS256 key of bearer tokens, 32 characters or more.", secret=True),
    ]
    jwt_issuer: Annotated[str, about("people", "The issuer tokens must name.")] = "guichet"
    jwt_audience: Annotated[str, about("people", "The audience tokens must name.")] = "guichet"
    gift_code_key: Annotated[
        str | None,
        about(
            "people",
            "Key of gift codes, 32 characters or more; changing it voids codes already given.",
            secret=True,
            needed_by="production",
        ),
    ] = None

    ticket_code_key: Annotated[
        str | None,
        about(
            "people",
            "Key of ticket codes, 32 characters or more; changing it voids tickets already shown.",
            secret=True,
            needed_by="production",
        ),
    ] = None

    order_expire_seconds: Annotated[
        int, Meta(ge=1, le=7 * 86400), about("sale", "How long an order may be paid.")
    ] = 1800
    late_payment_honour_hours: Annotated[
        int, Meta(ge=0, le=720), about("sale", "How long an ended order may still keep late money.")
    ] = 24
    attempt_grace_seconds: Annotated[
        _Seconds, about("sale", "How long after its last moment an attempt may still be paid.")
    ] = 60
    prepare_claim_seconds: Annotated[
        int, Meta(ge=1), about("sale", "How long an opener may take before another takes over.")
    ] = 20

    payment_provider: Annotated[
        str, about("payments", "Provider of new orders: wechat, or in the sandbox mock.")
    ] = "wechat"
    payment_channels_enabled: Annotated[
        tuple[str, ...],
        about("payments", "Providers whom clients may choose, as far as they are set up."),
    ] = ("wechat", "alipay", "stripe", "pingxx", "mock")
    payments_webhook_only: Annotated[
        bool,
        about("payments", "Answers to confirm and refund wait for no provider's word; 0: they do."),
    ] = True
    wechat_pay_gateway: Annotated[str, about("payments", "Base URL of WeChat Pay v3.")] = (
        PRODUCTION_WECHAT_GATEWAY
    )
    wechat_pay_mch_id: Annotated[
        str | None, about("payments", "Merchant number.", needed_by="wechat")
    ] = None
    wechat_service_account_app_id: Annotated[
        str | None,
        about(
            "payments",
            "App id of Native and JSAPI payments.",
            aliases=("WECHAT_PAY_APP_ID",),
            needed_by="wechat",
        ),
    ] = None
    wechat_miniprogram_app_id: Annotated[
        str | None, about("payments", "App id of Mini Program payments.")
    ] = None
    wechat_service_account_app_secret: Annotated[
        str | None,
        about("payments", "The service account's secret; unset: nobody is bound.", secret=True),
    ] = None
    wechat_miniprogram_app_secret: Annotated[
        str | None,
        about("payments", "The Mini Program's secret; unset: nobody is bound there.", secret=True),
    ] = None
    wechat_api_base: Annotated[str, about("payments", "Where codes are exchanged for openids.")] = (
        PRODUCTION_WECHAT_API
    )
    wechat_open_base: Annotated[
        str, about("payments", "Where people in the WeChat browser are sent for a code.")
    ] = PRODUCTION_WECHAT_OPEN
    wechat_pay_private_key: Annotated[
        str | None, about("payments", "The merchant's private key.", pem=True, needed_by="wechat")
    ] = None
    wechat_pay_serial_no: Annotated[
        str | None,
        about(
            "payments",
            "Serial number of the merchant's certificate, hexadecimal.",
            aliases=("WECHAT_PAY_CERT_SERIAL_NO", "WECHAT_PAY_CERT_SERIAL"),
            needed_by="wechat",
        ),
    ] = None
    wechat_pay_api_v3_key: Annotated[
        str | None,
        about(
            "payments",
            "Key that opens notices, 32 bytes.",
            aliases=("WECHAT_PAY_API_KEY_V3", "WECHAT_API_V3_KEY"),
            secret=True,
            needed_by="wechat",
        ),
    ] = None
    wechat_pay_platform_public_key: Annotated[
        str | None,
        about("payments", "The platform's public key; unset: certificates are loaded.", pem=True),
    ] = None
    wechat_pay_platform_public_key_id: Annotated[
        str | None, about("payments", "Number of that key, PUB_KEY_ID_...")
    ] = None
    wechat_pay_notify_url: Annotated[
        str | None, about("payments", "Where notices go; unset: APP_URL/api/webhooks/wechatpay.")
    ] = None
    wechat_close_min_age_seconds: Annotated[
        _Seconds, about("payments", "Age below which WeChat Pay refuses to close an order.")
    ] = 0
    payment_webhook_secret: Annotated[
        str | None,
        about(
            "payments",
            "Key of events at /payments/webhook, whsec_ and base64 or as it is, 24 bytes or more;"
            " two separated by a comma while one replaces the other; unset: none are taken.",
            secret=True,
            needed_by="mock",
        ),
    ] = None
    mock_gateway: Annotated[
        str | None,
        about("payments", "Base URL of the mock provider, sandbox only; unset: SANDBOX_URL."),
    ] = None
    mock_webhook_autofire: Annotated[
        bool | None,
        about(
            "payments",
            "Whether the mock provider sends its events, sandbox only, read by the simulators;"
            " unset: 1.",
        ),
    ] = None
    mock_webhook_delay_ms: Annotated[
        Annotated[int, Meta(ge=0, le=86_400_000)] | None,
        about(
            "payments",
            "How long after a payment the mock provider tells of it, sandbox only, read by the"
            " simulators; unset: 500.",
        ),
    ] = None
    stripe_publishable_key: Annotated[
        str | None, about("payments", "Stripe's key for browsers.")
    ] = None

    payments_job_replay_interval_min: Annotated[
        _Interval, about("worker", "Minutes between sweeps of stored notices; 0 = off.")
    ] = 0.02
    webhook_max_retries: Annotated[
        int,
        Meta(ge=0, le=1000),
        about("worker", "How often a stored notice is tried again before a person must look."),
    ] = 8
    payments_job_reconcile_interval_min: Annotated[
        _Interval, about("worker", "Minutes between sweeps of open attempts; 0 = off.")
    ] = 0.02
    expire_interval_seconds: Annotated[
        _Interval, about("worker", "Between sweeps for orders whose time is up; 0 = off.")
    ] = 1
    close_interval_seconds: Annotated[
        _Interval, about("worker", "Between sweeps for attempts owed a close; 0 = off.")
    ] = 1
    refund_interval_seconds: Annotated[
        _Interval, about("worker", "Between sweeps for refunds under way; 0 = off.")
    ] = 1
    bills_interval_seconds: Annotated[
        _Interval,
        about("worker", "Between looks for bills to check for refunds made past us; 0 = off."),
    ] = 600
    effects_interval_seconds: Annotated[
        _Interval, about("worker", "Between sweeps for duties owed; 0 = off.")
    ] = 1
    payments_job_cleanup_interval_min: Annotated[
        _Interval,
        about(
            "worker",
            "Minutes between sweeps of idle intents and what older clients paid with; 0 = off.",
        ),
    ] = 10
    payments_intent_expire_min: Annotated[
        float,
        Meta(gt=0),
        about("worker", "Minutes after which an intent that nobody does anything with is ended."),
    ] = 60
    legacy_fields_window_days: Annotated[
        float,
        Meta(ge=0),
        about("worker", "Age of an order at which what older clients pay with is removed, days."),
    ] = 30

    smtp_url: Annotated[
        str | None,
        about(
            "mail",
            "Server that takes our mail, smtp://[user:password@]host:port or smtps://...;"
            " unset: what would be mailed is logged.",
            secret=True,
        ),
    ] = None
    smtp_starttls: Annotated[
        bool | None,
        about(
            "mail",
            "Whether smtp:// must be encrypted by STARTTLS; unset: yes, sandbox where offered.",
        ),
    ] = None
    mail_from: Annotated[
        str | None,
        about("mail", "Sender, name@host or Some Name <name@host>; required beside SMTP_URL."),
    ] = None
    alarm_mail_to: Annotated[
        str | None, about("mail", "Who is told of a case; unset: the log, as an error.")
    ] = None

    otel_exporter_otlp_endpoint: Annotated[
        str | None, about("telemetry", "Where traces go, OTLP over HTTP; unset: nowhere.")
    ] = None
    prometheus_multiproc_dir: Annotated[
        str | None, about("telemetry", "Folder in which all processes share their metrics.")
    ] = None

    def __repr__(self) -> str:
        """Say which world, and nothing secret: settings end up in error reports."""
        return f"Settings(app_env={self.app_env.value!r})"

    @property
    def is_sandbox(self) -> bool:
        """Whether people, money and providers are pretended."""
        return self.app_env is AppEnv.SANDBOX

    @property
    def gift_key(self) -> bytes:
        """The key of gift codes; the sandbox makes do with one derived from the token key."""
        return (self.gift_code_key or f"gift codes of {self.jwt_secret}").encode()

    @property
    def ticket_key(self) -> bytes:
        """The key of ticket codes; the sandbox makes do with one derived from the token key."""
        return (self.ticket_code_key or f"ticket codes of {self.jwt_secret}").encode()

    @property
    def client_secret_key(self) -> bytes:
        """The key of intents' client secrets, derived: they open nothing and may change with it."""
        return f"client secrets of {self.jwt_secret}".encode()

    @property
    def mail_server(self) -> MailServer | None:
        """Who takes our mail; None where nobody does."""
        if self.smtp_url is None:
            return None
        must = None if self.is_sandbox else True
        starttls = must if self.smtp_starttls is None else self.smtp_starttls
        return read_mail_server(self.smtp_url, starttls=starttls)

    @property
    def bridge_rollout_percent(self) -> int:
        """How many users may use the bridge while no admin has said so; live, it is opened."""
        if self.miniprogram_bridge_rollout_percent is None:
            return 100 if self.is_sandbox else 0
        return self.miniprogram_bridge_rollout_percent

    @property
    def other_mini_program_app_id(self) -> str | None:
        """The Mini Program's app id, if payers are called differently there."""
        other = self.wechat_miniprogram_app_id
        return None if other == self.wechat_service_account_app_id else other

    @property
    def mock_url(self) -> str | None:
        """Where the mock provider is; None where there is none, as in production."""
        return (self.mock_gateway or self.sandbox_url) if self.is_sandbox else None

    @property
    def webhook_url(self) -> str:
        """Where providers send normalized events."""
        return f"{self.app_url}/payments/webhook"

    @property
    def notify_url(self) -> str:
        """Where WeChat Pay sends its notices."""
        return self.wechat_pay_notify_url or f"{self.app_url}/api/webhooks/wechatpay"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment, PEM files included.

    :raises SettingsError: something is missing, malformed or not allowed here; all of it is named.
    """
    # Late, because the rules about environments speak of Settings.
    from runtime.environments import objections  # noqa: PLC0415

    settings = gather(Settings, os.environ if environ is None else environ)
    if problems := objections(settings):
        raise SettingsError(problems)
    return settings


if __name__ == "__main__":
    sys.stdout.write(as_env_example(Settings))
