"""Where an order's status may go.

1. Everything that moves ``Order.status`` stands in this table; an event that is not in it moves
   nothing.
2. What is missing for a status is a decision: that event cannot happen there.

A trigger on ``orders`` lets the same moves pass and no other, and docs/order-states.md is drawn
from here; tests compare all three.
"""

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

MOVING_EVENTS: tuple[type[OrderEvent], ...] = (
    OrderClosing,
    OrderExpired,
    OrderCancelled,
    OrderPaid,
    OrderRefunded,
    OrderRefundReturned,
    SettlementRepaired,
)

TRANSITIONS: dict[S, dict[type[OrderEvent], S]] = {
    S.PENDING: {
        OrderClosing: S.CLOSING,
        OrderExpired: S.EXPIRED,
        OrderCancelled: S.CANCELLED,
        OrderPaid: S.PAID,
        SettlementRepaired: S.PAID,
    },
    S.CLOSING: {
        OrderExpired: S.EXPIRED,
        OrderCancelled: S.CANCELLED,
        OrderPaid: S.PAID,
        SettlementRepaired: S.PAID,
    },
    # Late money is honoured while its seats can be had again.
    S.EXPIRED: {OrderPaid: S.PAID},
    S.CANCELLED: {OrderPaid: S.PAID},
    S.PAID: {OrderRefunded: S.REFUNDED},
    # A bank may send back what had gone through; a dispute may be won after it was lost.
    S.REFUNDED: {OrderRefundReturned: S.PAID},
}


class IllegalTransition(AssertionError):
    """Our own rules contradict each other; nothing may be written."""

    def __init__(self, status: S, event: type[OrderEvent]) -> None:
        super().__init__(f"{event.__name__} cannot happen to an order that is {status}")
        self.status = status
        self.event = event


def next_status(status: S, event: OrderEvent) -> S:
    """Look up where *event* takes an order.

    :raises IllegalTransition: the table has no such edge.
    """
    kind = type(event)
    if kind not in MOVING_EVENTS:
        return status
    try:
        return TRANSITIONS[status][kind]
    except KeyError:
        raise IllegalTransition(status, kind) from None


def edges() -> set[tuple[S, S]]:
    """List every move the table allows, as the database keeps them."""
    return {(start, end) for start, moves in TRANSITIONS.items() for end in moves.values()}
