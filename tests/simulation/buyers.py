"""Buyers: they buy, pay, change their minds, ask twice and hang up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from asyncpg import UniqueViolationError

from contracts.commands import CreateOrder
from contracts.errors import Refusal
from contracts.order import Order
from contracts.states import Channel
from models.engine import CONFLICTS, GONE
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

_CHANNELS = (Channel.WECHAT_NATIVE, Channel.WECHAT_NATIVE, Channel.WECHAT_JSAPI)
_CODES = ("HALF", "SOME", "ALL", "NONE SUCH")
_THINKING_SECONDS = 5.0
_PATIENCE_SECONDS = 8.0


class NoAnswer(Exception):
    """The connection broke, or took too long: nobody knows what happened."""


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """What a buyer was told to have."""

    user_id: int
    ticket_type_id: int
    quantity: int
    key: str | None
    order_id: int | None
    registration_id: int | None


class Buyer:
    """One person with one browser, or two."""

    def __init__(self, world: "World", user_id: int) -> None:
        self._world = world
        self._user_id = user_id
        self._order: Order | None = None
        self._wish: tuple[int, int, str | None] = (1, 1, None)
        self._key: str | None = None
        self._keys = 0

    async def live(self) -> None:
        """Do one thing after another, for ever."""
        random = self._world.random
        while True:
            await asyncio.sleep(_THINKING_SECONDS * random.random())
            try:
                await self._do_something()
            except (NoAnswer, Refusal) as answer:
                name = answer.code if isinstance(answer, Refusal) else "NO_ANSWER"
                self._world.history.note(f"u{self._user_id}", f"is told {name}")

    async def _do_something(self) -> None:
        if self._order is None:
            await self._buy()
            return
        chosen = self._world.random.random()
        if chosen < 0.35:
            await self._pay()
        elif chosen < 0.65:
            await self._prepare(self._order)
        elif chosen < 0.75:
            await self._query(self._order)
        elif chosen < 0.80:
            await self._cancel(self._order)
        elif chosen < 0.83:
            await self._apply(self._order)
        elif chosen < 0.93:
            await self._buy()
        else:
            self._order = None

    async def _buy(self) -> None:
        random = self._world.random
        if self._key is None or random.random() < 0.5:
            self._keys += 1
            self._key = f"k{self._keys}" if random.random() < 0.5 else None
            code = random.choice((None, None, None, *_CODES))
            self._wish = (random.choice((1, 1, 2)), random.choice((1, 1, 2)), code)
        channel = random.choice((*_CHANNELS, None))
        asked = [self._create(channel)]
        if random.random() < 0.2:
            asked.append(self._create(channel))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def _create(self, channel: Channel | None) -> None:
        ticket_type_id, quantity, coupon_code = self._wish
        key = self._key
        command = CreateOrder(
            order_no=self._world.new_order_no(key and f"{self._user_id}:{key}"),
            event_id=1,
            ticket_type_id=ticket_type_id,
            user_id=self._user_id,
            quantity=quantity,
            payment_channel="wechat",
            idempotency_key=key,
            body_hash=key and f"{ticket_type_id}x{quantity}x{coupon_code}",
            coupon_code=coupon_code,
        )
        place_id, order = await self._ask("create", lambda p: p.create(command, channel))
        self._world.acknowledged.append(
            Acknowledged(
                user_id=self._user_id,
                ticket_type_id=ticket_type_id,
                quantity=quantity,
                key=key,
                order_id=order and order.id,
                registration_id=place_id,
            )
        )
        if order is not None:
            self._learn(order)

    async def _prepare(self, order: Order) -> None:
        channel = self._world.random.choice(_CHANNELS)
        self._learn(await self._ask("prepare", lambda p: p.prepare(order.id, channel)))

    async def _query(self, order: Order) -> None:
        found, _ = await self._ask("query", lambda p: p.checkout.query(order.id))
        self._learn(found)

    async def _cancel(self, order: Order) -> None:
        self._learn(await self._ask("cancel", lambda p: p.checkout.cancel(order.id)))

    async def _apply(self, order: Order) -> None:
        code = self._world.random.choice(_CODES)
        self._learn(await self._ask("apply", lambda p: p.checkout.apply_coupon(order.id, code)))

    async def _pay(self) -> None:
        if self._order is None:
            return
        codes = [a.attempt_no for a in self._order.attempts if a.opened is not None]
        if codes:
            await asyncio.sleep(self._world.random.random())
            self._world.pay(self._user_id, self._world.random.choice(codes))

    def _learn(self, order: Order) -> None:
        self._order = order

    async def _ask(self, what: str, work: Callable[[Process], Awaitable[Any]]) -> Any:  # noqa: ANN401 - any answer
        return await ask(self._world, f"u{self._user_id}", what, work)


async def ask(
    world: "World", who: str, what: str, work: Callable[[Process], Awaitable[Any]]
) -> Any:  # noqa: ANN401 - any answer
    """Ask one of the processes for something over a network that may break.

    :raises NoAnswer: nobody knows what happened.
    """
    random, chances = world.random, world.chances
    process = random.choice(world.processes)
    world.history.note(who, f"asks {process.owner.name} to {what}")
    await asyncio.sleep(0.001 + 0.01 * random.random())
    if not process.is_alive:
        raise NoAnswer
    task = process.do(work)
    hangs_up = random.random() < chances.buyer_hangs_up
    patience = random.random() if hangs_up else _PATIENCE_SECONDS
    done, _ = await asyncio.wait([task], timeout=patience)
    if not done:
        # A server notices, and may cancel what it was doing, or may not.
        if hangs_up or random.random() < 0.5:
            task.cancel()
        raise NoAnswer
    if task.cancelled():
        raise NoAnswer
    failure = task.exception()
    if isinstance(failure, (*CONFLICTS, *GONE)) and not isinstance(failure, UniqueViolationError):
        raise NoAnswer from failure
    if failure is not None and not isinstance(failure, Refusal):
        world.report(f"{who} who asked to {what} was told {failure!r}")
        raise NoAnswer from failure
    return task.result()
