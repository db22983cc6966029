"""Reads events: what they say about money.

1. A genuine signature makes an event ours to keep, even one that cannot be read.
2. Payments carry the merchant that the event names; the order judges whether it is the right one.
3. What has no number of ours was sold by something else on the same account, and says nothing;
   money that goes back is told all the same, by the payment it belongs to.

Source: Stripe API, "Types of events"; "Fulfill orders"; "How disputes work", read 2026-11.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec

from contracts.evidence import Evidence, EvidenceKind
from contracts.facts import (
    AttemptClosedAtProvider,
    Fact,
    FactSource,
    PaymentDeclined,
    PaymentFailed,
    RefundOutcome,
)
from providers.provider import Keep, NoticeUnreadable
from providers.stripe.errors import PROVIDER
from providers.stripe.scrub import scrubbed
from providers.stripe.settings import merchant_of
from providers.stripe.words import Dispute, Failed, Id, Intent, Ours, Refund, Seconds, Session

# Genuine events are about 5 KiB.
MAX_BYTES: Final = 256 * 1024
_SOURCE: Final = "notice"
_JSON_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)
_T = TypeVar("_T")


class _Identified(msgspec.Struct, frozen=True, kw_only=True):
    id: Annotated[str, msgspec.Meta(pattern=r"\Aevt_[0-9A-Za-z_]{1,60}\Z")]


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    object: str = "event"
    livemode: bool = False
    account: Id | None = None
    created: Seconds | str = 0
    data: _Data = _Data()


class _Charge(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    metadata: Ours | None = None


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to facts; *merchant* is whom it names."""

    type: str
    merchant: str
    own: str
    at: int
    object: msgspec.Raw
    keep: Keep


def event_id(body: bytes) -> str:
    """Name an event, by its content where it has no name that could be one of Stripe's."""
    try:
        return msgspec.json.decode(body, type=_Identified).id
    except _JSON_FAULTS:
        return f"sha256:{hashlib.sha256(body).hexdigest()}"


def read_event(body: bytes, merchant_id: str, keep: Keep) -> list[Fact]:
    """Turn a verified event into facts; empty for those that say nothing about our money.

    :raises NoticeUnreadable: the reason is from a closed set.
    """
    event = _decode(_plain(body), _Event, "envelope")
    reader = _READERS.get(event.type)
    # Thin events of the second version name an object without telling it; none is about money.
    if reader is None or event.object != "event":
        return []
    if not isinstance(event.created, int):
        raise NoticeUnreadable("envelope")
    told = _Told(
        type=event.type,
        merchant=merchant_of(is_live=event.livemode, account=event.account),
        own=merchant_id,
        at=event.created,
        object=event.data.object,
        keep=keep,
    )
    return reader(told)


def _of_intent(told: _Told) -> list[Fact]:
    intent = _decode(bytes(told.object), Intent, "object")
    number = intent.attempt_no
    _keep(told, EvidenceKind.PAYMENT_INTENT, intent.id, number)
    if number is None:
        return []
    if told.type == "payment_intent.succeeded":
        if intent.status != "succeeded" or intent.amount_received == 0:
            raise NoticeUnreadable("status")
        return [intent.fact(FactSource.NOTICE, at=told.at, merchant=told.merchant)]
    _require_own(told)
    if told.type == "payment_intent.canceled":
        return [AttemptClosedAtProvider(provider=PROVIDER, attempt_no=number)]
    if told.type == "payment_intent.payment_failed":
        # The same intent takes another card: this is no end.
        return [PaymentDeclined(provider=PROVIDER, attempt_no=number, code=_why(told))]
    return []


def _why(told: _Told) -> str:
    try:
        failed = msgspec.json.decode(bytes(told.object), type=Failed).last_payment_error
    except _JSON_FAULTS:
        # That it failed is sure.
        failed = None
    return (failed and (failed.decline_code or failed.code)) or "declined"


def _of_session(told: _Told) -> list[Fact]:
    session = _decode(bytes(told.object), Session, "object")
    number = session.attempt_no
    _keep(told, EvidenceKind.CHECKOUT_SESSION, session.id, number)
    if number is None:
        return []
    if told.type == "checkout.session.expired":
        _require_own(told)
        return [AttemptClosedAtProvider(provider=PROVIDER, attempt_no=number)]
    if told.type == "checkout.session.async_payment_failed":
        # A completed session is not entered again.
        _require_own(told)
        return [PaymentFailed(provider=PROVIDER, attempt_no=number, code="async_payment_failed")]
    # A completed session is not a paid one: with some methods the money comes days later.
    return _of_paid_session(session, told) if session.payment_status == "paid" else []


