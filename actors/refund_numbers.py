"""Which number a refund gets. Pure."""

from contracts.numbers import refund_no
from contracts.order import Order, Refund


def stem_of(refund: Refund) -> str:
    """Name the duty that a refund is one try of: each try after a failure has a key of its own."""
    return refund.idempotency_key.partition("#")[0]


def next_refund_no(order: Order, attempt_no: str) -> str:
    """Name the next refund of what *attempt_no* brought.

    A number somebody used past us is left out: a provider would take it for the same refund.
    """
    n = 1 + sum(refund.attempt_no == attempt_no for refund in order.refunds)
    while order.refund(refund_no(attempt_no, n)) is not None:
        n += 1
    return refund_no(attempt_no, n)
