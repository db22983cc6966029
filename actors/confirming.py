"""One attempt per key, opened once: by who claimed it, while everybody else waits for it."""

import asyncio
from datetime import UTC, datetime

import msgspec

from actors.actor import Actor
from actors.checkout import POLL_SECONDS, WAIT_SECONDS, Checkout
from actors.turn import Turn
from contracts import errors
from contracts.commands import StartAttempt
from contracts.events import AttemptReclaimed, AttemptStarted
from contracts.order import Attempt, Order
from contracts.states import AttemptState


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as the provider left it, and whether this confirmation made it."""

    order: Order
    attempt: Attempt
    is_new: bool


class Confirming:
    """Starts attempts by key, for one process."""

    def __init__(self, *, actor: Actor, checkout: Checkout) -> None:
        self._actor = actor
        self._checkout = checkout

    async def confirm(self, command: StartAttempt) -> Confirmed:
        """Open the attempt of a confirmation, or find it; one call is made however many ask.

        Whatever the provider says is told by the attempt: refused, or lost and for a repeat to
        open under the same number.

        :raises contracts.errors.Conflict: the order cannot be paid, costs something else, or
            another caller's call takes long.
        """
        turn = await self._started(command)
        claimed = _claimed_by(turn)
        if claimed is not None:
            order = await self._checkout.open_attempt(turn.order, claimed)
            is_new = any(isinstance(event, AttemptStarted) for event in turn.events)
            return _confirmed(order, claimed, is_new=is_new)
        found = _found(turn.order, command)
        order = await self._opened_by_another(turn.order, found)
        return _confirmed(order, found.attempt_no, is_new=False)

    async def _started(self, command: StartAttempt) -> Turn:
        try:
            return await self._actor.take_turn(command)
        except errors.PrepareInProgress:
            order = await self._actor.load(command.order_id)
            if order.current_attempt is not None:
                await self._opened_by_another(order, order.current_attempt)
            return await self._actor.take_turn(command)

    async def _opened_by_another(self, order: Order, attempt: Attempt) -> Order:
        """Wait for whoever has the claim; when it runs out, nobody knows what became of it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_SECONDS
        while (current := order.attempt(attempt.attempt_no)) and _is_claimed(current):
            if loop.time() >= deadline:
                raise errors.PrepareInProgress
            await asyncio.sleep(POLL_SECONDS)
            order = await self._actor.load(order.id)
        return order


def _claimed_by(turn: Turn) -> str | None:
    for event in turn.events:
        if isinstance(event, AttemptStarted):
            return event.attempt.attempt_no
        if isinstance(event, AttemptReclaimed):
            return event.attempt_no
    return None


def _found(order: Order, command: StartAttempt) -> Attempt:
    assert command.confirmation is not None
    found = order.confirmed_by(command.confirmation) or order.current_attempt
    assert found is not None
    return found


def _confirmed(order: Order, attempt_no: str, *, is_new: bool) -> Confirmed:
    attempt = order.attempt(attempt_no)
    assert attempt is not None
    return Confirmed(order=order, attempt=attempt, is_new=is_new)


def _is_claimed(attempt: Attempt) -> bool:
    if attempt.state is not AttemptState.OPENING or attempt.claim_until is None:
        return False
    return datetime.now(UTC) < attempt.claim_until
