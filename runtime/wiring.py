"""Who works with whom: the only place that names concrete providers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import structlog
from redis.asyncio import Redis

from actors.actor import Actor
from actors.bindings import Bindings
from actors.bridge import Gatekeeper
from actors.cashier import Cashier
from actors.checkout import Checkout
from actors.confirmations import Confirmations
from actors.entrance import Entrance
from actors.hints import Hints
from actors.inbox import Inbox
from actors.intents import Intents
from actors.limiter import Limiter
from actors.normalized import NormalizedEvents
from actors.own_orders import OwnOrders
from actors.payers import Merchant, Payers
from actors.places import Places
from actors.refund_desk import RefundDesk
from actors.tickets import Tickets
from actors.wakeups import Wakeups
from contracts.bridge import BridgeGate
from contracts.policy import Policy
from models.engine import Database
from models.schema import known_migrations
from providers.mock.adapter import MockPay
from providers.mock.settings import CALL_SECONDS as MOCK_CALL_SECONDS
from providers.mock.settings import MockSettings
from providers.provider import Provider, ProviderError
from providers.wechat.adapter import WeChatPay
from providers.wechat.identity import WeChatIdentity
from providers.wechat.settings import CALL_SECONDS as WECHAT_CALL_SECONDS
from providers.wechat.settings import App, IdentitySettings, WeChatSettings
from runtime.failpoints import reach_of
from runtime.house import House
from runtime.settings import Settings

__all__ = ["House", "open_house", "provider_problems"]

# Redis only ever saves work: waiting longer for it than for the work itself would be a loss.
_REDIS_TIMEOUT_SECONDS = 0.5
# The platform announces a new certificate days ahead (WeChat Pay v3, certificates, read 2026-11).
_REFRESH_SECONDS = 6 * 3600
_REFRESH_RETRY_SECONDS = 15
# In a minute: nobody mistypes a code so often, and nobody guesses one in a lifetime.
_WRONG_CODES_MAX = 10

log: structlog.stdlib.BoundLogger = structlog.get_logger("runtime")


@contextlib.asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Build everything one process needs and take it down again in reverse."""
    async with contextlib.AsyncExitStack() as stack:
        database = await Database.connect(
            settings.database_url, max_size=settings.database_pool_size
        )
        stack.push_async_callback(database.close)
        redis = _redis(settings)
        if redis is not None:
            stack.push_async_callback(redis.aclose)
        wechat, mock = await _wechat(settings, stack), await _mock(settings, stack)
        providers: dict[str, Provider] = {p.name: p for p in (wechat, mock) if p is not None}
        wakeups = Wakeups(settings.redis_url)
        stack.push_async_callback(wakeups.close)
        reach = reach_of(settings)
        actor = Actor(
            database=database,
            redis=redis,
            policy=_policy(settings),
            wakeups=wakeups,
            reach=reach,
        )
        stack.push_async_callback(actor.close)
        merchants = _merchants(settings)
        checkout = Checkout(
            actor=actor,
            database=database,
            providers=providers,
            merchants=merchants,
            reach=reach,
        )
        stack.push_async_callback(checkout.close)
        hints = Hints(checkout=checkout)
        stack.push_async_callback(hints.close)
        identity = await _identity(settings, stack)
        payers = Payers(
            database=database,
            providers=providers,
            merchants=merchants,
            enabled=settings.payment_channels_enabled,
        )
        own_orders = OwnOrders(database)
        stack.push_async_callback(own_orders.close)
        inbox = Inbox(
            actor=actor,
            database=database,
            providers=providers,
            events=_events(settings, database, providers),
            reach=reach,
            max_retries=settings.webhook_max_retries,
        )
        stack.push_async_callback(inbox.close)
        gatekeeper = Gatekeeper(database=database, default=_gate(settings))
        tickets = Tickets(
            database=database, gatekeeper=gatekeeper, payers=payers, identity=identity
        )
        yield House(
            settings=settings,
            database=database,
            redis=redis,
            providers=providers,
            actor=actor,
            checkout=checkout,
            payers=payers,
            cashier=Cashier(database=database, actor=actor, checkout=checkout, payers=payers),
            own_orders=own_orders,
            inbox=inbox,
            gatekeeper=gatekeeper,
            tickets=tickets,
            bindings=Bindings(
                database=database,
                identity=identity,
                redirect_uri=settings.wechat_oauth_redirect_url or settings.app_url,
            ),
            entrance=Entrance(database=database, key=settings.ticket_key),
            hints=hints,
            places=_places(settings, database, redis, actor),
            intents=Intents(database=database, actor=actor, reach=reach),
            refund_desk=RefundDesk(
                database=database,
                actor=actor,
                checkout=checkout,
                webhook_only=settings.payments_webhook_only,
            ),
            confirmations=Confirmations(
                database=database,
                actor=actor,
                checkout=checkout,
                payers=payers,
                webhook_only=settings.payments_webhook_only,
                reach=reach,
            ),
            migrations=known_migrations(),
            identity=identity,
            key_checks={} if wechat is None else {wechat.name: lambda: wechat.can_verify},
            reach=reach,
        )


