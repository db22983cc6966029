"""What a turn that was committed says to the log and to the metrics.

Settling is on the hottest way there is: of it there is one line.
"""

from typing import Final

import structlog

from actors.metrics import (
    PAYMENT_STATUS,
    QUARANTINED,
    REFUND_STATUS,
    SETTLED,
    TRANSITIONS_SEEN,
)
from actors.turn import Turn
from contracts.events import (
    AttemptClosed,
    AttemptRefused,
    DisputeMoved,
    ExternalRefund,
    OrderPaid,
    PaymentQuarantined,
    RefundAdvanced,
)
from contracts.order import Order, Payment, Refund
from contracts.states import RefundStatus

_ENDS: Final = {
    RefundStatus.SUCCEEDED: "payments.refund.succeeded",
    RefundStatus.FAILED: "payments.refund.failed",
    RefundStatus.RETURNED: "payments.refund.returned",
}

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


def count(turn: Turn) -> None:
    """Count what became true, and log how payments and refunds ended."""
    if turn.before.status is not turn.order.status:
        TRANSITIONS_SEEN.labels(from_status=turn.before.status, to_status=turn.order.status).inc()
    for event in turn.events:
        if isinstance(event, OrderPaid):
            count_settled(turn.order, event.payment, late=event.late)
        elif isinstance(event, AttemptClosed | AttemptRefused):
            _failed(turn, event)
        elif isinstance(event, RefundAdvanced):
            _refunded(turn, turn.order.refund(event.refund_no))
        elif isinstance(event, ExternalRefund | DisputeMoved):
            _refunded(turn, event.refund)
        elif isinstance(event, PaymentQuarantined):
            QUARANTINED.labels(reason=event.reason).inc()


def count_settled(order: Order, payment: Payment, *, late: bool = False) -> None:
    """Count an order that is paid now, and log it."""
    SETTLED.labels(
        channel=order.channel or "none", source=payment.source, late=str(late).lower()
    ).inc()
    PAYMENT_STATUS.labels(status="succeeded", provider=payment.provider).inc()
    log.info(
        "payments.status.succeeded",
        provider=payment.provider,
        order_id=order.id,
        attempt_no=payment.attempt_no,
    )


def _failed(turn: Turn, event: AttemptClosed | AttemptRefused) -> None:
    attempt = turn.before.attempt(event.attempt_no)
    if attempt is None or attempt.close_owed:
        # We had it closed ourselves: nobody tried to pay by it.
        return
    provider = attempt.request.provider
    PAYMENT_STATUS.labels(status="failed", provider=provider).inc()
    log.info(
        "payments.status.failed",
        provider=provider,
        order_id=turn.order.id,
        attempt_no=event.attempt_no,
    )


def _refunded(turn: Turn, refund: Refund | None) -> None:
    if refund is None or refund.status not in _ENDS:
        return
    REFUND_STATUS.labels(status=refund.status, provider=refund.provider).inc()
    log.info(
        _ENDS[refund.status],
        provider=refund.provider,
        order_id=turn.order.id,
        refund_no=refund.refund_no,
    )
