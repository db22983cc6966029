"""Draws docs/order-states.md from the table of transitions, so that the two cannot differ."""

import sys

from actors.transitions import TRANSITIONS
from contracts.events import (
    OrderCancelled,
    OrderClosing,
    OrderEvent,
    OrderExpired,
    OrderPaid,
    OrderRefunded,
    OrderRefundReturned,
    SettlementRepaired,
)
from contracts.states import OrderStatus as S
from scripts.stamp import ROOT

PAGE = ROOT / "docs" / "order-states.md"

_BEGINNING = """# Where an order may go

Drawn from [actors/transitions.py](../actors/transitions.py) by `make docs`; do not edit. The
database refuses every other move: a trigger on `orders` lets these
pass alone, and a [test](../tests/storage/test_schema.py) tries every pair.

```mermaid
stateDiagram-v2
    [*] --> PENDING: order made, seats taken
"""

_MEANINGS: dict[S, str] = {
    S.PENDING: "waits for its buyer to pay; seats held",
    S.CLOSING: "over for its buyer, but a provider could still take money; seats held",
    S.EXPIRED: "its time ran out unpaid; no seats, places cancelled",
    S.CANCELLED: "its buyer left unpaid; no seats, places cancelled",
    S.PAID: "has its one settlement and keeps some of it; seats and places belong to the buyer, "
    "but those that a refund freed",
    S.REFUNDED: "all of the settlement went back; no seats, places cancelled",
}

_MOVES: dict[tuple[S, type[OrderEvent]], str] = {
    (S.PENDING, OrderClosing): "time is up or the buyer leaves while an attempt is open: closes of "
    "all of them are owed, the seats wait",
    (S.PENDING, OrderExpired): "time is up and no attempt is open: the seats go back at once",
    (S.PENDING, OrderCancelled): "the buyer leaves and no attempt is open: the seats go back at "
    "once",
    (S.PENDING, OrderPaid): "verified money for exactly what was asked: places become valid, "
    "closes of other attempts and the tickets are owed",
    (S.PENDING, SettlementRepaired): "the order kept money without being paid, as after a restore "
    "in part: it is paid now, and nothing else is written than when the money comes",
    (S.CLOSING, OrderExpired): "time was up, and the last attempt can take no money any more: the "
    "seats go back",
    (S.CLOSING, OrderCancelled): "the buyer left, and the last attempt can take no money any more: "
    "the seats go back",
    (S.CLOSING, OrderPaid): "the money was quicker than the close: it is kept, and so are the "
    "seats",
    (S.CLOSING, SettlementRepaired): "as above",
    (S.EXPIRED, OrderPaid): "late money, kept if it comes within LATE_PAYMENT_HONOUR_HOURS, the "
    "event is still on sale and the seats and the buyer's place can be had again; otherwise it "
    "goes back in full and nothing moves",
    (S.CANCELLED, OrderPaid): "late money, as above",
    (S.PAID, OrderRefunded): "refunds that succeeded add up to the settlement: the seats go back",
    (
        S.REFUNDED,
        OrderRefundReturned,
    ): "money that had gone back is ours again, as a refund returned "
    "or a dispute was won: it can be refunded once more; the seats stay gone",
}


def page() -> str:
    """Write the page.

    :raises KeyError: a status or a move has no words here yet.
    """
    moves = [
        (start, event, end) for start, ends in TRANSITIONS.items() for event, end in ends.items()
    ]
    diagram = [f"    {start} --> {end}: {event.__name__}" for start, event, end in moves]
    ends = [f"    {status} --> [*]" for status, ways in TRANSITIONS.items() if not ways]
    meanings = [f"| {status} | {_MEANINGS[status]} |" for status in S]
    words = [
        f"| {start} | {event.__name__} | {end} | {_MOVES[start, event]} |"
        for start, event, end in moves
    ]
    tables = [
        "```",
        "",
        "| Status | The order |",
        "|---|---|",
        *meanings,
        "",
        "| From | Event | To | When, and what goes with it |",
        "|---|---|---|---|",
        *words,
    ]
    return _BEGINNING + "\n".join([*diagram, *ends, *tables]) + "\n"


def main() -> int:
    """Draw the page where it belongs."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
