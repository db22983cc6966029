"""One process: the real actor, checkout, inbox and sweeps on stand-in sockets, life after life."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from msgspec import structs

from actors.actor import Actor
from actors.checkout import Checkout
from actors.inbox import Inbox
from actors.payers import Merchant, attempt_words
from actors.wakeups import Wakeups
from contracts.channels import Payer
from contracts.commands import CreateOrder
from contracts.errors import Refusal
from contracts.order import Order
from contracts.states import Channel, OrderStatus
from jobs.sweep import Sweep
from jobs.worker import sweeps_of
from runtime.house import House
from tests.simulation.loop import WORLD, Owner
from tests.simulation.pool import database_over
from tests.simulation.provider import Adapter
from tests.simulation.redis import RedisClient
from tests.simulation.wechat import APPID, MERCHANT_ID, NAME
from tests.simulation.wires import Wire

if TYPE_CHECKING:
    from tests.simulation.world import World

# What these sweeps find is checked by the simulation itself, or is nothing anybody decides by.
_WATCHED = ("heartbeat", "backlog", "repair", "cleanup", "intents", "tokens", "purge")
GRACE_SECONDS = 20


class Process:
    """A process that can be started again after it died."""

    def __init__(self, world: "World", number: int) -> None:
        self._world = world
        self._number = number
        self._lives = 0
        self.owner = Owner("nobody")
        self.owner.is_dead = True
        self.sweeps: list[Sweep] = []

    @property
    def is_alive(self) -> bool:
        """Tell whether it runs, or would if it were not frozen."""
        return not self.owner.is_dead

    def start(self) -> None:
        """Begin a new life that remembers nothing."""
        self._lives += 1
        world = self._world
        self.owner = Owner(f"p{self._number}.{self._lives}")
        wire = Wire(
            loop=world.loop,
            owner=self.owner,
            random=world.random,
            chances=world.chances,
            history=world.history,
        )
        redis: Any = RedisClient(world.redis, wire) if world.chances.has_redis else None
        database = database_over(world.server, wire)
        self.provider = Adapter(world.wechat, wire)
        reach = world.reach_of(self)
        self.actor = Actor(
            database=database,
            redis=redis,
            policy=world.policy,
            wakeups=cast("Wakeups", SimpleNamespace(wake=self._wake_somebody)),
            reach=reach,
        )
        self.checkout = Checkout(
            actor=self.actor,
            database=database,
            providers={NAME: self.provider},
            merchants={NAME: _MERCHANT},
            reach=reach,
        )
        self.inbox = Inbox(
            actor=self.actor, database=database, providers={NAME: self.provider}, reach=reach
        )
        house = SimpleNamespace(
            settings=_settings(world.chances.sweep_seconds),
            database=database,
            actor=self.actor,
            checkout=self.checkout,
            providers={NAME: self.provider},
            inbox=self.inbox,
            reach=reach,
        )
        sweeps = sweeps_of(cast("House", house))
        self.sweeps = [sweep for sweep in sweeps if sweep.name not in _WATCHED]
        for sweep in self.sweeps:
            world.loop.spawn(self.owner, sweep.run())

    def crash(self) -> None:
        """End as kill -9 ends it: what was sent may arrive, nothing else happens."""
        self._world.loop.kill(self.owner)
        self._world.server.cut_off(self.owner.name)

    def do(self, work: Callable[["Process"], Awaitable[Any]]) -> "asyncio.Task[Any]":
        """Start a request in this process."""

        async def run() -> Any:  # noqa: ANN401 - whatever the request answers
            return await work(self)

        task = self._world.loop.spawn(self.owner, run())
        task.add_done_callback(_hear_of_failure, context=WORLD)
        return task

    async def create(
        self, command: CreateOrder, channel: Channel | None
    ) -> tuple[int | None, Order | None]:
        """Sell, and open the payment unless *channel* is None; return a place or an order."""
        words = None if channel is None else attempt_words(_MERCHANT, channel, _PAYER)
        sale = await self.checkout.buy(structs.replace(command, first_attempt=words))
        if sale.order_id is None:
            return sale.registration_id, None
        order = sale.order or await self.actor.load(sale.order_id)
        if channel is not None and order.status is OrderStatus.PENDING:
            try:
                order = await self.checkout.prepare(
                    order, channel, _PAYER, is_claimed=order.order_no == command.order_no
                )
            except Refusal as refusal:
                self._world.history.note(self.owner.name, f"opens not: {refusal.code}")
        return None, order

    async def prepare(self, order_id: int, channel: Channel) -> Order:
        """Open the payment of an order."""
        return await self.checkout.prepare(await self.actor.load(order_id), channel, _PAYER)

    async def hear(self, body: bytes) -> None:
        """Take a notice, as the webhook's door does."""
        verified = self.provider.verify({}, body, self._world.clock())
        stored = await self.inbox.store(verified, {}, body, None)
        if stored is not None:
            self.inbox.process_soon(stored)

    def _wake_somebody(self, *names: str) -> None:
        self._world.wake(names)


_MERCHANT = Merchant(
    provider=NAME, merchant_id=MERCHANT_ID, appid=APPID, notify_url="http://127.0.0.1/notify"
)

_PAYER = Payer(appid=APPID)


def _settings(sweep_seconds: float) -> SimpleNamespace:
    return SimpleNamespace(
        payments_job_replay_interval_min=sweep_seconds / 60,
        payments_job_reconcile_interval_min=sweep_seconds / 60,
        expire_interval_seconds=sweep_seconds,
        close_interval_seconds=sweep_seconds,
        refund_interval_seconds=sweep_seconds,
        # Nobody sends money back past the processes in these worlds.
        bills_interval_seconds=0,
        effects_interval_seconds=sweep_seconds,
        payments_job_cleanup_interval_min=0,
        legacy_fields_window_days=30,
        payments_intent_expire_min=60,
        # Nothing grows old in these worlds.
        retention_days=0,
        attempt_grace_seconds=GRACE_SECONDS,
        mail_server=None,
    )


def _hear_of_failure(task: "asyncio.Task[Any]") -> None:
    # Whoever asked may be gone; a failure nobody collects is no defect.
    if not task.cancelled():
        task.exception()
