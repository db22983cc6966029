"""What the provider tells us by itself: sometimes late, twice, out of order, or never."""

import asyncio
from itertools import chain, repeat
from typing import TYPE_CHECKING

from contracts.errors import Refusal
from contracts.facts import Fact, RefundOutcome
from tests.simulation.buyers import NoAnswer, ask
from tests.simulation.loop import WORLD
from tests.simulation.provider import notice_of
from tests.simulation.wechat import Trade, TradeRefund

if TYPE_CHECKING:
    from tests.simulation.world import World

# As WeChat Pay sends them, though it gives up in the end: 15 s, 15 s, 30 s, 3 min, 10 min ...
_PAUSES_SECONDS = (15, 15, 30, 180, 600)


class Notices:
    """Delivers notices until they are answered; *undelivered* names those that were not yet."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._made = 0
        self.undelivered: set[str] = set()

    def tell(self, fact: Fact, surely: bool) -> None:  # noqa: FBT001 - a callback
        """Send a notice of *fact*, or lose it unless it must arrive *surely*."""
        random, chances = self._world.random, self._world.chances
        if not surely and random.random() < chances.notice_lost:
            return
        copies = 2 if random.random() < chances.notice_twice else 1
        self._made += 1
        for copy in range(copies):
            # Most often the same notice again, sometimes another about the same.
            event_id = f"n{self._made}" + (f".{copy}" if random.random() < 0.3 else "")
            body = notice_of(event_id, fact)
            self._world.loop.spawn(None, self._deliver(f"{event_id}/{copy}", body))

    def settle_soon(self, trade: Trade, refund: TradeRefund) -> None:
        """Bring a refund to its end in a while."""
        random = self._world.random
        fails = random.random() < self._world.chances.refund_fails
        failed = random.choice((RefundOutcome.CLOSED, RefundOutcome.ABNORMAL))
        outcome = failed if fails else RefundOutcome.SUCCESS
        assert trade.is_paid
        seconds = 10 * random.random()
        settle = self._world.wechat.settle
        self._world.loop.call_later(seconds, settle, refund, outcome, context=WORLD)

    async def _deliver(self, name: str, body: bytes) -> None:
        random = self._world.random
        self.undelivered.add(name)
        await asyncio.sleep(random.random() * random.choice((0.3, 0.3, 5, 40)))
        for pause in chain(_PAUSES_SECONDS, repeat(60)):
            if await self._is_heard(name, body):
                break
            await asyncio.sleep(pause)
        self.undelivered.discard(name)

    async def _is_heard(self, name: str, body: bytes) -> bool:
        try:
            await ask(self._world, "wechat", f"hear {name}", lambda process: process.hear(body))
        except (NoAnswer, Refusal):
            return False
        return True
