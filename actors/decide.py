"""What an order answers to a command. Pure: no clock, no database, no network.

1. A verified success is never dropped: it is honoured, returned in full, or held for a person.
2. Seats go back only when no attempt can take money any more.
3. A repeated command decides nothing new.
"""

from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from actors.coupons import keeps_old_price, lower_price, settle_if_free
from actors.decide_dispute import record_dispute
from actors.decide_manual import mark_paid
from actors.decide_payment import record_payment
from actors.decide_places import decide_place, redeem_invite, reissue_invite
from actors.decide_refund import record_refund, record_refund_refused
from actors.decide_refund_request import request_refund
from actors.decide_repair import repair_settlement
from actors.evolve import evolve_all
from actors.return_addresses import with_order
from contracts import errors
from contracts.attempt import AttemptRequest, Opened
from contracts.commands import (
    ApplyCoupon,
    AttemptWords,
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
    AttemptClosed,
    AttemptCloseOwed,
    AttemptDeclined,
    AttemptOpened,
    AttemptOutcomeLost,
    AttemptReclaimed,
    AttemptRefused,
    AttemptStarted,
    OrderCancelled,
    OrderClosing,
    OrderEvent,
    OrderExpired,
)
from contracts.facts import (
    AttemptClosedAtProvider,
    PayerAwaited,
    PaymentDeclined,
    PaymentFailed,
    PaymentNotPaid,
)
from contracts.numbers import attempt_no
from contracts.order import Attempt, Order
from contracts.policy import Policy
from contracts.states import LASTING_CHANNELS, AttemptState, ClosingReason, OrderStatus, RefundKind

# Enough for every channel and a few changes of mind; each one costs a provider call to close.
MAX_ATTEMPTS = 10
# WeChat Pay refuses a time_expire under a minute ahead; five seconds pay for the way there.
MIN_PAYABLE = timedelta(seconds=65)
# A code_url or prepay_id lives two hours at WeChat Pay; renew it a little before.
OPENED_LIFE = timedelta(minutes=115)


def decide(order: Order, command: OrderCommand, now: datetime, policy: Policy) -> list[OrderEvent]:
    """Say what becomes true of *order*; an empty list means nothing does.

    :raises contracts.errors.Conflict: the order's state does not allow the command.
    :raises contracts.errors.NotFound: the order has no such place or gift seat.
    """
    return _with_ending(order, _decide(order, command, now, policy))


def refuse_unless_payable(order: Order, now: datetime) -> None:
    """Refuse an order that nobody may pay at *now*.

    :raises contracts.errors.Conflict: the class says why.
    """
    match order.status:
        case OrderStatus.PAID | OrderStatus.REFUNDED:
            raise errors.OrderAlreadyPaid
        case OrderStatus.CANCELLED:
            raise errors.OrderCancelled
        case OrderStatus.CLOSING | OrderStatus.EXPIRED:
            raise errors.OrderExpired
        case OrderStatus.PENDING:
            if now >= order.expired_at:
                raise errors.OrderExpired
        case _:
            assert_never(order.status)


def start_attempt(
    order: Order, words: AttemptWords, now: datetime, policy: Policy
) -> list[OrderEvent]:
    """Claim an attempt for its opener, or find the one that is open.

    :raises contracts.errors.Conflict: the order cannot be paid, or another opener is at it.
    """
    confirmed = order.confirmed_by(words.confirmation) if words.confirmation else None
    if confirmed is not None and not is_stranded(order, confirmed, now):
        return []
    if words.agreed not in (None, order.total):
        raise errors.PriceMismatch(orderAmount=order.total.amount_minor)
    refuse_unless_payable(order, now)
    if usable_attempt(order, words, now) is not None:
        return []
    claim_until = now + timedelta(seconds=policy.prepare_claim_seconds)
    request = _request(order, words, now)
    current = order.current_attempt
    if current is not None and _same_words(current.request, request):
        if current.claim_until is not None and now < current.claim_until:
            raise errors.PrepareInProgress
        if current.state is not AttemptState.OPEN:
            return [AttemptReclaimed(attempt_no=current.attempt_no, claim_until=claim_until)]
    if len(order.attempts) >= MAX_ATTEMPTS:
        raise errors.TooManyAttempts
    attempt = Attempt(
        attempt_no=request.attempt_no,
        state=AttemptState.OPENING,
        request=request,
        claim_until=claim_until,
    )
    superseded = [AttemptCloseOwed(attempt_no=current.attempt_no)] if current else []
    return [*superseded, AttemptStarted(attempt=attempt)]


def usable_attempt(order: Order, words: AttemptWords, now: datetime) -> Attempt | None:
    """Find the attempt that would answer *words* without another call, if there is one.

    It is open, young enough and was asked for in the same words: channel, app, payer, amount.
    """
    current = order.current_attempt
    if current is None or order.status is not OrderStatus.PENDING or now >= order.expired_at:
        return None
    is_same = _same_words(current.request, _request(order, words, now))
    is_open = current.state is AttemptState.OPEN and _is_fresh(current, now)
    return current if is_same and is_open else None


def is_stranded(order: Order, attempt: Attempt, now: datetime) -> bool:
    """Tell whether its opener is gone and somebody may still open it under the same number."""
    is_claimed = attempt.claim_until is not None and now < attempt.claim_until
    is_lost = attempt.state in (AttemptState.OPENING, AttemptState.UNKNOWN)
    is_current = attempt is order.current_attempt and order.status is OrderStatus.PENDING
    return is_lost and is_current and not is_claimed and now < order.expired_at


