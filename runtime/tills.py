"""Which providers there are: with runtime.wechat_till the only place that names concrete ones."""

from collections.abc import Callable
from typing import Final

from actors.payers import Merchant
from providers.alipay.adapter import Alipay
from providers.alipay.settings import CALL_SECONDS as ALIPAY_CALL_SECONDS
from providers.alipay.settings import AlipaySettings
from providers.mock.adapter import MockPay
from providers.mock.settings import CALL_SECONDS as MOCK_CALL_SECONDS
from providers.mock.settings import MockSettings
from providers.pingxx.adapter import PingxxPay
from providers.pingxx.settings import CALL_SECONDS as PINGXX_CALL_SECONDS
from providers.pingxx.settings import REFUND_PAUSE_SECONDS as PINGXX_REFUND_PAUSE_SECONDS
from providers.pingxx.settings import PingxxSettings
from providers.provider import Keep, unkept
from providers.stripe.adapter import StripePay
from providers.stripe.settings import CALL_SECONDS as STRIPE_CALL_SECONDS
from providers.stripe.settings import SEARCH_LAG_SECONDS, StripeSettings
from runtime.settings import Settings
from runtime.till import Till
from runtime.wechat_till import wechat_till

# Orders of before a restart may have been told to live longer than those of now.
_DAY_SECONDS = 86_400
# The simulator finds at once what it was told.
_SANDBOX_LAG_SECONDS = 1.0


def tills_of(settings: Settings, keep: Keep) -> list[Till]:
    """Build every provider that has all it needs; nobody is called.

    *keep* is given what providers send.

    :raises ValueError: something cannot be used; names it, never shows it.
    """
    tills = (build(settings, keep) for build in _BUILDERS)
    return [till for till in tills if till is not None]


def provider_problems(settings: Settings) -> list[str]:
    """Name why providers cannot be built as they are told to be; nobody is called."""
    problems = []
    for build in _BUILDERS:
        try:
            build(settings, unkept)
        except ValueError as error:
            problems.append(str(error))
    return problems


def _alipay(settings: Settings, keep: Keep) -> Till | None:
    app_id, key = settings.alipay_app_id, settings.alipay_private_key
    if not (app_id and key and settings.alipay_public_key):
        return None
    told = AlipaySettings(
        app_id=app_id,
        seller_id=settings.alipay_seller_id,
        private_key_pem=key,
        alipay_public_keys_pem=settings.alipay_public_key,
        gateway=settings.alipay_gateway,
    )
    adapter = Alipay(told, keep)
    merchant = Merchant(
        provider=adapter.name,
        merchant_id=adapter.merchant_id,
        appid=adapter.appid,
        notify_url=settings.alipay_notices_url,
        return_url=settings.alipay_result_url,
        call_seconds=ALIPAY_CALL_SECONDS,
    )
    return Till(provider=adapter, merchant=merchant, running=lambda: adapter)


def _stripe(settings: Settings, keep: Keep) -> Till | None:
    if not (settings.stripe_secret_key and settings.stripe_webhook_secret):
        return None
    told = StripeSettings(
        secret_key=settings.stripe_secret_key,
        webhook_secrets=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
        api_version=settings.stripe_api_version,
        publishable_key=settings.stripe_publishable_key,
        search_lag_seconds=_SANDBOX_LAG_SECONDS if settings.is_sandbox else SEARCH_LAG_SECONDS,
    )
    adapter = StripePay(told, keep)
    merchant = Merchant(
        provider=adapter.name,
        merchant_id=adapter.merchant_id,
        appid=adapter.appid,
        notify_url=settings.stripe_notices_url,
        return_url=settings.stripe_return_url,
        cancel_url=settings.stripe_way_out_url,
        call_seconds=STRIPE_CALL_SECONDS,
    )
    return Till(provider=adapter, merchant=merchant, running=lambda: adapter)


def _pingxx(settings: Settings, keep: Keep) -> Till | None:
    secret_key, app_id = settings.pingxx_secret_key, settings.pingxx_app_id
    key = settings.pingxx_private_key
    if not (secret_key and app_id and key and settings.pingxx_webhook_public_key):
        return None
    told = PingxxSettings(
        secret_key=secret_key,
        app_id=app_id,
        private_key_pem=key,
        webhook_public_keys_pem=settings.pingxx_webhook_public_key,
        gateway=settings.pingxx_gateway,
        open_window_seconds=max(_DAY_SECONDS, settings.order_expire_seconds),
    )
    adapter = PingxxPay(told, keep)
    merchant = Merchant(
        provider=adapter.name,
        merchant_id=adapter.merchant_id,
        appid=adapter.appid,
        mini_program_appid=settings.other_mini_program_app_id,
        notify_url=settings.pingxx_notices_url,
        call_seconds=PINGXX_CALL_SECONDS,
        refund_pause_seconds=PINGXX_REFUND_PAUSE_SECONDS,
    )
    return Till(provider=adapter, merchant=merchant, running=lambda: adapter)


def _mock(settings: Settings, keep: Keep) -> Till | None:
    gateway, secret = settings.mock_url, settings.payment_webhook_secret
    if gateway is None or secret is None:
        return None
    adapter = MockPay(MockSettings(gateway=gateway, secret=secret), keep)
    merchant = Merchant(
        provider=adapter.name,
        merchant_id=adapter.merchant_id,
        appid=adapter.merchant_id,
        notify_url=settings.webhook_url,
        call_seconds=MOCK_CALL_SECONDS,
    )
    return Till(provider=adapter, merchant=merchant, running=lambda: adapter)


_Builder = Callable[[Settings, Keep], Till | None]
_BUILDERS: Final[tuple[_Builder, ...]] = (wechat_till, _alipay, _stripe, _pingxx, _mock)
