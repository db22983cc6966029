"""An organizer: sends money back, in parts or whole, with seats that are named or not."""

import asyncio
from typing import TYPE_CHECKING

from contracts.commands import RequestRefund
from contracts.errors import Refusal
from tests.simulation.buyers import NoAnswer, ask
from tests.simulation.tables import Row

if TYPE_CHECKING:
    from tests.simulation.world import World

# The parts of one payment go out a minute apart, and all must have ended when the world does.
_PARTS = 3


class Organizer:
    """Who manages the event."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def live(self) -> None:
        """Send money back now and then, for ever."""
        while True:
            pause = self._world.chances.organizer_every * (0.2 + 1.6 * self._world.random.random())
            await asyncio.sleep(pause)
            orders = [order for order in self._rows("orders") if self._may_go_back(order)]
            if orders:
                await self._send_back(self._world.random.choice(orders))

    def _may_go_back(self, order: Row) -> bool:
        asked = [r for r in self._rows("refunds") if r["order_id"] == order["id"]]
        return order["status"] == "PAID" and len(asked) < _PARTS

    async def _send_back(self, order: Row) -> None:
        random = self._world.random
        invites, places = self._seats("order_invites", order), self._seats("registrations", order)
        command = RequestRefund(
            order_id=order["id"],
            reason="sick",
            by_user_id=99,
            amount_minor=random.choice((None, 1, order["total_minor"] // 2)),
            idempotency_key=random.choice((None, "r1", "r2")),
            invite_ids=tuple(random.sample(invites, random.randint(0, min(1, len(invites))))),
            registration_ids=tuple(random.sample(places, random.randint(0, min(1, len(places))))),
        )
        asked = [
            ask(self._world, "org", "refund", lambda p: p.actor.take_turn(command))
            for _ in range(random.choice((1, 1, 2)))
        ]
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, NoAnswer | Refusal):
                raise answer

    def _seats(self, table: str, order: Row) -> list[int]:
        return [row["id"] for row in self._rows(table) if row["order_id"] == order["id"]]

    def _rows(self, table: str) -> list[Row]:
        return list(self._world.server.tables[table].rows.values())
