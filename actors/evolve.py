"""What each event makes of an order. Pure: the same events make the same order.

``payment_status``, ``refund_status`` and ``last_payment_attempt_status`` are never set by an
event: they are functions of the order's payments, refunds and attempts, so the order in which
facts arrive cannot show in them.
"""

from collections.abc import Callable
from functools import reduce
from typing import assert_never

from msgspec.structs import replace

from actors.case_subjects import case_subject_of
from actors.evolve_seats import (
    emptied,
    first_status,
    redeemed,
    rejected,
    seated_again,
    with_invites,
    with_places,
)
from actors.intent_status import told_result
from actors.refund_marks import free, mark, mark_again, unmark
from actors.transitions import next_status
from contracts.attempt import Opened
from contracts.coupons import AppliedCoupon
from contracts.events import (
    AttemptClosed,
    AttemptCloseOwed,
    AttemptDeclined,
    AttemptOpened,
    AttemptOutcomeLost,
    AttemptReclaimed,
    AttemptRefused,
    AttemptStarted,
    CouponApplied,
    DisputeMoved,
    ExternalRefund,
    InviteRedeemed,
    InviteReissued,
    OrderCancelled,
    OrderClosing,
    OrderEvent,
    OrderExpired,
    OrderPaid,
    OrderRefunded,
    OrderRefundReturned,
    PaymentQuarantined,
    PlaceApproved,
    PlaceRejected,
    RefundAdvanced,
    RefundRequested,
    RefundStuck,
    SettlementRepaired,
    SurplusReceived,
)
from contracts.order import Attempt, NamedSeats, Order, Payment, Refund
from contracts.states import (
    REFUNDS_UNDER_WAY,
    AttemptResult,
    AttemptState,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    RegistrationStatus,
)


def evolve_all(order: Order, events: list[OrderEvent]) -> Order:
    """Apply *events* one after another."""
    return reduce(evolve, events, order)


def evolve(order: Order, event: OrderEvent) -> Order:
    """Apply one event.

    :raises IllegalTransition: the event cannot happen to an order in this status.
    """
    moved = replace(order, status=next_status(order.status, event))
    return _with_derived(_apply(moved, event))


def _apply(  # noqa: C901, PLR0911, PLR0912 - one case per event
    order: Order, event: OrderEvent
) -> Order:
    match event:
        case AttemptStarted(attempt=attempt):
            return replace(
                order,
                attempts=(*order.attempts, attempt),
                channel=attempt.request.channel,
                payment_channel=attempt.request.provider,
            )
        case (
            AttemptReclaimed()
            | AttemptOpened()
            | AttemptRefused()
            | AttemptOutcomeLost()
            | AttemptDeclined()
            | AttemptCloseOwed()
            | AttemptClosed()
        ):
            return _with_attempt(order, event.attempt_no, lambda a: _attempt_after(a, event))
        case OrderClosing(reason=reason):
            return replace(order, closing_for=reason)
        case OrderExpired() | OrderCancelled():
            return _with_coupon(emptied(order), is_released=True)
        case OrderRefunded():
            # The coupon was used: it does not come back with the money.
            return emptied(order)
        case OrderRefundReturned():
            # Its seats may be sold: they do not come back with the money.
            return order
        case OrderPaid():
            return _paid(order, event)
        case SettlementRepaired(payment=payment):
            return _settled_by(order, payment)
        case SurplusReceived(payment=payment, refund=refund):
            kept = replace(
                order,
                payments=(*order.payments, payment),
                refunds=(*order.refunds, refund),
            )
            return _with_attempt(kept, payment.attempt_no, _settled)
        case PaymentQuarantined(fact=fact):
            return _with_attempt(_with_case(order, event), fact.attempt_no, _held)
        case RefundAdvanced():
            return _with_refund(order, event)
        case RefundRequested(refund=refund):
            marked = mark(order, refund.refund_no, event.invite_ids, event.registration_ids)
            seats = NamedSeats(invite_ids=event.invite_ids, registration_ids=event.registration_ids)
            return replace(marked, refunds=(*order.refunds, replace(refund, seats=seats)))
        case ExternalRefund(refund=refund):
            return replace(order, refunds=(*order.refunds, refund))
        case DisputeMoved(refund=refund):
            return _disputed(order, refund)
        case RefundStuck():
            return _with_case(order, event)
        case InviteRedeemed():
            return redeemed(order, event)
        case InviteReissued(position=position, generation=generation):
            return with_invites(order, {position}, generation=generation)
        case PlaceApproved(registration_id=registration_id):
            return with_places(order, {registration_id}, status=RegistrationStatus.APPROVED)
        case PlaceRejected(registration_id=registration_id):
            return rejected(order, registration_id)
        case CouponApplied():
            return _lowered(order, event)
        case _:
            assert_never(event)


