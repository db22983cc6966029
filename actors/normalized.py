"""What a normalized event says of which attempt or refund of ours.

1. Order, intent, provider, amount and currency must be those of one thing we know: whatever
   contradicts it is held for a person and moves nothing.
2. An event never falls to another intent than the one it names, however many an order had.
3. A refund event that is ahead of its payment waits for it.
"""

import hashlib
from collections.abc import Collection, Mapping
from datetime import UTC

import msgspec

from contracts.effects import Case, CaseKind
from contracts.facts import (
    Fact,
    FactSource,
    PayerAwaited,
    PaymentFailed,
    PaymentSucceeded,
    RefundMoved,
    RefundOutcome,
    nameless_txn,
)
from contracts.money import Money
from contracts.normalized import (
    ABOUT_PAYMENTS,
    ABOUT_REFUNDS,
    PAYMENT_FAILED,
    PAYMENT_SUCCEEDED,
    REFUND_SUCCEEDED,
    Identified,
    NormalizedEvent,
)
from models.engine import Database
from models.intents_lookup import NamedAttempt, NamedIntent, NamedRefund, named
from providers import webhook_signature
from providers.provider import NoticeUnreadable, VerifiedNotice

# Whoever else is named is kept under one word, so that senders cannot invent labels.
_KNOWN = frozenset({"mock", "wechat", "alipay", "stripe", "pingxx"})
_STATUSES = frozenset({"succeeded", "failed", "requires_action"})
_JSON_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)

_event_decoder = msgspec.json.Decoder(NormalizedEvent)
_identity_decoder = msgspec.json.Decoder(Identified)


class EventHeld(Exception):
    """The event contradicts what it names; *reason* is from a closed set."""

    def __init__(self, event: NormalizedEvent, reason: str) -> None:
        super().__init__(reason)
        self.event = event
        self.reason = reason

    def case(self, notice_id: int) -> Case:
        """Ask a person about it."""
        data = self.event.data
        return Case(
            kind=CaseKind.EVENT_MISMATCH,
            subject=f"notice:{notice_id}",
            reason=self.reason,
            details={
                "type": self.event.type,
                "provider": self.event.provider,
                "order_id": str(data.order_id),
                "intent_id": str(data.intent_id),
                "amount_minor": str(data.amount),
                "currency": data.currency,
                "refund_no": data.refund_id or "",
            },
        )


class PaymentNotKnown(Exception):
    """Money is said to go back that we do not know to have come; it may yet."""


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says of an order; no facts: nothing about money."""

    order_id: int | None
    facts: list[Fact]


class NormalizedEvents:
    """Reads events of the providers that are set up."""

    def __init__(self, *, database: Database, providers: Collection[str], secret: str) -> None:
        self._database = database
        self._providers = providers
        self._secret = secret

    def verify_stored(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check a stored event's signature again, never its age.

        :raises providers.provider.NoticeRefused: its secret is gone or the row was altered.
        """
        webhook_signature.verify(self._secret, headers, body, None)

    async def resolve(self, body: bytes) -> Resolved:
        """Find what a verified event is about.

        :raises NoticeUnreadable: keep the row; a person must look.
        :raises EventHeld: keep it and open a case; nothing may move.
        :raises PaymentNotKnown: try again later.
        """
        event = _read(body)
        if event.type not in ABOUT_PAYMENTS | ABOUT_REFUNDS:
            return Resolved(order_id=None, facts=[])
        data = event.data
        intent = await named(self._database, data.intent_id, data.refund_id)
        if event.provider not in self._providers:
            raise EventHeld(event, "provider")
        if intent is None or intent.order_id != data.order_id:
            raise EventHeld(event, "intent")
        if data.status in _STATUSES and data.status != event.type.partition(".")[2]:
            raise EventHeld(event, "status")
        about_refund = event.type in ABOUT_REFUNDS
        fact = _refund_fact(event, intent) if about_refund else _payment_fact(event, intent)
        return Resolved(order_id=intent.order_id, facts=[fact])


