"""Intents as their buyers ask for them: one at a time to collect what an order costs.

The database decides who is first, and what a key brought it brings again.
"""

from collections.abc import Container

from actors.actor import Actor
from actors.failpoints import Reach, nowhere
from actors.intent_status import intent_status
from contracts import errors
from contracts.intents import Intent
from contracts.order import Order
from contracts.states import IntentStatus
from models.engine import Database
from models.intents import Asked, Made, Wanted, ask, known_intent, make

# Whoever is overtaken this often meets somebody who does nothing else.
_TRIES = 5


class Intents:
    """Makes intents, for one process."""

    def __init__(self, *, database: Database, actor: Actor, reach: Reach = nowhere) -> None:
        self._database = database
        self._actor = actor
        self._reach = reach

    async def create(self, wanted: Wanted) -> Made:
        """Make the one intent of an order, or find it. Safe to repeat.

        :raises contracts.errors.NotFound: the order is absent, or someone else's.
        :raises contracts.errors.IdempotencyMismatch: the key was used with another body.
        :raises contracts.errors.PriceMismatch: the order costs something else; extra says what.
        :raises contracts.errors.InvalidState: nobody can pay the order now.
        """
        for _ in range(_TRIES):
            asked = await ask(self._database, wanted)
            if asked is None:
                raise errors.NotFound
            if asked.earlier is not None:
                earlier = asked.earlier
                return Made(intent_id=earlier.target_id, status=earlier.status, is_new=False)
            _refuse_unless_wanted(asked, wanted)
            status = await self._status_of(asked.active_id)
            made = await make(
                self._database, wanted, active_id=asked.active_id, status=status.value
            )
            if made is not None:
                await self._reach("intent.made")
                return made
        raise errors.OrderBusy

    async def _status_of(self, intent_id: int | None) -> IntentStatus:
        if intent_id is None:
            return IntentStatus.REQUIRES_CONFIRMATION
        known = await known_intent(self._database, intent_id, user_id=None)
        assert known is not None
        order = await self._actor.load(known.intent.order_id)
        return status_of(known.intent, known.attempt_ids, order)


def status_of(intent: Intent, attempt_nos: Container[str], order: Order) -> IntentStatus:
    """Say where an intent stands whose attempts have these numbers."""
    attempts = [attempt for attempt in order.attempts if attempt.attempt_no in attempt_nos]
    return intent_status(intent, attempts, order)


def _refuse_unless_wanted(asked: Asked, wanted: Wanted) -> None:
    if not asked.is_payable:
        raise errors.InvalidState(orderStatus=asked.order_status)
    if asked.total != wanted.amount:
        raise errors.PriceMismatch(orderAmount=asked.total.amount_minor)
