"""What becomes of money that came past every provider. Pure."""

from datetime import datetime

from contracts import errors
from contracts.commands import MarkPaid
from contracts.events import OrderEvent, OrderPaid
from contracts.facts import FactSource
from contracts.order import Order, Payment
from contracts.states import OPEN_ORDERS, OrderStatus

PROVIDER = "manual"


def mark_paid(order: Order, command: MarkPaid, now: datetime) -> list[OrderEvent]:
    """Settle an order on a person's word.

    :raises contracts.errors.OrderAlreadyPaid: a provider has the money.
    :raises contracts.errors.InvalidState: the order has ended, or may still be paid otherwise.
    """
    if order.status is OrderStatus.PAID:
        return _paid_already(order)
    if order.status not in OPEN_ORDERS:
        raise errors.InvalidState("The order has ended.")
    if order.live_attempts:
        raise errors.InvalidState("An attempt is unresolved: a provider could still take money.")
    payment = Payment(
        provider=PROVIDER,
        provider_txn_id=f"MANUAL-{order.order_no}",
        attempt_no=f"{order.order_no}M",
        paid=order.total,
        paid_at=now,
        source=FactSource.MANUAL,
        honoured=True,
    )
    return [OrderPaid(payment=payment, reason=command.reason, by_user_id=command.by_user_id)]


def _paid_already(order: Order) -> list[OrderEvent]:
    if order.settlement is not None and order.settlement.source == FactSource.MANUAL:
        return []
    raise errors.OrderAlreadyPaid
