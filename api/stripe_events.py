"""Where Stripe's events come in: verify, store, then say what the event was taken for.

The answer tells what the event says, not what the order has become of it: that is a turn's work,
which happens after.
"""

from http import HTTPStatus
from typing import Any, Final, TypeAlias, assert_never

import msgspec
import structlog
from litestar import Request, Response, post

from api.auth import PUBLIC
from api.notices import note_refusal, take
from api.problems import also, documented, problem
from api.rooms import Anybody, house_of
from contracts.errors import BadSignature
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    Fact,
    PayerAwaited,
    PaymentDeclined,
    PaymentFailed,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundMoved,
    RefundOutcome,
    RefundSpotted,
)
from contracts.numbers import ORDER_NO_LENGTH
from contracts.states import RefundKind
from contracts.wire.webhooks import StripeEventSetAside, StripeEventTaken, StripeStatus
from providers.provider import NoticeRefused

STRIPE_PATH = "/api/order/stripe/webhook"
Answer: TypeAlias = StripeEventTaken | StripeEventSetAside

_STRIPE: Final = "stripe"
_SIGNED: Final = frozenset({b"stripe-signature"})
_TYPE_MAX: Final = 64
_JSON_FAULTS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
# Events about money: one that names nothing of ours belongs to another system of the account.
_ABOUT_MONEY: Final = (
    *("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled"),
    *("payment_intent.processing", "checkout.session.", "charge.refund", "charge.dispute."),
    "refund.",
)
_REFUNDS: Final[dict[RefundOutcome, StripeStatus]] = {
    RefundOutcome.PROCESSING: "refunding",
    RefundOutcome.SUCCESS: "refunded",
    RefundOutcome.CLOSED: "refund_failed",
    RefundOutcome.ABNORMAL: "refund_failed",
}

_WORDS: Final[dict[str, StripeStatus]] = {
    "charge.refunded": "refunded",
}

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.webhook")


def turn_away(_request: Request[Any, Any, Any], refused: NoticeRefused) -> Response[Any]:
    """Answer an event that proves nothing; Stripe's own word for that is 400."""
    note_refusal(_STRIPE, refused)
    return problem(HTTPStatus.BAD_REQUEST, BadSignature.detail, code=BadSignature.code)


@post(
    STRIPE_PATH,
    opt=PUBLIC,
    status_code=200,
    exception_handlers={NoticeRefused: turn_away},
    responses={
        **also(202, StripeEventSetAside, "Stored, and moves nothing (yet)"),
        **documented(413, 415),
    },
)
async def receive_stripe_event(request: Anybody) -> Response[Answer]:
    """Take an event of Stripe, signed in `stripe-signature`; 2xx means that it is stored."""
    body = await request.body()
    house = house_of(request)
    told = await take(house, _STRIPE, request.scope, body, is_signed=_SIGNED.__contains__)
    facts = told()
    event_type, named = _told_by(body)
    if facts:
        named = await house.inbox.attempt_of(facts[0])
    answer = answer_to(facts, event_type, named)
    if isinstance(answer, StripeEventTaken):
        return Response(answer)
    log.info(
        "payments.webhook.set_aside",
        provider=_STRIPE,
        kind=answer.event_type,
        reason=answer.reason or answer.status,
    )
    return Response(answer, status_code=HTTPStatus.ACCEPTED)


def answer_to(facts: list[Fact] | None, event_type: str, named: str = "") -> Answer:
    """Say what an event was taken for; *named* is the attempt that it is about, if we know it."""
    if facts is None:
        return StripeEventSetAside(status="ignored", event_type=event_type, reason="unreadable")
    is_about_money = event_type.startswith(_ABOUT_MONEY)
    if named and (facts or is_about_money):
        return StripeEventTaken(
            status=_word_of(facts, event_type),
            order_bid=named[:ORDER_NO_LENGTH],
            event_type=event_type,
        )
    if facts:
        # The payment's own event may be on its way still; then this one moves money all the same.
        return StripeEventSetAside(
            status="acknowledged", event_type=event_type, reason="payment_not_known"
        )
    if is_about_money:
        return StripeEventSetAside(status="ignored", event_type=event_type, reason="no_order")
    return StripeEventSetAside(status="acknowledged", event_type=event_type)


def _word_of(facts: list[Fact], event_type: str) -> StripeStatus:
    # What this says is no fact: each refund tells of itself.
    return _WORDS.get(event_type) or (_status(facts[0]) if facts else "pending")


def _status(fact: Fact) -> StripeStatus:  # noqa: PLR0911 - one case per kind
    match fact:
        case PaymentSucceeded():
            return "paid"
        case PaymentFailed() | PaymentDeclined():
            return "failed"
        case AttemptClosedAtProvider():
            return "cancelled"
        case PayerAwaited():
            return "requires_action"
        case PaymentNotPaid() | AttemptNotFound():
            return "pending"
        case RefundSpotted():
            return "refunded"
        case RefundMoved(kind=RefundKind.DISPUTE):
            return "disputed"
        case RefundMoved(outcome=outcome):
            return _REFUNDS[outcome]
        case _:
            assert_never(fact)


def _told_by(body: bytes) -> tuple[str, str]:
    """Read an event's type, and the attempt that its object's metadata names."""
    try:
        event = msgspec.json.decode(body)
    except _JSON_FAULTS:
        return "", ""
    event_type, number = _within(event, "type"), event
    for name in ("data", "object", "metadata", "attempt_no"):
        number = _within(number, name)
    is_text = isinstance(event_type, str)
    return event_type[:_TYPE_MAX] if is_text else "", number if isinstance(number, str) else ""


def _within(told: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    return told.get(name) if isinstance(told, dict) else None
