"""What an order answers about its attempts to be paid: who may start one, and how each goes. Pure.

What a provider says of an attempt that is over, or not the order's, changes nothing.
"""

from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from actors.return_addresses import with_order
from contracts import errors
from contracts.attempt import AttemptRequest, Opened
from contracts.commands import AttemptWords, RecordAttempt, RecordOpened, RecordOpenFailed
from contracts.events import (
    AttemptClosed,
    AttemptCloseOwed,
    AttemptDeclined,
    AttemptOpened,
    AttemptOutcomeLost,
    AttemptReclaimed,
    AttemptRefused,
    AttemptStarted,
    OrderEvent,
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
from contracts.states import LASTING_CHANNELS, AttemptState, OrderStatus

# Enough for every channel and a few changes of mind; each one costs a provider call to close.
MAX_ATTEMPTS = 10
# WeChat Pay refuses a time_expire under a minute ahead; five seconds pay for the way there.
MIN_PAYABLE = timedelta(seconds=65)
# A code_url or prepay_id lives two hours at WeChat Pay; renew it a little before.
OPENED_LIFE = timedelta(minutes=115)


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


def record_opened(order: Order, command: RecordOpened, now: datetime) -> list[OrderEvent]:
    """Learn that an attempt is open; where nobody may pay it now, owe it a close."""
    attempt = _known_attempt(order, command.attempt_no)
    if attempt.state in (AttemptState.OPEN, AttemptState.PAID, AttemptState.CLOSED):
        return []
    opened = AttemptOpened(attempt_no=attempt.attempt_no, opened=command.opened, at=now)
    is_wanted = order.status is OrderStatus.PENDING and attempt.state is not AttemptState.REFUSED
    if is_wanted or attempt.close_owed:
        return [opened]
    # The order went elsewhere while the call was under way: nobody may pay this one now.
    return [opened, AttemptCloseOwed(attempt_no=attempt.attempt_no)]


def record_open_failed(order: Order, command: RecordOpenFailed) -> list[OrderEvent]:
    """Learn that an opening came to nothing, or that nobody knows whether it did."""
    attempt = _known_attempt(order, command.attempt_no)
    if attempt.state not in (AttemptState.OPENING, AttemptState.UNKNOWN):
        return []
    if command.burnt:
        return [AttemptRefused(attempt_no=attempt.attempt_no)]
    return [AttemptOutcomeLost(attempt_no=attempt.attempt_no)]


def record_attempt(  # noqa: PLR0911 - one case per kind
    order: Order, command: RecordAttempt, now: datetime, policy: Policy
) -> list[OrderEvent]:
    """Learn what its provider says of an attempt that it was not paid by."""
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


def _known_attempt(order: Order, number: str) -> Attempt:
    attempt = order.attempt(number)
    if attempt is None:
        raise errors.InvalidState("The order has no such attempt.")
    return attempt
