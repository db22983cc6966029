"""Who of a group gets seats, and what may be said of the next group without asking."""

import time
from collections.abc import Iterable, Sequence

import msgspec

from actors.allocate import allocate
from actors.coupons import beyond_uses
from contracts.catalogue import Offer
from contracts.commands import CreateOrder
from contracts.coupons import Coupon
from models.seats import SeatCount, Stock

# Seats come back when orders end; nobody should be told "sold out" from older news than this.
HINT_LIFE_SECONDS = 0.25


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A request that will be granted if the seats and the coupon's uses are there.

    *total_minor* is the price before *coupon*.
    """

    command: CreateOrder
    offer: Offer
    total_minor: int
    coupon: Coupon | None = None

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


def grant_with_coupons(
    wishes: Sequence[Wish], stocks: dict[int, Stock]
) -> tuple[list[Wish], set[str]]:
    """Choose the wishes that get their seats and their coupons.

    Also name, by order number, the wishes whose coupon is used up: they take no seat from others.
    """
    coupons = {wish.coupon.id: wish.coupon for wish in wishes if wish.coupon}
    refused: set[str] = set()
    while True:
        granted = grant([w for w in wishes if w.command.order_no not in refused], stocks)
        claims = [(wish.command.order_no, wish.coupon.id) for wish in granted if wish.coupon]
        late = beyond_uses(claims, coupons)
        if not late:
            return granted, refused
        refused |= late


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