def _decide(  # noqa: C901, PLR0911, PLR0912 - one case per command
    order: Order, command: OrderCommand, now: datetime, policy: Policy
) -> list[OrderEvent]:
    match command:
        case StartAttempt():
            return start_attempt(order, command, now, policy)
        case RecordOpened():
            return _record_opened(order, command, now)
        case RecordOpenFailed():
            return _record_open_failed(order, command)
        case RecordPayment(fact=fact):
            return record_payment(order, fact)
        case RecordAttempt():
            return _record_attempt(order, command, now, policy)
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


def _request(order: Order, words: AttemptWords, now: datetime) -> AttemptRequest:
    return AttemptRequest(
        attempt_no=attempt_no(order.order_no, len(order.attempts) + 1),
        provider=words.provider,
        channel=words.channel,
        merchant_id=words.merchant_id,
        appid=words.appid,
        amount=order.total,
        description=order.event_title,
        payable_until=max(order.expired_at, now + MIN_PAYABLE),
        notify_url=words.notify_url,
        openid=words.openid,
        confirmation=words.confirmation,
        return_url=with_order(words.return_url, order.order_no),
        cancel_url=with_order(words.cancel_url, order.order_no),
    )


def _same_words(one: AttemptRequest, other: AttemptRequest) -> bool:
    """Tell whether two requests differ only in what a new attempt would change anyway."""
    return _words(one) == _words(other)


def _words(request: AttemptRequest) -> tuple[object, ...]:
    return (
        request.provider,
        request.channel,
        request.merchant_id,
        request.appid,
        request.amount,
        request.openid,
        request.confirmation.simulate if request.confirmation else None,
    )


def _is_fresh(attempt: Attempt, now: datetime) -> bool:
    return attempt.opened_at is not None and now < attempt.opened_at + OPENED_LIFE


def _record_opened(order: Order, command: RecordOpened, now: datetime) -> list[OrderEvent]:
    attempt = _known_attempt(order, command.attempt_no)
    if attempt.state in (AttemptState.OPEN, AttemptState.PAID, AttemptState.CLOSED):
        return []
    opened = AttemptOpened(attempt_no=attempt.attempt_no, opened=command.opened, at=now)
    is_wanted = order.status is OrderStatus.PENDING and attempt.state is not AttemptState.REFUSED
    if is_wanted or attempt.close_owed:
        return [opened]
    # The order went elsewhere while the call was under way: nobody may pay this one now.
    return [opened, AttemptCloseOwed(attempt_no=attempt.attempt_no)]


def _record_open_failed(order: Order, command: RecordOpenFailed) -> list[OrderEvent]:
    attempt = _known_attempt(order, command.attempt_no)
    if attempt.state not in (AttemptState.OPENING, AttemptState.UNKNOWN):
        return []
    if command.burnt:
        return [AttemptRefused(attempt_no=attempt.attempt_no)]
    return [AttemptOutcomeLost(attempt_no=attempt.attempt_no)]


def _record_attempt(  # noqa: PLR0911 - one case per kind
    order: Order, command: RecordAttempt, now: datetime, policy: Policy
) -> list[OrderEvent]:
    attempt = _known_attempt(order, command.fact.attempt_no)
    if not attempt.is_live:
        return []
    if isinstance(command.fact, AttemptClosedAtProvider | PaymentFailed):
        return [AttemptClosed(attempt_no=attempt.attempt_no)]
    if isinstance(command.fact, PaymentDeclined):
        return _declined(attempt, command.fact)
    if isinstance(command.fact, PayerAwaited):
        return _awaited(attempt, now)
    # "Not paid" and "not found" say nothing about the next minute, until the time the provider
    # was given has run out; and never of what its provider would take money for then, too.
    is_lasting = attempt.request.channel in LASTING_CHANNELS
    if is_lasting and isinstance(command.fact, PaymentNotPaid):
        return []
    dead_at = attempt.request.payable_until + timedelta(seconds=policy.attempt_grace_seconds)
    # Who asked may have a clock that is ahead; nobody asked later than now.
    if min(command.fact.asked_at, now) > dead_at:
        return [AttemptClosed(attempt_no=attempt.attempt_no)]
    return []


def _awaited(attempt: Attempt, now: datetime) -> list[OrderEvent]:
    """Learn that the provider waits for the payer; whose opener is at work tells more himself."""
    if attempt.state is AttemptState.OPENING or (attempt.opened and attempt.opened.needs_payer):
        return []
    opened = replace(attempt.opened or Opened(), needs_payer=True)
    return [AttemptOpened(attempt_no=attempt.attempt_no, opened=opened, at=now)]


def _declined(attempt: Attempt, fact: PaymentDeclined) -> list[OrderEvent]:
    """Remember that a try failed; before it is open there is nobody who could have tried."""
    if attempt.state is not AttemptState.OPEN or attempt.is_declined:
        return []
    return [AttemptDeclined(attempt_no=attempt.attempt_no, code=fact.code)]


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


def _known_attempt(order: Order, number: str) -> Attempt:
    attempt = order.attempt(number)
    if attempt is None:
        raise errors.InvalidState("The order has no such attempt.")
    return attempt
