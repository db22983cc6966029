"""What each process of the house is told through its environment.

1. What the user set wins over what we would set; an empty value counts as not set.
2. Each side gets its own half of the keys and none of the other's, wherever they came from.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.supervisor.keys import Keys
from sandbox.supervisor.simulated import for_service, for_simulators

# Only these sign, open or pay for the service; a simulator never sees them.
_SERVICE_SECRETS = (
    "DATABASE_URL",
    "REDIS_URL",
    "JWT_SECRET",
    "GIFT_CODE_KEY",
    "TICKET_CODE_KEY",
    "SMTP_URL",
    "FEISHU_NOTIFY_URL",
    "WECHAT_PAY_PRIVATE_KEY",
    "WECHAT_PAY_API_V3_KEY",
    "WECHAT_PAY_API_KEY_V3",
    "WECHAT_API_V3_KEY",
    "WECHAT_SERVICE_ACCOUNT_APP_SECRET",
    "WECHAT_MINIPROGRAM_APP_SECRET",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "PINGXX_SECRET_KEY",
    "PINGXX_PRIVATE_KEY",
    "PINGXX_PRIVATE_KEY_PATH",
    "ALIPAY_PRIVATE_KEY",
)
_SANDBOX_PREFIXES = ("SANDBOX_WECHAT_", "SANDBOX_STRIPE_", "SANDBOX_PINGXX_", "SANDBOX_ALIPAY_")
# Who sets the old name means it, and the service would read the new one first.
_OLD_NAMES = {
    "PINGXX_PRIVATE_KEY": ("PINGXX_PRIVATE_KEY_PATH",),
    "WECHAT_SERVICE_ACCOUNT_APP_ID": ("WECHAT_PAY_APP_ID",),
    "WECHAT_PAY_SERIAL_NO": ("WECHAT_PAY_CERT_SERIAL_NO", "WECHAT_PAY_CERT_SERIAL"),
    "WECHAT_PAY_API_V3_KEY": ("WECHAT_PAY_API_KEY_V3", "WECHAT_API_V3_KEY"),
}

# It names the supervisor's parent; to a child it would name the wrong process.
_NOT_FOR_CHILDREN = "GUICHET_DIE_WITH_PARENT"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where everything listens; with *smtp_port* 0 the sandbox takes no mail."""

    port: int
    sandbox_port: int
    database_url: str
    redis_url: str
    smtp_port: int = 0

    @property
    def app_url(self) -> str:
        """The service, as its users see it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """The simulators and their controls."""
        return f"http://127.0.0.1:{self.sandbox_port}"


def service_environ(
    user: Mapping[str, str], *, keys: Keys, addresses: Addresses, metrics: Path
) -> dict[str, str]:
    """Return the environment of migrate, api and worker."""
    app_url = user.get("APP_URL") or addresses.app_url
    sandbox_url = user.get("SANDBOX_URL") or addresses.sandbox_url
    defaults = {
        "APP_ENV": "sandbox",
        "HOST": "127.0.0.1",
        "API_WORKERS": "1",
        "APP_URL": app_url,
        "SANDBOX_URL": sandbox_url,
        "DATABASE_URL": addresses.database_url,
        "REDIS_URL": addresses.redis_url,
        "JWT_SECRET": keys.secrets.jwt_secret,
        "PAYMENT_PROVIDER": "wechat",
        # One secret for both sides: events are signed by who holds it, and checked by who holds it.
        "PAYMENT_WEBHOOK_SECRET": keys.secrets.payment_webhook_secret,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "WECHAT_PAY_GATEWAY": sandbox_url,
        "WECHAT_PAY_MCH_ID": keys.secrets.mch_id,
        "WECHAT_SERVICE_ACCOUNT_APP_ID": keys.secrets.service_account_app_id,
        "WECHAT_MINIPROGRAM_APP_ID": keys.secrets.mini_program_app_id,
        "WECHAT_PAY_PRIVATE_KEY": str(keys.merchant_private_key),
        "WECHAT_PAY_SERIAL_NO": keys.secrets.merchant_serial_no,
        "WECHAT_PAY_API_V3_KEY": keys.secrets.api_v3_key,
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY": str(keys.platform_public_key),
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY_ID": keys.secrets.platform_public_key_id,
        "WECHAT_PAY_NOTIFY_URL": f"{app_url}/api/webhooks/wechatpay",
        "WECHAT_API_BASE": sandbox_url,
        "WECHAT_OPEN_BASE": sandbox_url,
        "WECHAT_SERVICE_ACCOUNT_APP_SECRET": keys.secrets.service_account_app_secret,
        "WECHAT_MINIPROGRAM_APP_SECRET": keys.secrets.mini_program_app_secret,
        **for_service(keys, app_url=app_url, sandbox_url=sandbox_url),
        **_news(user, sandbox_url),
        **_mail(addresses),
    }
    wanted = {name: value for name, value in defaults.items() if not _has_old_name(user, name)}
    kept = {name: value for name, value in user.items() if not name.startswith(_SANDBOX_PREFIXES)}
    # PORT is the exception to rule 1: 0 means any port, and the service must be told which.
    return _for_a_child(kept, wanted) | {"PORT": str(addresses.port)}


def sandbox_environ(
    user: Mapping[str, str], *, keys: Keys, addresses: Addresses, state: Path
) -> dict[str, str]:
    """Return the environment of the simulators."""
    app_secrets = {
        keys.secrets.service_account_app_id: keys.secrets.service_account_app_secret,
        keys.secrets.mini_program_app_id: keys.secrets.mini_program_app_secret,
    }
    defaults = {
        "SANDBOX_STATE": str(state),
        "SANDBOX_TIME_SCALE": "1",
        "PAYMENT_WEBHOOK_SECRET": keys.secrets.payment_webhook_secret,
        "SANDBOX_WECHAT_MCH_ID": keys.secrets.mch_id,
        "SANDBOX_WECHAT_APP_IDS": ",".join(app_secrets),
        "SANDBOX_WECHAT_APP_SECRETS": ",".join(f"{a}={s}" for a, s in app_secrets.items()),
        "SANDBOX_WECHAT_API_V3_KEY": keys.secrets.api_v3_key,
        "SANDBOX_WECHAT_MERCHANT_PUBLIC_KEY": str(keys.merchant_public_key),
        "SANDBOX_WECHAT_MERCHANT_SERIAL_NO": keys.secrets.merchant_serial_no,
        "SANDBOX_WECHAT_PLATFORM_PRIVATE_KEY": str(keys.platform_private_key),
        "SANDBOX_WECHAT_PLATFORM_PUBLIC_KEY_ID": keys.secrets.platform_public_key_id,
        "SANDBOX_WECHAT_PLATFORM_CERTIFICATE": str(keys.platform_certificate),
        **for_simulators(keys, user, app_url=user.get("APP_URL") or addresses.app_url),
    }
    kept = {name: value for name, value in user.items() if name not in _SERVICE_SECRETS}
    told = {
        "SANDBOX_PORT": str(addresses.sandbox_port),
        "SANDBOX_SMTP_PORT": str(addresses.smtp_port),
    }
    return _for_a_child(kept, defaults) | told


def _mail(addresses: Addresses) -> dict[str, str]:
    if not addresses.smtp_port:
        return {}
    return {
        "SMTP_URL": f"smtp://127.0.0.1:{addresses.smtp_port}",
        "MAIL_FROM": "Guichet <tickets@guichet.test>",
    }


def _news(user: Mapping[str, str], sandbox_url: str) -> dict[str, str]:
    # The one exception to rule 1: each sale costs a message, and who measures sales sends none.
    if user.get("FEISHU_NOTIFY_URL") == "":
        return {}
    return {"FEISHU_NOTIFY_URL": f"{sandbox_url}/feishu/hook"}


def _has_old_name(user: Mapping[str, str], name: str) -> bool:
    return any(user.get(old) for old in _OLD_NAMES.get(name, ()))


def _for_a_child(user: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    chosen = {name: value for name, value in user.items() if value and name != _NOT_FOR_CHILDREN}
    # "python" in the Procfile is the interpreter that runs us; its lines appear as they are said.
    path = f"{Path(sys.executable).parent}:{chosen.get('PATH', '/usr/bin:/bin')}"
    return {"PYTHONUNBUFFERED": "1", **defaults, **chosen, "PATH": path}
