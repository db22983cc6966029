"""What lies between a process and the servers: latency, and a cut when the process dies."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.chances import Chances
from tests.simulation.history import History
from tests.simulation.loop import WORLD, Owner, VirtualLoop


class Wire:
    """One process's way to the outside."""

    def __init__(
        self, *, loop: VirtualLoop, owner: Owner, random: Random, chances: Chances, history: History
    ) -> None:
        self.loop = loop
        self.owner = owner
        self.random = random
        self.chances = chances
        self._history = history

    @property
    def is_cut(self) -> bool:
        """Tell whether the process is dead: nothing it still does may reach anybody."""
        return self.owner.is_dead

    def happens(self, chance: float) -> bool:
        """Throw the dice."""
        return chance > 0.0 and self.random.random() < chance

    def note(self, what: str) -> None:
        """Note an event of this process."""
        self._history.note(self.owner.name, what)

    def delay(self) -> float:
        """Choose how long something takes on the way."""
        if self.happens(self.chances.slow):
            return 0.05 + self.random.random()
        return 0.0002 + 0.002 * self.random.random()

    async def call(
        self, delay: float, work: Callable[["asyncio.Future[Any]"], None], *, cancelled: float = 0.5
    ) -> Any:  # noqa: ANN401 - whatever the far side answers
        """Have *work* done on the far side after *delay*; it fills the future when it likes.

        Who is cancelled or dies before the far side began may have sent it or not.
        """
        answer: asyncio.Future[Any] = self.loop.create_future()
        begun = False

        def begin() -> None:
            nonlocal begun
            begun = True
            work(answer)

        timer = self.loop.call_later(delay, begin, context=WORLD)
        try:
            return await answer
        except asyncio.CancelledError:
            if not begun and self.random.random() < cancelled:
                timer.cancel()
            raise
