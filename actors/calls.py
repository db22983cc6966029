"""Whom to call, and the calls that are under way.

A call that was begun is brought to its end and recorded, whoever has gone away meanwhile.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import structlog
from opentelemetry import trace

from actors.payers import Merchant
from actors.tracing import describe_order
from contracts.order import Order
from providers.provider import Provider, ProviderError, ProviderUnreachable

log = structlog.get_logger("payments")

Result = TypeVar("Result")

# How long a caller waits for another's provider call, or for a close, before it is told "later".
WAIT_SECONDS = 3.0
POLL_SECONDS = 0.1


class Calls:
    """The providers and merchants of one process, by name, and what is being asked of them."""

    def __init__(
        self, *, providers: Mapping[str, Provider], merchants: Mapping[str, Merchant]
    ) -> None:
        self.merchants = merchants
        self._providers = providers
        self._under_way: set[asyncio.Task[Any]] = set()

    def provider(self, name: str, operation: str) -> Provider:
        """Find who is to be called.

        :raises ProviderUnreachable: they were taken out of the settings; it is as if they were
            away, until they are back.
        """
        try:
            return self._providers[name]
        except KeyError:
            raise ProviderUnreachable(name, operation, "not_configured") from None

    def merchant(self, name: str, operation: str) -> Merchant:
        """Find for whom to call.

        :raises ProviderUnreachable: as :meth:`provider` says.
        """
        try:
            return self.merchants[name]
        except KeyError:
            raise ProviderUnreachable(name, operation, "not_configured") from None

    async def finish(self, call: Coroutine[Any, Any, Result]) -> Result:
        """Run a provider call to its end even when whoever asked for it is gone."""
        return await asyncio.shield(self.begin(call))

    def begin(self, call: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Run a provider call that nobody need wait for."""
        task = asyncio.get_running_loop().create_task(call)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def close(self) -> None:
        """Wait for the calls in flight."""
        if self._under_way:
            await asyncio.wait(self._under_way)


def traced(order: Order) -> Order:
    """Say on the span at work which order it is about: the call that follows is a span below it."""
    describe_order(trace.get_current_span(), order)
    return order


def note(event: str, order_id: int, number: str, failure: ProviderError) -> None:
    """Log that a call came to nothing, by its code alone."""
    log.warning(
        event,
        order_id=order_id,
        number=number,
        provider=failure.provider,
        code=failure.code,
    )
