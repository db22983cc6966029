"""Which providers there are: with runtime.wechat_till the only place that names concrete ones."""

from collections.abc import Callable
from typing import Final

from actors.payers import Merchant
from providers.mock.adapter import MockPay
from providers.mock.settings import CALL_SECONDS as MOCK_CALL_SECONDS
from providers.mock.settings import MockSettings
from runtime.settings import Settings
from runtime.till import Till
from runtime.wechat_till import wechat_till


def tills_of(settings: Settings) -> list[Till]:
    """Build every provider that has all it needs; nobody is called.

    :raises ValueError: something cannot be used; names it, never shows it.
    """
    tills = (build(settings) for build in _BUILDERS)
    return [till for till in tills if till is not None]


def provider_problems(settings: Settings) -> list[str]:
    """Name why providers cannot be built as they are told to be; nobody is called."""
    problems = []
    for build in _BUILDERS:
        try:
            build(settings)
        except ValueError as error:
            problems.append(str(error))
    return problems


def _mock(settings: Settings) -> Till | None:
    gateway, secret = settings.mock_url, settings.payment_webhook_secret
    if gateway is None or secret is None:
        return None
    adapter = MockPay(MockSettings(gateway=gateway, secret=secret))
    merchant = Merchant(
        provider=adapter.name,
        merchant_id=adapter.merchant_id,
        appid=adapter.merchant_id,
        notify_url=settings.webhook_url,
        call_seconds=MOCK_CALL_SECONDS,
    )
    return Till(provider=adapter, merchant=merchant, running=lambda: adapter)


_Builder = Callable[[Settings], Till | None]
_BUILDERS: Final[tuple[_Builder, ...]] = (wechat_till, _mock)
