"""Orders nobody paid in time are told so."""

import time
from collections.abc import Sequence

from actors.actor import Actor
from contracts.commands import Expire
from contracts.states import OrderStatus
from models.engine import Database
from models.sweeps import CLAIM, DueOrder, expired_orders


class Expiry:
    """Ends orders whose time is up; the committer gathers their turns into few commits.

    An order that does not leave PENDING rests as long as a claim lasts, so that it neither
    blocks the orders behind it nor is asked without end.
    """

    def __init__(self, *, database: Database, actor: Actor) -> None:
        self._database = database
        self._actor = actor
        self._resting_until: dict[int, float] = {}

    async def find(self, limit: int) -> Sequence[DueOrder]:
        """Find orders whose time is up."""
        now = time.monotonic()
        self._resting_until = {
            order_id: until for order_id, until in self._resting_until.items() if until > now
        }
        return await expired_orders(self._database, limit, tuple(self._resting_until))

    async def expire(self, row: DueOrder) -> None:
        """Tell one order that its time is up. Safe to repeat."""
        self._resting_until[row.id] = time.monotonic() + CLAIM.total_seconds()
        turn = await self._actor.take_turn(Expire(order_id=row.id))
        if turn.order.status is not OrderStatus.PENDING:
            del self._resting_until[row.id]
