"""What both sides of Stripe, Ping++ and Alipay are told: names and numbers alike, keys by halves.

A secret that both sides must know is the user's on both, if the user set one.
"""

from collections.abc import Mapping

from sandbox.supervisor.keys import Keys

# Where the service hears of money; the providers themselves keep these addresses.
_STRIPE_WEBHOOK = "/api/order/stripe/webhook"
_PINGXX_WEBHOOK = "/api/callback/pingxx-callback"
_ALIPAY_NOTIFY = "/api/callback/alipay-notify"


def for_service(keys: Keys, *, app_url: str, sandbox_url: str) -> dict[str, str]:
    """Say what the merchant knows."""
    known = keys.secrets
    return {
        "STRIPE_SECRET_KEY": known.stripe_secret_key,
        "STRIPE_PUBLISHABLE_KEY": known.stripe_publishable_key,
        "STRIPE_WEBHOOK_SECRET": known.stripe_webhook_secret,
        "STRIPE_API_BASE": f"{sandbox_url}/stripe",
        "NEXT_PUBLIC_STRIPE_ENABLED": "1",
        "PINGXX_SECRET_KEY": known.pingxx_secret_key,
        "PINGXX_APP_ID": known.pingxx_app_id,
        "PINGXX_PRIVATE_KEY": str(keys.pingxx_merchant.private),
        "PINGXX_WEBHOOK_PUBLIC_KEY": str(keys.pingxx_platform.public),
        "PINGXX_GATEWAY": f"{sandbox_url}/pingxx",
        "ALIPAY_APP_ID": known.alipay_app_id,
        "ALIPAY_SELLER_ID": known.alipay_seller_id,
        "ALIPAY_PRIVATE_KEY": str(keys.alipay_merchant.private),
        "ALIPAY_PUBLIC_KEY": str(keys.alipay_platform.public),
        "ALIPAY_GATEWAY": f"{sandbox_url}/alipay/gateway.do",
        "ALIPAY_NOTIFY_URL": f"{app_url}{_ALIPAY_NOTIFY}",
    }


def for_simulators(keys: Keys, user: Mapping[str, str], *, app_url: str) -> dict[str, str]:
    """Say what the providers know of the merchant, and the keys that are theirs alone."""
    known = keys.secrets
    return {
        "SANDBOX_STRIPE_SECRET_KEY": user.get("STRIPE_SECRET_KEY") or known.stripe_secret_key,
        "SANDBOX_STRIPE_WEBHOOK_SECRET": _newest(user, "STRIPE_WEBHOOK_SECRET")
        or known.stripe_webhook_secret,
        "SANDBOX_STRIPE_WEBHOOK_URL": f"{app_url}{_STRIPE_WEBHOOK}",
        "SANDBOX_PINGXX_SECRET_KEY": user.get("PINGXX_SECRET_KEY") or known.pingxx_secret_key,
        "SANDBOX_PINGXX_APP_ID": user.get("PINGXX_APP_ID") or known.pingxx_app_id,
        "SANDBOX_PINGXX_MERCHANT_PUBLIC_KEY": str(keys.pingxx_merchant.public),
        "SANDBOX_PINGXX_PRIVATE_KEY": str(keys.pingxx_platform.private),
        "SANDBOX_PINGXX_WEBHOOK_URL": f"{app_url}{_PINGXX_WEBHOOK}",
        "SANDBOX_ALIPAY_APP_ID": user.get("ALIPAY_APP_ID") or known.alipay_app_id,
        "SANDBOX_ALIPAY_SELLER_ID": user.get("ALIPAY_SELLER_ID") or known.alipay_seller_id,
        "SANDBOX_ALIPAY_MERCHANT_PUBLIC_KEY": str(keys.alipay_merchant.public),
        "SANDBOX_ALIPAY_PRIVATE_KEY": str(keys.alipay_platform.private),
    }


def _newest(user: Mapping[str, str], name: str) -> str:
    # While one secret replaces another both count, and the provider signs with the first.
    return user.get(name, "").split(",")[0].strip()
