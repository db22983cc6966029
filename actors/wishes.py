"""Who of a group gets seats, and what may be said of the next group without asking."""

import time
from collections.abc import Iterable, Sequence

import msgspec

from actors.allocate import allocate
from contracts.catalogue import Offer
from contracts.commands import CreateOrder
from models.seats import SeatCount, Stock

# Seats come back when orders end; nobody should be told "sold out" from older news than this.
HINT_LIFE_SECONDS = 0.25


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A request that will be granted if the seats are there."""

    command: CreateOrder
    offer: Offer
    total_minor: int

    @property
    def seats(self) -> SeatCount:
        """Count what it takes."""
        return SeatCount(
            event_id=self.command.event_id,
            ticket_type_id=self.command.ticket_type_id,
            seats=self.command.quantity,
        )


def grant(wishes: Sequence[Wish], stocks: dict[int, Stock]) -> list[Wish]:
    """Choose the wishes that get their seats: per ticket type first, then under the event's cap."""
    fitting: list[Wish] = []
    for stock in stocks.values():
        mine = [w for w in wishes if w.command.ticket_type_id == stock.ticket_type_id]
        fitting += _fitting(stock.remaining, mine)
    caps = [s.event_remaining for s in stocks.values() if s.event_remaining is not None]
    return _fitting(min(caps, default=None), fitting)


def _fitting(remaining: int | None, wishes: Sequence[Wish]) -> list[Wish]:
    answers = allocate(remaining, [wish.command.quantity for wish in wishes])
    return [wish for wish, fits in zip(wishes, answers, strict=True) if fits]


class SoldOutHints:
    """What this process saw left under a lock, while that is news."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[int, float]] = {}

    def learn(self, stocks: Iterable[Stock], granted: Sequence[Wish]) -> None:
        """Remember what is left of limited types, or forget types that are not limited."""
        for stock in stocks:
            taken = sum(
                wish.command.quantity
                for wish in granted
                if wish.command.ticket_type_id == stock.ticket_type_id
            )
            if stock.remaining is None:
                self._left.pop(stock.ticket_type_id, None)
            else:
                self._left[stock.ticket_type_id] = (stock.remaining - taken, time.monotonic())

    def rule_out(self, ticket_type_id: int, quantity: int) -> bool:
        """Tell whether fresh news says that so many seats are not there."""
        left, seen_at = self._left.get(ticket_type_id, (quantity, 0.0))
        return quantity > left and time.monotonic() - seen_at <= HINT_LIFE_SECONDS
