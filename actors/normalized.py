"""What a normalized event says of which attempt or refund of ours.

1. Order, intent, provider, amount and currency must be those of one thing we know: whatever
   contradicts it is held for a person and moves nothing.
2. An event never falls to another intent than the one it names, however many an order had.
3. A refund event that is ahead of its payment waits for it.
4. Facts are believed only of providers whose own word this is: of another, whose notices have a
   signature of their own, an event is a reason to ask it.
"""

import hashlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from actors.event_attempts import attempt_meant, hold_unless_of
from actors.event_held import AttemptNotTold, EventHeld
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
from models.attempts import ask_soon
from models.engine import Database
from models.intents_lookup import NamedIntent, named
from models.refunds import ask_about_refund_soon
from providers import webhook_signature
from providers.provider import NoticeUnreadable, VerifiedNotice

# Whoever else is named is kept under one word, so that senders cannot invent labels.
_KNOWN = frozenset({"mock", "wechat", "alipay", "stripe", "pingxx"})
_STATUSES = frozenset({"succeeded", "failed", "requires_action"})
# Nobody was paid by this house before, and no clock is a day wrong.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD_MAX = timedelta(days=1)
_JSON_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)

_event_decoder = msgspec.json.Decoder(NormalizedEvent)
_identity_decoder = msgspec.json.Decoder(Identified)


class PaymentNotKnown(Exception):
    """Money is said to go back that we do not know to have come; it may yet."""


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says of an order; without facts it is over, and *reason* says why."""

    order_id: int | None = None
    facts: list[Fact] = msgspec.field(default_factory=list)
    reason: str = "no_money"


class NormalizedEvents:
    """Reads events of the providers that are set up; of those in *believed* they are facts."""

    def __init__(
        self,
        *,
        database: Database,
        providers: Collection[str],
        believed: Collection[str],
        secret: str,
    ) -> None:
        self._database = database
        self._providers = providers
        self._believed = believed
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
            return Resolved()
        intent = await self._named(event)
        try:
            fact = _fact(event, intent)
        except AttemptNotTold:
            await ask_soon(self._database, [a.attempt_no for a in intent.attempts])
            raise
        if fact is None:
            return Resolved(reason="unidentified")
        if event.provider not in self._believed:
            await self._ask_about(fact)
            return Resolved(reason="asked")
        return Resolved(order_id=intent.order_id, facts=[fact])

    async def _named(self, event: NormalizedEvent) -> NamedIntent:
        data = event.data
        txn = (event.provider, data.provider_txn_id)
        intent = await named(self._database, data.intent_id, refund_no=data.refund_id, txn=txn)
        if event.provider not in self._providers:
            raise EventHeld(event, "provider")
        if intent is None or intent.order_id != data.order_id:
            raise EventHeld(event, "intent")
        if data.status in _STATUSES and data.status != event.type.partition(".")[2]:
            raise EventHeld(event, "status")
        if intent.payment is not None and intent.attempt(intent.payment.attempt_no) is None:
            raise EventHeld(event, "txn")
        return intent

    async def _ask_about(self, fact: Fact) -> None:
        if isinstance(fact, RefundMoved):
            await ask_about_refund_soon(self._database, fact.refund_no)
        else:
            await ask_soon(self._database, [fact.attempt_no])


def is_normalized(headers: Mapping[str, str]) -> bool:
    """Tell by its stored headers whether a notice is a normalized event."""
    return webhook_signature.ID in headers


def identify(body: bytes, message_id: str) -> VerifiedNotice:
    """Name a verified event as it is stored; *message_id* is what its signature covers.

    What tells no id that can be kept is named by a hash of its body. Senders nobody knows share
    one word for themselves, so their ids are hashed together with what they call themselves.
    """
    try:
        told = _identity_decoder.decode(body)
    except _JSON_FAULTS:
        return _stranger(body, message_id)
    if told.provider not in _KNOWN:
        # The id holds no line feed, so it ends at the first.
        return _stranger(f"{told.event_id}\n{told.provider}".encode(), message_id)
    return VerifiedNotice(provider=told.provider, event_id=told.event_id, serial=message_id)


def _stranger(named_by: bytes, message_id: str) -> VerifiedNotice:
    digest = hashlib.sha256(named_by).hexdigest()
    return VerifiedNotice(provider="unknown", event_id=f"sha256:{digest}", serial=message_id)


def _read(body: bytes) -> NormalizedEvent:
    try:
        event = _event_decoder.decode(body)
        at = event.created_at.astimezone(UTC)
    except (*_JSON_FAULTS, OverflowError):
        # Also the first and last hours of the calendar, in another time zone.
        raise NoticeUnreadable("event") from None
    if not _EARLIEST <= at <= datetime.now(UTC) + _AHEAD_MAX:
        raise NoticeUnreadable("created_at")
    return msgspec.structs.replace(event, created_at=at)


def _fact(event: NormalizedEvent, intent: NamedIntent) -> Fact | None:
    if event.type in ABOUT_REFUNDS:
        return _refund_fact(event, intent)
    return _payment_fact(event, intent)


def _payment_fact(event: NormalizedEvent, intent: NamedIntent) -> Fact | None:
    if _money(event) != intent.amount:
        raise EventHeld(event, "amount")
    attempt = attempt_meant(event, intent)
    if attempt is None:
        return None
    if attempt.provider != event.provider:
        raise EventHeld(event, "provider")
    if event.type == PAYMENT_SUCCEEDED:
        return PaymentSucceeded(
            provider=event.provider,
            attempt_no=attempt.attempt_no,
            provider_txn_id=event.data.provider_txn_id
            or attempt.txn_id
            or nameless_txn(attempt.attempt_no),
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


def _refund_fact(event: NormalizedEvent, intent: NamedIntent) -> Fact:
    refund = intent.refund
    if refund is None:
        if event.data.refund_id and not any(a.paid_as is not None for a in intent.attempts):
            raise PaymentNotKnown
        raise EventHeld(event, "refund")
    attempt = intent.attempt(refund.attempt_no)
    if attempt is None:
        raise EventHeld(event, "refund")
    hold_unless_of(attempt, event, intent)
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


def _money(event: NormalizedEvent) -> Money:
    return Money(amount_minor=event.data.amount, currency=event.data.currency)
