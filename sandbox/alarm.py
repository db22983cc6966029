"""Waiting for the next due thing, without missing one that becomes due meanwhile."""

import asyncio
import time


class Alarm:
    """One sleeper, many wakers, all in one event loop."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the present or the next wait: something new may be due."""
        self._rung.set()

    async def wait(self, until_ms: int | None) -> None:
        """Wait for an instant (None: for ever) or for a ring."""
        seconds = None if until_ms is None else max(0.0, until_ms / 1000 - time.time())
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()
