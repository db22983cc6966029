"""People's own orders: many who ask for theirs in the same moment share one look."""

from collections.abc import Sequence

from actors.lane import Lane
from contracts.errors import NotFound
from models.engine import Database
from models.order_views import key_of
from models.orders import OwnOrder, Seen, load_own


class OwnOrders:
    """Finds orders for those whose they are, for one process; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lane: Lane[OwnOrder, Seen] = Lane("own_orders", self._look)

    async def find(self, *, user_id: int, reference: str, biz_type: str) -> Seen:
        """Find the order that a person calls by its id or its number.

        :raises contracts.errors.NotFound: it is absent, of another business, or someone else's.
        :raises contracts.errors.Busy: the database is; come back later.
        """
        column, key = key_of(reference)
        wanted = OwnOrder(column=column, key=key, user_id=user_id, biz_type=biz_type)
        return await self._lane.submit(wanted)

    async def close(self) -> None:
        """Wait for the look that is in flight."""
        await self._lane.close()

    async def _look(self, wanted: Sequence[OwnOrder]) -> "Sequence[Seen | NotFound]":
        found = await load_own(self._database, wanted)
        return [found.get(one) or NotFound() for one in wanted]
