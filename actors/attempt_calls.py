"""An attempt is opened, asked about and closed at its provider, and what is said is recorded.

A call, then a turn: never one inside the other. What was opened was claimed by a turn before.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from actors.actor import Actor
from actors.calls import WAIT_SECONDS, Calls, note, traced
from actors.evidence import EvidenceTrail
from actors.failpoints import Reach, nowhere
from actors.metrics import PREPARED
from contracts import errors
from contracts.commands import RecordAttempt, RecordOpened, RecordOpenFailed, RecordPayment
from contracts.facts import AttemptNotFound, PaymentNotPaid, PaymentSucceeded, QueryFact
from contracts.order import Attempt, Order
from providers.provider import Capability, NumberBurnt, ProviderError, ProviderRefused


class AttemptCalls:
    """Speaks with providers about attempts, for one process."""

    def __init__(
        self,
        *,
        actor: Actor,
        calls: Calls,
        trail: EvidenceTrail | None = None,
        reach: Reach = nowhere,
    ) -> None:
        self._actor = actor
        self._calls = calls
        self._trail = trail
        self._reach = reach

    async def open(self, order: Order, attempt: Attempt) -> Order:
        """Open the attempt that a turn has claimed for the caller.

        A payer who hangs up must not leave an attempt that nobody records.

        :raises contracts.errors.ProviderUnavailable: try again; the order stays payable.
        :raises contracts.errors.ChargeRefused: the provider will not; the order stays payable.
        """
        return await self._calls.finish(self._open(order, attempt))

    async def open_quietly(self, order: Order, attempt_no: str) -> Order:
        """Open as :meth:`open` does; the attempt itself shows how that went."""
        attempt = traced(order).attempt(attempt_no)
        assert attempt is not None
        try:
            return await self.open(order, attempt)
        except (errors.ProviderUnavailable, errors.ChargeRefused):
            return await self._actor.load(order.id)

    async def look(self, order_id: int, attempt_no: str) -> QueryFact | None:
        """Ask the provider about one attempt and record the answer; None when it gave none."""
        attempt = traced(await self._actor.load(order_id)).attempt(attempt_no)
        if attempt is None:
            raise errors.NotFound
        try:
            await self._reach("query.calling")
            provider = self._calls.provider(attempt.request.provider, "query")
            fact = await provider.query(attempt.request, attempt.opened)
            await self._reach("query.called")
        except ProviderError as failure:
            note("payments.query.failed", order_id, attempt_no, failure)
            return None
        await self._record(order_id, fact)
        await self._show_evidence(attempt_no)
        return fact

    async def look_briefly(self, order_id: int, attempt_no: str) -> Order:
        """Ask about one attempt as :meth:`look` does, and wait for the answer a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._calls.finish(self.look(order_id, attempt_no))
        return await self._actor.load(order_id)

    async def close(self, order_id: int, attempt_no: str) -> bool:
        """Have one attempt closed at its provider and record it; quiet failure means later.

        False where its provider has nothing that it could close, now or ever.
        """
        attempt = traced(await self._actor.load(order_id)).attempt(attempt_no)
        if attempt is None or not attempt.is_live or self._is_too_young(attempt):
            return True
        try:
            await self._reach("close.calling")
            provider = self._calls.provider(attempt.request.provider, "close")
            closed = await provider.close(attempt.request, attempt.opened)
            await self._reach("close.called")
        except ProviderRefused as refused:
            # It will not close this one, so only a query can tell when it is over.
            note("payments.close.refused", order_id, attempt_no, refused)
            closed = None
        except ProviderError as failure:
            note("payments.close.failed", order_id, attempt_no, failure)
            return True
        if closed is None:
            told = await self.look(order_id, attempt_no)
            return told is None or self._can_be_closed(attempt, told)
        await self._record(order_id, closed)
        return True

    async def settle_or_close(self, order_id: int, attempt_no: str) -> None:
        """Ask about an attempt, then have it closed if it is still open; quiet failure means later.

        A caller who goes away must not leave a call whose answer nobody records.
        """
        told = await self._calls.finish(self.look(order_id, attempt_no))
        if not isinstance(told, PaymentSucceeded):
            await self._calls.finish(self.close(order_id, attempt_no))

    async def _open(self, order: Order, attempt: Attempt) -> Order:
        number, channel = attempt.attempt_no, attempt.request.channel
        try:
            await self._reach("open.calling")
            provider = self._calls.provider(attempt.request.provider, "open")
            opened = await provider.open(attempt.request)
            await self._reach("open.called")
        except ProviderError as failure:
            note("payments.open.failed", order.id, number, failure)
            PREPARED.labels(channel=channel, outcome=type(failure).__name__).inc()
            is_refused = isinstance(failure, ProviderRefused)
            await self._actor.take_turn(
                RecordOpenFailed(order_id=order.id, attempt_no=number, burnt=is_refused)
            )
            if is_refused and not isinstance(failure, NumberBurnt):
                raise errors.ChargeRefused(providerCode=failure.code) from failure
            raise errors.ProviderUnavailable from failure
        PREPARED.labels(channel=channel, outcome="opened").inc()
        turn = await self._actor.take_turn(
            RecordOpened(order_id=order.id, attempt_no=number, opened=opened, seen=order)
        )
        await self._show_evidence(number)
        return turn.order

    async def _show_evidence(self, attempt_no: str) -> None:
        """Let whoever looks next see what the provider has just sent; wait a moment at most."""
        if self._trail is None or self._trail.is_settled(attempt_no):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._trail.settled(attempt_no)

    async def _record(self, order_id: int, fact: QueryFact) -> None:
        if isinstance(fact, PaymentSucceeded):
            await self._actor.take_turn(RecordPayment(order_id=order_id, fact=fact))
        else:
            await self._actor.take_turn(RecordAttempt(order_id=order_id, fact=fact))

    def _can_be_closed(self, attempt: Attempt, told: QueryFact) -> bool:
        if isinstance(told, PaymentNotPaid):
            provider = self._calls.provider(attempt.request.provider, "close")
            return Capability.CLOSE in provider.capabilities
        return not isinstance(told, AttemptNotFound)

    def _is_too_young(self, attempt: Attempt) -> bool:
        merchant = self._calls.merchants.get(attempt.request.provider)
        age = timedelta(seconds=merchant.close_min_age_seconds if merchant else 0)
        return attempt.opened_at is not None and datetime.now(UTC) < attempt.opened_at + age
