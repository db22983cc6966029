"""Who works with whom."""

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
from actors.evidence import EvidenceTrail
from actors.hints import Hints
from actors.inbox import Inbox
from actors.intents import Intents
from actors.limiter import Limiter
from actors.normalized import NormalizedEvents
from actors.own_orders import OwnOrders
from actors.payers import Payers
from actors.places import Places
from actors.refund_desk import RefundDesk
from actors.tickets import Tickets
from actors.wakeups import Wakeups
from contracts.bridge import BridgeGate
from contracts.policy import Policy
from models.engine import Database
from models.schema_version import known_migrations
from providers.provider import Provider
from runtime.failpoints import reach_of
from runtime.house import House
from runtime.settings import Settings
from runtime.tills import tills_of
from runtime.wechat_till import wechat_identity

__all__ = ["House", "open_house"]

# Redis only ever saves work: waiting longer for it than for the work itself would be a loss.
_REDIS_TIMEOUT_SECONDS = 0.5
# In a minute: nobody mistypes a code so often, and nobody guesses one in a lifetime.
_WRONG_CODES_MAX = 10

log: structlog.stdlib.BoundLogger = structlog.get_logger("runtime")


@contextlib.asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Build everything one process needs and take it down again in reverse."""
    for name in settings.without_effect:
        log.warning("settings.without_effect", setting=name)
    for provider, name in settings.half_told:
        log.warning("settings.provider_left_out", provider=provider, setting=name)
    async with contextlib.AsyncExitStack() as stack:
        database = await Database.connect(
            settings.database_url, max_size=settings.database_pool_size
        )
        stack.push_async_callback(database.close)
        redis = _redis(settings)
        if redis is not None:
            stack.push_async_callback(redis.aclose)
        # Closed after the providers that leave something in it.
        trail = EvidenceTrail(database)
        stack.push_async_callback(trail.close)
        tills = {till.provider.name: till for till in tills_of(settings, trail.keep)}
        for till in tills.values():
            await stack.enter_async_context(till.running())
        providers = {name: till.provider for name, till in tills.items()}
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
        merchants = {name: till.merchant for name, till in tills.items()}
        checkout = Checkout(
            actor=actor,
            database=database,
            providers=providers,
            merchants=merchants,
            trail=trail,
            reach=reach,
        )
        stack.push_async_callback(checkout.close)
        hints = Hints(checkout=checkout)
        stack.push_async_callback(hints.close)
        identity = wechat_identity(settings)
        if identity is not None:
            await stack.enter_async_context(identity)
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
                refunds=checkout.refunds,
                webhook_only=settings.payments_webhook_only,
            ),
            confirmations=Confirmations(
                database=database,
                actor=actor,
                attempts=checkout.attempts,
                payers=payers,
                webhook_only=settings.payments_webhook_only,
                reach=reach,
            ),
            migrations=known_migrations(),
            identity=identity,
            key_checks={
                name: till.can_verify for name, till in tills.items() if till.can_verify is not None
            },
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
        tells_sales=settings.feishu_notify_url is not None,
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
