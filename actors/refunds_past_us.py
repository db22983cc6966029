"""Of which payment money goes back that nobody asked us for. Pure."""

from contracts import errors
from contracts.facts import RefundMoved, is_nameless
from contracts.order import Order, Payment
from contracts.states import REFUNDS_UNDER_WAY, RefundKind


def payment_with_room(order: Order, fact: RefundMoved, *, takes_minor: int) -> Payment | None:
    """Find the payment that money goes back of past us; None where not that much is left of any.

    :raises contracts.errors.RefundUnderWay: a refund of ours may take what would be left. Only one
        of the two can be true, so try again when its provider has said which.
    """
    told = [payment for payment in order.payments if _is_of(payment, fact)]
    found = next((one for one in told if takes_minor <= order.left_minor(one)), None)
    if found is None and any(takes_minor <= _left_without_ours(order, one) for one in told):
        raise errors.RefundUnderWay
    return found


def _is_of(payment: Payment, fact: RefundMoved) -> bool:
    is_of_attempt = (payment.provider, payment.attempt_no) == (fact.provider, fact.attempt_no)
    return (
        is_of_attempt
        and payment.paid.currency == fact.refunded.currency
        # Two may be paid under one number: what names neither is of the attempt.
        and (
            not fact.provider_txn_id
            or is_nameless(payment.provider_txn_id)
            or payment.provider_txn_id == fact.provider_txn_id
        )
    )


def _left_without_ours(order: Order, payment: Payment) -> int:
    ours = (
        refund.amount.amount_minor
        for refund in order.refunds_of(payment)
        if refund.kind is RefundKind.OURS and refund.status in REFUNDS_UNDER_WAY
    )
    return order.left_minor(payment) + sum(ours)
