"""What becomes of an order that kept money without being paid. Pure.

No turn of ours leaves one: a database restored in part may, or a hand in it.
"""

from actors.decide_payment import closes_of_others
from contracts.events import OrderEvent, SettlementRepaired
from contracts.order import Order, Payment
from contracts.states import OPEN_ORDERS, PaymentStatus


def repair_settlement(order: Order) -> list[OrderEvent]:
    """Let the honoured payment settle the order after all, where that is safe."""
    payment = order.settlement
    # Money that is on its way back, or is back, must never make the order paid again.
    if payment is None or order.payment_status is not PaymentStatus.UNPAID:
        return []
    if obstacle_to_repair(order) is not None:
        return []
    return [SettlementRepaired(payment=payment), *closes_of_others(order, payment.attempt_no)]


def obstacle_to_repair(order: Order) -> str | None:
    """Name why only a person can mend an order; None where there is nothing to mend, or a way."""
    payment = order.settlement
    if payment is None or order.payment_status is not PaymentStatus.UNPAID:
        return None
    if order.left_minor(payment) != payment.paid.amount_minor:
        return "refund"
    if order.status not in OPEN_ORDERS:
        # Its seats went back, and may be somebody else's by now.
        return "seats_gone"
    return None if _is_as_asked(order, payment) else "amount"


def _is_as_asked(order: Order, payment: Payment) -> bool:
    return payment.paid == order.total
