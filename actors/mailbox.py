"""One queue per order in this process: who asked first is answered first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from contracts.errors import OrderBusy

DEPTH = 256
PATIENCE_SECONDS = 3.0


class _Box(msgspec.Struct):
    lock: asyncio.Lock
    waiting: int = 0


class Mailboxes:
    """The queues of all orders that are being asked something now; empty ones are removed."""

    def __init__(self) -> None:
        self._boxes: dict[int, _Box] = {}

    def __len__(self) -> int:
        return len(self._boxes)

    @asynccontextmanager
    async def turn_at(self, order_id: int) -> AsyncIterator[None]:
        """Wait for the order's other callers.

        :raises OrderBusy: too many wait, or the wait took too long; nothing was done.
        """
        box = self._boxes.setdefault(order_id, _Box(lock=asyncio.Lock()))
        if box.waiting >= DEPTH:
            raise OrderBusy
        box.waiting += 1
        try:
            await self._enter(box)
            try:
                yield
            finally:
                box.lock.release()
        finally:
            box.waiting -= 1
            if box.waiting == 0:
                del self._boxes[order_id]

    async def _enter(self, box: _Box) -> None:
        if box.waiting == 1:
            # Nobody else is here; setting a clock would take longer than this.
            await box.lock.acquire()
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await box.lock.acquire()
        except TimeoutError:
            raise OrderBusy from None
