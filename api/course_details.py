"""What is known of a payment at its provider, as the course shop's clients read it.

1. Numbers come from what we opened and settled where we know them, else from what the provider
   sent.
2. Of what it sent only what is about the attempt's own money is shown, under numbers known here.
3. Where nothing that it sent is kept, what was opened and settled stands there, and says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from actors.cashier import attempt_to_show
from actors.pay_channels import STRIPE, Way, name_of
from contracts.evidence import EvidenceKind
from contracts.facts import is_nameless
from contracts.order import Attempt, Order, Payment
from contracts.states import AttemptState, Channel, RefundStatus
from contracts.wire import course_orders as wire
from models.evidence import KeptEvidence

_PENDING, _PAID, _REFUNDED, _CLOSED, _REFUSED = range(5)
_OF_ATTEMPT: Final = {
    AttemptState.OPENING: _PENDING,
    AttemptState.OPEN: _PENDING,
    AttemptState.UNKNOWN: _PENDING,
    AttemptState.PAID: _PAID,
    AttemptState.CLOSED: _CLOSED,
    AttemptState.REFUSED: _REFUSED,
}

# What stands in for a provider's object says by this that it is none.
DERIVED: Final = "_derived"

_Object: TypeAlias = dict[str, Any]
_Bodies: TypeAlias = Mapping[EvidenceKind, _Object]


class StripeNames(msgspec.Struct, frozen=True, kw_only=True):
    """What Stripe calls a payment and its parts, as far as anybody has said."""

    payment_intent_id: str | None
    checkout_session_id: str | None
    latest_charge_id: str | None


def payment_detail(order: Order, evidence: Sequence[KeptEvidence]) -> wire.PaymentDetail:
    """Describe an order's payment: the one that paid it, or the newest that was tried."""
    attempt = attempt_to_show(order)
    if attempt is not None and attempt.request.provider == STRIPE:
        return _stripe_detail(order, attempt, evidence)
    return _charge_detail(order, attempt, evidence)


def stripe_names(
    attempt: Attempt, evidence: Sequence[KeptEvidence], payment: Payment | None = None
) -> StripeNames:
    """Say what Stripe calls an attempt, what was paid by it, and the charge behind that."""
    bodies = _bodies_of(attempt, payment, evidence)
    is_session = attempt.request.channel is Channel.STRIPE_CHECKOUT
    reference = attempt.opened.reference if attempt.opened else None
    session = bodies.get(EvidenceKind.CHECKOUT_SESSION)
    intent = bodies.get(EvidenceKind.PAYMENT_INTENT)
    intent_id = (
        (None if is_session else reference) or _named(payment) or _id_in(session, "payment_intent")
    )
    return StripeNames(
        payment_intent_id=intent_id,
        checkout_session_id=reference if is_session else None,
        latest_charge_id=_id_in(intent, "latest_charge")
        or _text(bodies.get(EvidenceKind.CHARGE), "id"),
    )


def way_of(order: Order, attempt: Attempt | None, wanted: Way | None = None) -> tuple[str, str]:
    """Say at whom and by what an attempt is paid; untried, where it was *wanted* or would be."""
    if attempt is not None:
        request = attempt.request
        return request.provider, name_of(request.provider, request.channel)
    return (order.payment_channel, "") if wanted is None else (wanted.provider, wanted.name)


def _stripe_detail(
    order: Order, attempt: Attempt, evidence: Sequence[KeptEvidence]
) -> wire.StripeDetail:
    payment = _payment_by(order, attempt)
    names = stripe_names(attempt, evidence, payment)
    bodies = _bodies_of(attempt, payment, evidence)
    session = bodies.get(EvidenceKind.CHECKOUT_SESSION)
    intent = bodies.get(EvidenceKind.PAYMENT_INTENT)
    charge = bodies.get(EvidenceKind.CHARGE) or _object(intent, "latest_charge")
    return wire.StripeDetail(
        payment_channel=STRIPE,
        course_id=str(order.ticket_type_id),
        order_bid=order.order_no,
        payment_intent_id=names.payment_intent_id,
        checkout_session_id=names.checkout_session_id,
        latest_charge_id=names.latest_charge_id,
        status=_status(order, attempt),
        receipt_url=_text(charge, "receipt_url"),
        payment_method=_id_in(intent, "payment_method") or _text(charge, "payment_method"),
        metadata=_object(intent, "metadata") or _object(session, "metadata"),
        payment_intent_object=intent,
        checkout_session_object=session,
    )