def _policy(settings: Settings) -> Policy:
    return Policy(
        order_expire_seconds=settings.order_expire_seconds,
        late_payment_honour_hours=settings.late_payment_honour_hours,
        attempt_grace_seconds=settings.attempt_grace_seconds,
        prepare_claim_seconds=settings.prepare_claim_seconds,
        gift_code_key=settings.gift_key,
        legacy_payment_fields=settings.legacy_payment_fields,
    )


def _places(settings: Settings, database: Database, redis: Redis | None, actor: Actor) -> Places:
    wrong_codes = Limiter(redis, name="gift", limit=_WRONG_CODES_MAX, window_seconds=60)
    return Places(
        database=database,
        actor=actor,
        wrong_codes=wrong_codes,
        gift_code_key=settings.gift_key,
    )


def _events(
    settings: Settings, database: Database, providers: Mapping[str, Provider]
) -> NormalizedEvents | None:
    if settings.payment_webhook_secret is None:
        return None
    return NormalizedEvents(
        database=database,
        providers=providers,
        # A shared secret is no provider's signature: who has one is asked instead.
        believed={name for name, p in providers.items() if getattr(p, "tells_by_events", False)},
        secret=settings.payment_webhook_secret,
    )


def _gate(settings: Settings) -> BridgeGate:
    return BridgeGate(
        rollout_percent=settings.bridge_rollout_percent,
        min_version=settings.miniprogram_bridge_min_version,
    )


def _redis(settings: Settings) -> Redis | None:
    if settings.redis_url is None:
        return None
    client: Redis = Redis.from_url(
        settings.redis_url,
        socket_timeout=_REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
    )
    return client


def provider_problems(settings: Settings) -> list[str]:
    """Name why providers cannot be built as they are told to be; nobody is called."""
    try:
        _wechat_pay(settings)
    except ValueError as error:
        return [str(error)]
    return []


async def _wechat(settings: Settings, stack: contextlib.AsyncExitStack) -> WeChatPay | None:
    adapter = _wechat_pay(settings)
    if adapter is None:
        return None
    await stack.enter_async_context(adapter)
    # Beside a public key too: a merchant on the way to it gets both kinds of signature for days.
    refreshing = asyncio.create_task(_keep_certificates_fresh(adapter))
    stack.callback(refreshing.cancel)
    return adapter


def _wechat_pay(settings: Settings) -> WeChatPay | None:
    merchant_id, key = settings.wechat_pay_mch_id, settings.wechat_pay_private_key
    serial_no, api_v3_key = settings.wechat_pay_serial_no, settings.wechat_pay_api_v3_key
    app_id = settings.wechat_service_account_app_id
    if not (merchant_id and key and serial_no and api_v3_key and app_id):
        return None
    return WeChatPay(
        WeChatSettings(
            merchant_id=merchant_id,
            merchant_serial_no=serial_no,
            merchant_private_key_pem=key,
            api_v3_key=api_v3_key,
            app_ids=tuple(filter(None, (app_id, settings.wechat_miniprogram_app_id))),
            gateway=settings.wechat_pay_gateway,
            platform_public_key_pem=settings.wechat_pay_platform_public_key,
            platform_public_key_id=settings.wechat_pay_platform_public_key_id,
        )
    )


async def _mock(settings: Settings, stack: contextlib.AsyncExitStack) -> MockPay | None:
    if settings.mock_url is None or settings.payment_webhook_secret is None:
        return None
    told = MockSettings(gateway=settings.mock_url, secret=settings.payment_webhook_secret)
    return await stack.enter_async_context(MockPay(told))


async def _identity(settings: Settings, stack: contextlib.AsyncExitStack) -> WeChatIdentity | None:
    apps = _apps(settings)
    if apps is None:
        return None
    service_account, mini_program = apps
    adapter = WeChatIdentity(
        IdentitySettings(
            service_account=service_account,
            mini_program=mini_program,
            api_base=settings.wechat_api_base,
            open_base=settings.wechat_open_base,
        )
    )
    return await stack.enter_async_context(adapter)


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


async def _keep_certificates_fresh(adapter: WeChatPay) -> None:
    while True:
        try:
            await adapter.refresh_certificates()
        except ProviderError as error:
            log.warning("wechat.certificates.stale", code=error.code)
        await asyncio.sleep(_REFRESH_SECONDS if adapter.can_verify else _REFRESH_RETRY_SECONDS)


def _merchants(settings: Settings) -> Mapping[str, Merchant]:
    merchants = {}
    if settings.wechat_pay_mch_id and settings.wechat_service_account_app_id:
        merchants[WeChatPay.name] = Merchant(
            provider=WeChatPay.name,
            merchant_id=settings.wechat_pay_mch_id,
            appid=settings.wechat_service_account_app_id,
            mini_program_appid=settings.other_mini_program_app_id,
            notify_url=settings.notify_url,
            close_min_age_seconds=settings.wechat_close_min_age_seconds,
            call_seconds=WECHAT_CALL_SECONDS,
        )
    if settings.mock_url and settings.payment_webhook_secret:
        merchants[MockPay.name] = Merchant(
            provider=MockPay.name,
            merchant_id=MockPay.merchant_id,
            appid=MockPay.merchant_id,
            notify_url=settings.webhook_url,
            call_seconds=MOCK_CALL_SECONDS,
        )
    return merchants
