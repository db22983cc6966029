"""WeChat: the till of WeChat Pay, and who can tell a payer's openid."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import structlog

from actors.payers import Merchant
from providers.provider import Keep, ProviderError
from providers.wechat.adapter import WeChatPay
from providers.wechat.identity import WeChatIdentity
from providers.wechat.settings import CALL_SECONDS, App, IdentitySettings, WeChatSettings
from runtime.settings import Settings
from runtime.till import Till

# The platform announces a new certificate days ahead (WeChat Pay v3, certificates, read 2026-11).
_REFRESH_SECONDS = 6 * 3600
_REFRESH_RETRY_SECONDS = 15

log: structlog.stdlib.BoundLogger = structlog.get_logger("runtime")


def wechat_till(settings: Settings, keep: Keep) -> Till | None:
    """Build WeChat Pay; None where it lacks something. *keep* is given what it is answered.

    :raises ValueError: something cannot be used; names it, never shows it.
    """
    merchant_id, key = settings.wechat_pay_mch_id, settings.wechat_pay_private_key
    serial_no, api_v3_key = settings.wechat_pay_serial_no, settings.wechat_pay_api_v3_key
    app_id = settings.wechat_service_account_app_id
    if not (merchant_id and key and serial_no and api_v3_key and app_id):
        return None
    adapter = WeChatPay(
        WeChatSettings(
            merchant_id=merchant_id,
            merchant_serial_no=serial_no,
            merchant_private_key_pem=key,
            api_v3_key=api_v3_key,
            app_ids=tuple(filter(None, (app_id, settings.wechat_miniprogram_app_id))),
            gateway=settings.wechat_pay_gateway,
            platform_public_keys_pem=_platform_keys(settings),
        ),
        keep,
    )
    merchant = Merchant(
        provider=adapter.name,
        merchant_id=merchant_id,
        appid=app_id,
        mini_program_appid=settings.other_mini_program_app_id,
        notify_url=settings.notify_url,
        close_min_age_seconds=settings.wechat_close_min_age_seconds,
        call_seconds=CALL_SECONDS,
    )
    return Till(
        provider=adapter,
        merchant=merchant,
        running=partial(_running, adapter),
        can_verify=lambda: adapter.can_verify,
    )


def wechat_identity(settings: Settings) -> WeChatIdentity | None:
    """Build who tells openids; None where no app has a secret."""
    apps = _apps(settings)
    if apps is None:
        return None
    service_account, mini_program = apps
    return WeChatIdentity(
        IdentitySettings(
            service_account=service_account,
            mini_program=mini_program,
            api_base=settings.wechat_api_base,
            open_base=settings.wechat_open_base,
        )
    )


def _platform_keys(settings: Settings) -> dict[str, str]:
    numbers = settings.wechat_pay_platform_public_key_id
    keys = settings.wechat_pay_platform_public_key
    if not len(set(numbers)) == len(numbers) == len(keys):
        raise ValueError("platform_public_key: the keys and their ids come together")
    return dict(zip(numbers, keys, strict=True))


def _apps(settings: Settings) -> tuple[App, App] | None:
    account_secret = settings.wechat_service_account_app_secret
    program_secret = settings.wechat_miniprogram_app_secret
    account_id = settings.wechat_service_account_app_id
    if account_id is None or not (account_secret or program_secret):
        return None
    program_id = settings.wechat_miniprogram_app_id or account_id
    if program_id == account_id:
        # One app has one secret, under whichever name it was given.
        account_secret = program_secret = account_secret or program_secret
    return App(appid=account_id, secret=account_secret), App(
        appid=program_id, secret=program_secret
    )


@contextlib.asynccontextmanager
async def _running(adapter: WeChatPay) -> AsyncIterator[None]:
    async with adapter:
        # Beside a public key too: a merchant on the way to it gets both kinds of signature for
        # days.
        refreshing = asyncio.create_task(_keep_certificates_fresh(adapter))
        try:
            yield
        finally:
            refreshing.cancel()


async def _keep_certificates_fresh(adapter: WeChatPay) -> None:
    while True:
        try:
            await adapter.refresh_certificates()
        except ProviderError as error:
            log.warning("wechat.certificates.stale", code=error.code)
        await asyncio.sleep(_REFRESH_SECONDS if adapter.can_verify else _REFRESH_RETRY_SECONDS)
