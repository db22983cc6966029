"""What an order answers to a command. Pure: no clock, no database, no network.

1. A verified success is never dropped: it is honoured, returned in full, or held for a person.
2. Seats go back only when no attempt can take money any more.
3. A repeated command decides nothing new.
"""

from datetime import datetime
from typing import assert_never

from actors.coupons import keeps_old_price, lower_price, settle_if_free
from actors.decide_attempt import (
    record_attempt,
    record_open_failed,
    record_opened,
    refuse_unless_payable,
    start_attempt,
)
from actors.decide_dispute import record_dispute
from actors.decide_manual import mark_paid
from actors.decide_payment import record_payment
from actors.decide_places import decide_place, redeem_invite, reissue_invite
from actors.decide_refund import record_refund, record_refund_refused
from actors.decide_refund_request import request_refund
from actors.decide_repair import repair_settlement
from actors.evolve import evolve_all
from contracts import errors
from contracts.commands import (
    ApplyCoupon,
    Cancel,
    DecidePlace,
    Expire,
    MarkPaid,
    OrderCommand,
    RecordAttempt,
    RecordOpened,
    RecordOpenFailed,
    RecordPayment,
    RecordRefund,
    RecordRefundRefused,
    RedeemInvite,
    ReissueInvite,
    RepairSettlement,
    RequestRefund,
    StartAttempt,
)
from contracts.events import (
    AttemptCloseOwed,
    OrderCancelled,
    OrderClosing,
    OrderEvent,
    OrderExpired,
)
from contracts.order import Order
from contracts.policy import Policy
from contracts.states import ClosingReason, OrderStatus, RefundKind


def decide(order: Order, command: OrderCommand, now: datetime, policy: Policy) -> list[OrderEvent]:
    """Say what becomes true of *order*; an empty list means nothing does.

    :raises contracts.errors.Conflict: the order's state does not allow the command.
    :raises contracts.errors.NotFound: the order has no such place or gift seat.
    """
    return _with_ending(order, _decide(order, command, now, policy))


def _decide(  # noqa: C901, PLR0911, PLR0912 - one case per command
    order: Order, command: OrderCommand, now: datetime, policy: Policy
) -> list[OrderEvent]:
    match command:
        case StartAttempt():
            return start_attempt(order, command, now, policy)
        case RecordOpened():
            return record_opened(order, command, now)
        case RecordOpenFailed():
            return record_open_failed(order, command)
        case RecordPayment(fact=fact):
            return record_payment(order, fact)
        case RecordAttempt():
            return record_attempt(order, command, now, policy)
        case RecordRefund(fact=fact):
            is_dispute = fact.kind is RefundKind.DISPUTE
            return record_dispute(order, fact) if is_dispute else record_refund(order, fact)
        case RecordRefundRefused():
            return record_refund_refused(order, command)
        case Expire():
            return _expire(order, now)
        case Cancel():
            return _cancel(order)
        case RequestRefund():
            return request_refund(order, command)
        case MarkPaid():
            return mark_paid(order, command, now)
        case RepairSettlement():
            return repair_settlement(order)
        case RedeemInvite():
            return redeem_invite(order, command, now)
        case ReissueInvite():
            return reissue_invite(order, command)
        case DecidePlace():
            return decide_place(order, command)
        case ApplyCoupon():
            return _apply_coupon(order, command, now)
        case _:
            assert_never(command)


def _expire(order: Order, now: datetime) -> list[OrderEvent]:
    if order.status is not OrderStatus.PENDING or now < order.expired_at:
        return []
    return _leave(order, ClosingReason.EXPIRE)


def _cancel(order: Order) -> list[OrderEvent]:
    if order.status in (OrderStatus.PAID, OrderStatus.REFUNDED):
        raise errors.InvalidState
    if order.status is not OrderStatus.PENDING:
        return []
    return _leave(order, ClosingReason.CANCEL)


def _leave(order: Order, reason: ClosingReason) -> list[OrderEvent]:
    if not order.live_attempts:
        return [_ended(reason)]
    return [OrderClosing(reason=reason), *_closes_owed(order)]


def _closes_owed(order: Order) -> list[AttemptCloseOwed]:
    return [
        AttemptCloseOwed(attempt_no=attempt.attempt_no)
        for attempt in order.live_attempts
        if not attempt.close_owed
    ]


def _apply_coupon(order: Order, command: ApplyCoupon, now: datetime) -> list[OrderEvent]:
    """Lower the price, and settle when nothing is left of it."""
    coupon = order.on_offer
    if order.coupon is not None and coupon is not None and order.coupon.coupon_id == coupon.id:
        return []
    refuse_unless_payable(order, now)
    if order.coupon is not None:
        raise errors.InvalidState("Another coupon is applied to this order.")
    lowered = lower_price(order, coupon, now)
    if keeps_old_price(order, command):
        # Somebody could still pay the old price.
        raise errors.PrepareInProgress
    owed = _closes_owed(order)
    return [lowered, *owed, *settle_if_free(evolve_all(order, [lowered]), now)]


def _ended(reason: ClosingReason) -> OrderEvent:
    return OrderExpired() if reason is ClosingReason.EXPIRE else OrderCancelled()


def _with_ending(order: Order, events: list[OrderEvent]) -> list[OrderEvent]:
    """End a closing order with the event that closes its last attempt."""
    if not events or order.status is not OrderStatus.CLOSING:
        return events
    after = evolve_all(order, events)
    if after.status is OrderStatus.CLOSING and after.closing_for and not after.live_attempts:
        return [*events, _ended(after.closing_for)]
    return events
