"""What a page says of a payment: worth a look at the provider, and nothing else."""

import asyncio

import structlog

from actors.checkout import Checkout

# Beyond this pages only make work: the worker asks about every open attempt anyway.
_LOOKS_MAX = 32

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


class Hints:
    """Looks behind the back of who gave the hint; never twice at one order at once."""

    def __init__(self, *, checkout: Checkout) -> None:
        self._checkout = checkout
        self._looks: dict[int, asyncio.Task[None]] = {}

    def look_soon(self, order_id: int) -> None:
        """Have the provider asked about an order, unless it was asked a moment ago."""
        if order_id in self._looks or len(self._looks) >= _LOOKS_MAX:
            return
        look = asyncio.create_task(self._look(order_id))
        self._looks[order_id] = look
        look.add_done_callback(lambda _: self._looks.pop(order_id))

    async def close(self) -> None:
        """Wait for the looks under way."""
        if self._looks:
            await asyncio.wait(tuple(self._looks.values()))

    async def _look(self, order_id: int) -> None:
        try:
            await self._checkout.query(order_id)
        except Exception as error:  # noqa: BLE001 - a hint is owed nothing
            log.warning("payments.hint.failed", order_id=order_id, error=type(error).__name__)