def _of_paid_session(session: Session, told: _Told) -> list[Fact]:
    if not session.payment_intent or not session.amount_total or session.currency is None:
        raise NoticeUnreadable("object")
    return [session.fact(FactSource.NOTICE, at=told.at, merchant=told.merchant)]


def _of_refund(told: _Told) -> list[Fact]:
    refund = _decode(bytes(told.object), Refund, "object")
    _keep(told, EvidenceKind.REFUND, refund.id, refund.ours.attempt_no)
    _require_own(told)
    if refund.payment_intent is None:
        return []
    if not refund.is_known:
        raise NoticeUnreadable("status")
    return [refund.fact(FactSource.NOTICE)]


def _of_charge(told: _Told) -> list[Fact]:
    # How much of a charge went back in all; each refund tells its own part, and how it ended.
    charge = _decode(bytes(told.object), _Charge, "object")
    number = None if charge.metadata is None else charge.metadata.attempt_no
    _keep(told, EvidenceKind.CHARGE, charge.id, number)
    return []


def _of_dispute(told: _Told) -> list[Fact]:
    dispute = _decode(bytes(told.object), Dispute, "object")
    _require_own(told)
    # An inquiry moves no money.
    if dispute.payment_intent is None or dispute.status.startswith("warning_"):
        return []
    return [dispute.fact(_outcome_of(dispute, told.type))]


def _outcome_of(dispute: Dispute, event_type: str) -> RefundOutcome:
    if dispute.status == "lost":
        return RefundOutcome.SUCCESS
    is_back = event_type == "charge.dispute.funds_reinstated"
    if is_back or dispute.status in {"won", "prevented"}:
        return RefundOutcome.CLOSED
    # The money is mostly withdrawn with the first word of a dispute, and comes back with a won one.
    return RefundOutcome.PROCESSING


def _require_own(told: _Told) -> None:
    # These facts have no room for a merchant, so another's would pass for ours.
    if told.merchant != told.own:
        raise NoticeUnreadable("merchant")


def _keep(told: _Told, kind: EvidenceKind, object_id: str, number: str | None) -> None:
    body = _decode(bytes(told.object), dict[str, Any], "object")
    attempt_no = number or ""
    evidence = Evidence(
        provider=PROVIDER,
        attempt_no=attempt_no,
        kind=kind,
        object_id=object_id,
        source=_SOURCE,
        body=scrubbed(body),
    )
    # Of another merchant nothing is ours to keep, nor of what something else sold.
    if told.merchant == told.own and (attempt_no or kind is EvidenceKind.REFUND):
        told.keep(evidence)


def _decode(text: bytes, kind: type[_T], reason: str) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except _JSON_FAULTS:
        raise NoticeUnreadable(reason) from None


def _plain(text: bytes) -> bytes:
    """Return JSON that names no key twice: two readers may take different ones of two."""
    try:
        json.loads(text.decode(), object_pairs_hook=_without_twins)
    except _JSON_FAULTS:
        raise NoticeUnreadable("envelope") from None
    return text


def _without_twins(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError


_READERS: Final[dict[str, Callable[[_Told], list[Fact]]]] = {
    "payment_intent.succeeded": _of_intent,
    "payment_intent.payment_failed": _of_intent,
    "payment_intent.processing": _of_intent,
    "payment_intent.canceled": _of_intent,
    "checkout.session.completed": _of_session,
    "checkout.session.async_payment_succeeded": _of_session,
    "checkout.session.async_payment_failed": _of_session,
    "checkout.session.expired": _of_session,
    "charge.refunded": _of_charge,
    "refund.created": _of_refund,
    "refund.updated": _of_refund,
    "refund.failed": _of_refund,
    "charge.dispute.created": _of_dispute,
    "charge.dispute.funds_withdrawn": _of_dispute,
    "charge.dispute.funds_reinstated": _of_dispute,
    "charge.dispute.closed": _of_dispute,
}