def _attempt_after(  # noqa: PLR0911 - one case per event
    attempt: Attempt,
    event: AttemptReclaimed
    | AttemptOpened
    | AttemptRefused
    | AttemptOutcomeLost
    | AttemptDeclined
    | AttemptCloseOwed
    | AttemptClosed,
) -> Attempt:
    match event:
        case AttemptReclaimed(claim_until=claim_until):
            return replace(attempt, state=AttemptState.OPENING, claim_until=claim_until)
        case AttemptOpened(opened=opened, at=at):
            return replace(
                attempt, state=AttemptState.OPEN, opened=opened, opened_at=at, claim_until=None
            )
        case AttemptRefused():
            return replace(attempt, state=AttemptState.REFUSED, claim_until=None)
        case AttemptOutcomeLost():
            return replace(attempt, state=AttemptState.UNKNOWN, claim_until=None)
        case AttemptDeclined():
            opened = replace(attempt.opened or Opened(), is_declined=True)
            return replace(attempt, opened=opened)
        case AttemptCloseOwed():
            return replace(attempt, close_owed=True)
        case AttemptClosed():
            return _closed(attempt)
        case _:
            assert_never(event)


def _closed(attempt: Attempt) -> Attempt:
    return replace(attempt, state=AttemptState.CLOSED, claim_until=None)


def _held(attempt: Attempt) -> Attempt:
    """Count a quarantined attempt as closed, its case holds the money; a paid one stays paid."""
    return _closed(attempt) if attempt.is_live else attempt


def _settled(attempt: Attempt) -> Attempt:
    return replace(attempt, state=AttemptState.PAID, claim_until=None)


def _with_attempt(order: Order, attempt_no: str, change: Callable[[Attempt], Attempt]) -> Order:
    attempts = tuple(change(a) if a.attempt_no == attempt_no else a for a in order.attempts)
    return replace(order, attempts=attempts)


def _with_refund(order: Order, event: RefundAdvanced) -> Order:
    def advanced(refund: Refund) -> Refund:
        return replace(
            refund,
            status=event.status,
            provider_refund_id=event.provider_refund_id or refund.provider_refund_id,
        )

    refunds = tuple(advanced(r) if r.refund_no == event.refund_no else r for r in order.refunds)
    return _with_seats(replace(order, refunds=refunds), event)


def _disputed(order: Order, dispute: Refund) -> Order:
    if order.refund(dispute.refund_no) is None:
        return replace(order, refunds=(*order.refunds, dispute))
    refunds = (dispute if r.refund_no == dispute.refund_no else r for r in order.refunds)
    return replace(order, refunds=tuple(refunds))


def _with_seats(order: Order, event: RefundAdvanced) -> Order:
    match event.status:
        case RefundStatus.SUCCEEDED:
            return free(mark_again(order, event.refund_no), event.refund_no)
        case RefundStatus.FAILED:
            return unmark(order, event.refund_no)
        case _:
            return order


def _with_case(order: Order, event: PaymentQuarantined | RefundStuck) -> Order:
    return replace(order, case_subjects=(*order.case_subjects, case_subject_of(event)))


def _lowered(order: Order, event: CouponApplied) -> Order:
    applied = AppliedCoupon(coupon_id=event.coupon_id, discount_minor=event.discount_minor)
    return replace(order, total=event.total, coupon=applied)


def _with_coupon(order: Order, *, is_released: bool) -> Order:
    if order.coupon is None:
        return order
    return replace(order, coupon=replace(order.coupon, is_released=is_released))


def _paid(order: Order, event: OrderPaid) -> Order:
    received = replace(order, payments=(*order.payments, event.payment))
    paid = _settled_by(received, event.payment)
    return seated_again(_with_coupon(paid, is_released=False)) if event.late else paid


def _settled_by(order: Order, payment: Payment) -> Order:
    place = first_status(order)
    settled = _with_attempt(order, payment.attempt_no, _settled)
    return replace(
        settled,
        paid_at=payment.paid_at,
        closing_for=None,
        registrations=tuple(
            replace(r, status=place) if r.status is RegistrationStatus.PENDING_PAYMENT else r
            for r in order.registrations
        ),
    )


def _with_derived(order: Order) -> Order:
    settlement = order.settlement
    refunds = order.refunds_of(settlement) if settlement else ()
    return replace(
        order,
        payment_status=_payment_status(order, refunds),
        refund_status=refunds[-1].status if refunds else None,
        last_payment_attempt_status=_attempt_result(order),
    )


def _payment_status(order: Order, refunds: tuple[Refund, ...]) -> PaymentStatus:
    settlement = order.settlement
    if settlement is None:
        return PaymentStatus.UNPAID
    if settlement.paid.amount_minor == 0:
        # Nothing was paid, so nothing can tell what came back but how the order stands.
        is_refunded = order.status is OrderStatus.REFUNDED
        return PaymentStatus.REFUNDED if is_refunded else PaymentStatus.PAID
    if any(refund.status in REFUNDS_UNDER_WAY for refund in refunds):
        return PaymentStatus.REFUNDING
    returned = sum(r.amount.amount_minor for r in refunds if r.status is RefundStatus.SUCCEEDED)
    if settlement.paid.amount_minor == returned:
        return PaymentStatus.REFUNDED
    return PaymentStatus.PAID


def _attempt_result(order: Order) -> AttemptResult | None:
    if not order.attempts:
        return None
    if any(attempt.state is AttemptState.PAID for attempt in order.attempts):
        return AttemptResult.SUCCEEDED
    return told_result(order.attempts[-1])