def _charge_detail(
    order: Order, attempt: Attempt | None, evidence: Sequence[KeptEvidence]
) -> wire.ChargeDetail:
    provider, channel = way_of(order, attempt)
    payment = None if attempt is None else _payment_by(order, attempt)
    bodies = _bodies_of(attempt, payment, evidence)
    charge = bodies.get(EvidenceKind.CHARGE) or bodies.get(EvidenceKind.TRADE)
    reference = attempt.opened.reference if attempt and attempt.opened else None
    amount = order.total if attempt is None else attempt.request.amount
    return wire.ChargeDetail(
        payment_channel=provider,
        course_id=str(order.ticket_type_id),
        order_bid=order.order_no,
        charge_id=reference or (attempt.attempt_no if attempt else None),
        transaction_no=_text(charge, "transaction_no") or _named(payment),
        status=_status(order, attempt),
        amount=amount.amount_minor,
        currency=amount.currency,
        channel=channel,
        extra=_object(charge, "extra"),
        charge_object=charge or _derived(attempt, payment),
    )


def _status(order: Order, attempt: Attempt | None) -> int:
    # What settled it may be no attempt at all: a person's word, or a coupon that left nothing.
    payment = order.settlement or (None if attempt is None else _payment_by(order, attempt))
    if payment is None and attempt is not None:
        return _REFUSED if attempt.is_declined else _OF_ATTEMPT[attempt.state]
    if payment is None:
        return _PENDING
    returned = sum(
        refund.amount.amount_minor
        for refund in order.refunds_of(payment)
        if refund.status is RefundStatus.SUCCEEDED
    )
    return _REFUNDED if 0 < payment.paid.amount_minor == returned else _PAID


def _payment_by(order: Order, attempt: Attempt) -> Payment | None:
    return next((p for p in order.payments if p.attempt_no == attempt.attempt_no), None)


def _named(payment: Payment | None) -> str | None:
    if payment is None or is_nameless(payment.provider_txn_id):
        return None
    return payment.provider_txn_id


def _bodies_of(
    attempt: Attempt | None, payment: Payment | None, evidence: Sequence[KeptEvidence]
) -> _Bodies:
    """Choose each kind's newest object that is about an attempt's own money.

    Somebody else's may name our number, too: what it is called at its provider decides.
    """
    if attempt is None:
        return {}
    reference, money = attempt.opened.reference if attempt.opened else None, _named(payment)
    told = [one for one in evidence if one.attempt_no == attempt.attempt_no]
    bodies: dict[EvidenceKind, _Object] = {}

    def choose(kind: EvidenceKind, is_own: Callable[[KeptEvidence], bool]) -> _Object | None:
        own = (one.body for one in told if one.kind is kind and is_own(one))
        body = next(own, None)
        if body is not None:
            bodies[kind] = body
        return body

    def is_of(intent_id: str | None, one: KeptEvidence) -> bool:
        return intent_id is not None and _id_in(one.body, "payment_intent") == intent_id

    session = choose(
        EvidenceKind.CHECKOUT_SESSION,
        lambda one: one.object_id == reference or is_of(money, one),
    )
    paid_by = money or _id_in(session, "payment_intent") or reference
    intent = choose(EvidenceKind.PAYMENT_INTENT, lambda one: one.object_id == paid_by)
    charge_ids = (paid_by, _id_in(intent, "latest_charge"))
    choose(
        EvidenceKind.CHARGE,
        lambda one: one.object_id in charge_ids or is_of(paid_by, one),
    )
    choose(
        EvidenceKind.TRADE,
        lambda one: one.object_id == money if money else _is_for(attempt, one.body),
    )
    return bodies


def _is_for(attempt: Attempt, trade: _Object) -> bool:
    """Tell whether nobody else is named as who is paid."""
    return (_text(trade, "app_id") or _text(trade, "appid")) in (None, attempt.request.appid)


def _derived(attempt: Attempt | None, payment: Payment | None) -> _Object | None:
    """Describe what was opened and settled where no word of its provider is kept."""
    if attempt is None or (attempt.opened is None and payment is None):
        return None
    request = attempt.request
    known = {
        "attempt_no": attempt.attempt_no,
        "merchant_id": request.merchant_id,
        "appid": request.appid,
        "amount": request.amount.amount_minor,
        "currency": request.amount.currency,
        "description": request.description,
        "payable_until": request.payable_until.isoformat(),
        "reference": attempt.opened and attempt.opened.reference,
        "transaction_no": _named(payment),
        "paid_amount": payment and payment.paid.amount_minor,
        "paid_at": payment and payment.paid_at.isoformat(),
    }
    return {DERIVED: True} | {name: value for name, value in known.items() if value is not None}


def _text(found: _Object | None, name: str) -> str | None:
    value = (found or {}).get(name)
    return value if isinstance(value, str) and value else None


def _object(found: _Object | None, name: str) -> _Object | None:
    value = (found or {}).get(name)
    return value if isinstance(value, dict) else None


def _id_in(found: _Object | None, name: str) -> str | None:
    """Read which object is meant: Stripe names it, or sends the whole of it where asked to."""
    return _text(found, name) or _text(_object(found, name), "id")
