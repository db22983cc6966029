"""What becomes of verified money. Pure."""

from actors.case_subjects import payment_subject
from actors.refund_numbers import next_refund_no
from contracts.attempt import AttemptRequest
from contracts.errors import InvalidState
from contracts.events import (
    AttemptCloseOwed,
    OrderEvent,
    OrderPaid,
    PaymentQuarantined,
    SurplusReceived,
)
from contracts.facts import PaymentSucceeded, is_nameless
from contracts.order import Order, Payment, Refund
from contracts.states import OPEN_ORDERS, OrderStatus, RefundStatus

SURPLUS_REASON = "surplus"
LATE_STATUSES = frozenset({OrderStatus.EXPIRED, OrderStatus.CANCELLED})


def record_payment(order: Order, fact: PaymentSucceeded) -> list[OrderEvent]:
    """Honour, return or hold the money. Seeing a fact again changes nothing."""
    attempt = order.attempt(fact.attempt_no)
    if attempt is None:
        raise InvalidState("The order has no such attempt.")
    if _is_known(order, fact):
        return []
    contradiction = contradiction_of(attempt.request, fact)
    if contradiction is not None:
        return [PaymentQuarantined(fact=fact, reason=contradiction)]
    late = order.status in LATE_STATUSES
    reclaimed = late and order.reclaim is not None and order.reclaim.granted
    # An attempt that said "closed" may be paid all the same, and a coupon may have come between.
    if (order.status in OPEN_ORDERS or reclaimed) and fact.paid == order.total:
        paid = OrderPaid(payment=_payment(fact, honoured=True), late=late)
        return [paid, *closes_of_others(order, fact.attempt_no)]
    return [_surplus(order, fact)]


def wants_seats_again(order: Order, fact: PaymentSucceeded) -> bool:
    """Tell whether the money came after the seats went back, and is in order otherwise."""
    attempt = order.attempt(fact.attempt_no)
    return (
        order.status in LATE_STATUSES
        and attempt is not None
        and not _is_known(order, fact)
        and fact.paid == order.total
        and contradiction_of(attempt.request, fact) is None
    )


def contradiction_of(request: AttemptRequest, fact: PaymentSucceeded) -> str | None:
    """Name the first thing in which a payment differs from what was asked, if any does."""
    asked = {
        "provider": (request.provider, fact.provider),
        "merchant": (request.merchant_id, fact.merchant_id),
        "appid": (request.appid, fact.appid),
        "currency": (request.amount.currency, fact.paid.currency),
        "amount": (request.amount.amount_minor, fact.paid.amount_minor),
    }
    return next((name for name, (ours, theirs) in asked.items() if ours != theirs), None)


def closes_of_others(order: Order, paid_attempt_no: str) -> list[OrderEvent]:
    """Owe a close of every attempt that could still be paid beside the one that was."""
    return [
        AttemptCloseOwed(attempt_no=attempt.attempt_no)
        for attempt in order.live_attempts
        if attempt.attempt_no != paid_attempt_no and not attempt.close_owed
    ]


def _is_known(order: Order, fact: PaymentSucceeded) -> bool:
    held = payment_subject(fact) in order.case_subjects
    return held or any(_is_same(payment, fact) for payment in order.payments)


def _is_same(payment: Payment, fact: PaymentSucceeded) -> bool:
    if (payment.provider, payment.attempt_no) == (fact.provider, fact.attempt_no) and (
        is_nameless(payment.provider_txn_id) or is_nameless(fact.provider_txn_id)
    ):
        # Told once with the provider's number and once without, in either order.
        return True
    return (payment.provider, payment.provider_txn_id) == (fact.provider, fact.provider_txn_id)


def _surplus(order: Order, fact: PaymentSucceeded) -> SurplusReceived:
    refund = Refund(
        refund_no=next_refund_no(order, fact.attempt_no),
        provider=fact.provider,
        provider_txn_id=fact.provider_txn_id,
        attempt_no=fact.attempt_no,
        amount=fact.paid,
        status=RefundStatus.REQUESTED,
        reason=SURPLUS_REASON,
        idempotency_key=f"{SURPLUS_REASON}:{fact.provider}:{fact.provider_txn_id}",
    )
    return SurplusReceived(payment=_payment(fact, honoured=False), refund=refund)


def _payment(fact: PaymentSucceeded, *, honoured: bool) -> Payment:
    return Payment(
        provider=fact.provider,
        provider_txn_id=fact.provider_txn_id,
        attempt_no=fact.attempt_no,
        paid=fact.paid,
        paid_at=fact.paid_at,
        source=fact.source,
        honoured=honoured,
    )