def is_normalized(headers: Mapping[str, str]) -> bool:
    """Tell by its stored headers whether a notice is a normalized event."""
    return webhook_signature.ID in headers


def identify(body: bytes, message_id: str) -> VerifiedNotice:
    """Name a verified event as it is stored; *message_id* is what its signature covers.

    What tells no id that can be kept is named by a hash of its body.
    """
    try:
        told = _identity_decoder.decode(body)
    except _JSON_FAULTS:
        digest = hashlib.sha256(body).hexdigest()
        return VerifiedNotice(provider="unknown", event_id=f"sha256:{digest}", serial=message_id)
    provider = told.provider if told.provider in _KNOWN else "unknown"
    return VerifiedNotice(provider=provider, event_id=told.event_id, serial=message_id)


def _read(body: bytes) -> NormalizedEvent:
    try:
        event = _event_decoder.decode(body)
        return msgspec.structs.replace(event, created_at=event.created_at.astimezone(UTC))
    except (*_JSON_FAULTS, OverflowError):
        # Also the first and last hours of the calendar, in another time zone.
        raise NoticeUnreadable("event") from None


def _payment_fact(event: NormalizedEvent, intent: NamedIntent) -> Fact:
    if _money(event) != intent.amount:
        raise EventHeld(event, "amount")
    attempt = _attempt(event, intent)
    if attempt.provider != event.provider:
        raise EventHeld(event, "provider")
    if event.type == PAYMENT_SUCCEEDED:
        return PaymentSucceeded(
            provider=event.provider,
            attempt_no=attempt.attempt_no,
            provider_txn_id=event.data.provider_txn_id
            or attempt.reference
            or nameless_txn(event.data.intent_id),
            paid=_money(event),
            merchant_id=attempt.merchant_id,
            appid=attempt.appid,
            paid_at=event.created_at,
            source=FactSource.NOTICE,
        )
    if event.type == PAYMENT_FAILED:
        return PaymentFailed(
            provider=event.provider, attempt_no=attempt.attempt_no, code="PAYMENT_FAILED"
        )
    return PayerAwaited(provider=event.provider, attempt_no=attempt.attempt_no)


def _attempt(event: NormalizedEvent, intent: NamedIntent) -> NamedAttempt:
    """Choose the attempt by our number or the provider's, else the intent's newest."""
    if not intent.attempts:
        raise EventHeld(event, "no_attempt")
    ours, theirs = event.data.attempt_no, event.data.provider_txn_id
    if ours is not None:
        named = next((a for a in intent.attempts if a.attempt_no == ours), None)
        if named is None:
            raise EventHeld(event, "attempt")
        return named
    by_theirs = (a for a in intent.attempts if theirs is not None and a.reference == theirs)
    return next(by_theirs, intent.attempts[-1])


def _refund_fact(event: NormalizedEvent, intent: NamedIntent) -> Fact:
    refund = intent.refund
    if refund is None:
        if event.data.refund_id and not any(attempt.is_paid for attempt in intent.attempts):
            raise PaymentNotKnown
        raise EventHeld(event, "refund")
    if not _belongs(event, refund):
        raise EventHeld(event, "refund")
    if refund.provider != event.provider:
        raise EventHeld(event, "provider")
    if _money(event) != refund.amount:
        raise EventHeld(event, "amount")
    is_done = event.type == REFUND_SUCCEEDED
    return RefundMoved(
        provider=event.provider,
        attempt_no=refund.attempt_no,
        refund_no=refund.refund_no,
        # The event names the refund by our number only.
        provider_refund_id="",
        refunded=refund.amount,
        outcome=RefundOutcome.SUCCESS if is_done else RefundOutcome.CLOSED,
        source=FactSource.NOTICE,
    )


def _belongs(event: NormalizedEvent, refund: NamedRefund) -> bool:
    return (refund.order_id, refund.intent_id) == (event.data.order_id, event.data.intent_id)


def _money(event: NormalizedEvent) -> Money:
    return Money(amount_minor=event.data.amount, currency=event.data.currency)
