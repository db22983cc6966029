"""What an answer of Stripe lets us believe; each must be about what was asked."""

from datetime import datetime
from enum import Enum
from typing import Final

from contracts.attempt import AttemptRequest, BilledRefund, Opened, RefundRequest
from contracts.facts import (
    AttemptClosedAtProvider,
    FactSource,
    PaymentNotPaid,
    QueryFact,
    RefundMoved,
)
from contracts.states import Channel
from providers.stripe import errors
from providers.stripe.client import Answer
from providers.stripe.errors import PROVIDER
from providers.stripe.settings import merchant_of
from providers.stripe.words import Intent, Named, Page, Refund, Session

_WAITING: Final = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


class _State(Enum):
    OPEN = "open"
    UNDER_WAY = "under_way"  # the payer did their part, and the money is not there yet
    PAID = "paid"
    CLOSED = "closed"


def id_of(answer: Answer) -> str:
    """Return Stripe's number of what it answered about."""
    return answer.read(Named).id


def own_id(answer: Answer, request: AttemptRequest) -> str:
    """Return Stripe's number of an attempt, from an answer that is about it."""
    return _object(answer, request).id


def attempt_no_of(answer: Answer, intent: str) -> str:
    """Return our number of a payment, empty where it has none."""
    told = answer.read(Intent)
    if told.id != intent:
        raise errors.error_of(answer.operation, "foreign_answer")
    return told.attempt_no or ""


def opened(answer: Answer, request: AttemptRequest) -> Opened:
    """Read what the payer needs of an attempt that can be paid."""
    thing = _object(answer, request)
    state = _state_of(thing, answer)
    if state is _State.CLOSED:
        raise errors.error_of(answer.operation, "canceled")
    if state is _State.PAID:
        # Only a query brings the money in.
        raise errors.error_of(answer.operation, "succeeded")
    if isinstance(thing, Session):
        if thing.url is None and thing.status == "open":
            raise errors.error_of(answer.operation, errors.UNREADABLE)
        needs_payer = thing.url is not None
        return Opened(reference=thing.id, redirect_url=thing.url, needs_payer=needs_payer)
    if thing.client_secret is None:
        raise errors.error_of(answer.operation, errors.UNREADABLE)
    return Opened(reference=thing.id, client_secret=thing.client_secret)


def asked(answer: Answer, request: AttemptRequest, asked_at: datetime) -> QueryFact:
    """Read what became of an attempt."""
    thing, number = _object(answer, request), request.attempt_no
    state = _state_of(thing, answer)
    if state is _State.PAID:
        merchant = merchant_of(is_live=thing.livemode)
        return thing.fact(FactSource.QUERY, at=thing.created, merchant=merchant)
    if state is _State.CLOSED:
        return AttemptClosedAtProvider(provider=PROVIDER, attempt_no=number)
    return PaymentNotPaid(provider=PROVIDER, attempt_no=number, asked_at=asked_at)


def closed(answer: Answer, request: AttemptRequest) -> AttemptClosedAtProvider | None:
    """Read whether an attempt is over; None when it was paid."""
    state = _state_of(_object(answer, request), answer)
    if state is _State.PAID:
        return None
    if state is _State.CLOSED:
        return AttemptClosedAtProvider(provider=PROVIDER, attempt_no=request.attempt_no)
    # Its money may be on its way: what is on its way cannot be called back.
    raise errors.error_of(answer.operation, "in_progress")


def left_open(answer: Answer, request: AttemptRequest) -> str | None:
    """Return the number of an intent that outlived its session."""
    thing = _object(answer, request)
    if not isinstance(thing, Session) or thing.status != "expired":
        return None
    intent = thing.payment_intent
    is_left = isinstance(intent, Intent) and _of_intent(intent) is _State.OPEN
    return intent.id if is_left and isinstance(intent, Intent) else None


def refunded(answer: Answer, asked: RefundRequest | BilledRefund) -> RefundMoved:
    """Read where a refund stands."""
    refund = answer.read(Refund)
    if not refund.is_known:
        raise errors.error_of(answer.operation, errors.UNREADABLE)
    if not _is_asked(refund, asked) or refund.payment_intent != asked.provider_txn_id:
        raise errors.error_of(answer.operation, "foreign_answer")
    return refund.fact(FactSource.QUERY)


def refund_among(answer: Answer, asked: RefundRequest | BilledRefund, intent: str) -> Answer | None:
    """Find the one refund that is asked about among all of a payment."""
    page = answer.read(Page)
    for raw in page.data:
        one = Answer(answer.operation, bytes(raw), replayed=False)
        refund = one.read(Refund)
        if refund.payment_intent == intent and _is_asked(refund, asked):
            return one
    if page.has_more:
        raise errors.error_of(answer.operation, "too_many")
    return None


def _is_asked(refund: Refund, asked: RefundRequest | BilledRefund) -> bool:
    return asked.refund_no in {refund.ours.refund_no, refund.id}


def _object(answer: Answer, request: AttemptRequest) -> Intent | Session:
    is_intent = request.channel is Channel.STRIPE
    thing: Intent | Session = answer.read(Intent) if is_intent else answer.read(Session)
    if thing.attempt_no != request.attempt_no:
        raise errors.error_of(answer.operation, "foreign_answer")
    return thing


def _state_of(thing: Intent | Session, answer: Answer) -> _State:
    state = _of_session(thing) if isinstance(thing, Session) else _of_intent(thing)
    if state is None:
        raise errors.error_of(answer.operation, errors.UNREADABLE)
    return state


def _of_intent(intent: Intent) -> _State | None:
    if intent.status == "succeeded":
        return _State.PAID if intent.amount_received > 0 else None
    if intent.status == "canceled":
        return _State.CLOSED
    if intent.status in _WAITING:
        return _State.OPEN
    return _State.UNDER_WAY if intent.status in {"processing", "requires_capture"} else None


def _of_session(session: Session) -> _State | None:
    if session.status == "open":
        return _State.OPEN
    if session.status == "expired":
        return _of_expired(session)
    if session.status != "complete":
        return None
    if session.payment_status == "paid":
        # The intent is asked for whole, for it alone says what was taken.
        intent = session.payment_intent
        return _of_intent(intent) if isinstance(intent, Intent) else None
    return _of_unpaid(session)


def _of_unpaid(session: Session) -> _State:
    # A completed session is not entered again: when its payment failed, it is over.
    intent = session.payment_intent
    failed = isinstance(intent, Intent) and _of_intent(intent) in {_State.OPEN, _State.CLOSED}
    return _State.CLOSED if failed else _State.UNDER_WAY


def _of_expired(session: Session) -> _State | None:
    # What its payer did in the last moment counts.
    intent = session.payment_intent
    state = _of_intent(intent) if isinstance(intent, Intent) else _State.CLOSED
    return _State.CLOSED if state is _State.OPEN else state
