"""One attempt per key, opened once: by who claimed it, while everybody else waits for it."""

import asyncio
from datetime import UTC, datetime

import msgspec

from actors.actor import Actor
from actors.attempt_calls import AttemptCalls
from actors.calls import POLL_SECONDS
from actors.decide_attempt import is_stranded
from actors.payers import Payers
from actors.turn import Turn
from contracts import errors
from contracts.commands import StartAttempt
from contracts.events import AttemptReclaimed, AttemptStarted
from contracts.order import Attempt, Order
from contracts.states import AttemptState

# What recording takes beside the longest call.
_MARGIN_SECONDS = 1.0


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as the provider left it, and whether this confirmation made it."""

    order: Order
    attempt: Attempt
    is_new: bool


class Confirming:
    """Starts attempts by key, for one process."""

    def __init__(self, *, actor: Actor, attempts: AttemptCalls, payers: Payers) -> None:
        self._actor = actor
        self._attempts = attempts
        self._payers = payers

    async def confirm(self, command: StartAttempt) -> Confirmed:
        """Open the attempt of a confirmation, or find it; one call is made however many ask.

        Whatever the provider says is told by the attempt: refused, or lost and for a repeat to
        open under the same number. Whose opener is gone is opened by who waited for it.

        :raises contracts.errors.Conflict: the order cannot be paid, costs something else, or
            another caller's call takes longer than a call may.
        """
        patience = self._payers.call_seconds(command.provider) + _MARGIN_SECONDS
        until = asyncio.get_running_loop().time() + patience
        while True:
            turn = await self._turn(command, until)
            claimed = _claimed_by(turn)
            if claimed is not None:
                order = await self._attempts.open_quietly(turn.order, claimed)
                is_new = any(isinstance(event, AttemptStarted) for event in turn.events)
                return _confirmed(order, claimed, is_new=is_new)
            number = _found(turn.order, command).attempt_no
            order = await self._opened_by_another(turn.order, number, until)
            if not _is_abandoned(order, number):
                return _confirmed(order, number, is_new=False)
            await _pause(until)

    async def _turn(self, command: StartAttempt, until: float) -> Turn:
        while True:
            try:
                return await self._actor.take_turn(command)
            except errors.PrepareInProgress:
                await _pause(until)
                order = await self._actor.load(command.order_id)
                if order.current_attempt is not None:
                    await self._opened_by_another(order, order.current_attempt.attempt_no, until)

    async def _opened_by_another(self, order: Order, number: str, until: float) -> Order:
        """Wait for whoever has the claim; when it runs out, nobody knows what became of it."""
        while (current := order.attempt(number)) and _is_claimed(current):
            await _pause(until)
            order = await self._actor.load(order.id)
        return order


async def _pause(until: float) -> None:
    if asyncio.get_running_loop().time() >= until:
        raise errors.PrepareInProgress
    await asyncio.sleep(POLL_SECONDS)


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


def _is_abandoned(order: Order, attempt_no: str) -> bool:
    """Tell whether an attempt is for the next turn to claim."""
    attempt = order.attempt(attempt_no)
    if attempt is None or attempt.state is not AttemptState.OPENING:
        return False
    return is_stranded(order, attempt, datetime.now(UTC))
