"""What Stripe writes, as far as we read it, and how it becomes our facts.

Fields we do not use are ignored: Stripe adds some at any time. What we use is bounded here, so
that nothing it says can break a row.

Source: Stripe API, "PaymentIntent", "Checkout Session", "Refund", "Dispute", read 2026-11.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from contracts.facts import FactSource, PaymentSucceeded, RefundMoved, RefundOutcome
from contracts.money import Money
from contracts.states import RefundKind
from providers.stripe.errors import PROVIDER

# Stripe promises 255 at most and sends about 66; rows have room for 128.
Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_]{1,128}\Z")]
Number = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_\-]{1,64}\Z")]
Word = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_.\-]{1,64}\Z")]
Minor = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Currency = Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{3}\Z")]
# Until the year 9999.
Seconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
Secret = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,512}\Z")]
Url = Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[!-~]{1,4000}\Z")]

_REFUND_OUTCOMES: Final = {
    "pending": RefundOutcome.PROCESSING,
    # Only its payer can go on with it, and only Stripe's mail tells them so.
    "requires_action": RefundOutcome.ABNORMAL,
    "succeeded": RefundOutcome.SUCCESS,
    # The money came back to the account: it reached nobody, and this refund will not go on.
    "failed": RefundOutcome.CLOSED,
    "canceled": RefundOutcome.CLOSED,
}


class Ours(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata that we put on everything; what a console made has none of it."""

    attempt_no: Number | None = None
    refund_no: Number | None = None


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """The charge that took the money."""

    id: Id
    created: Seconds


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A PaymentIntent; *latest_charge* is its id, or all of it where it was asked for."""

    id: Id
    status: str
    livemode: bool
    amount_received: Minor = 0
    currency: Currency
    created: Seconds
    metadata: Ours | None = None
    client_secret: Secret | None = None
    latest_charge: Charge | Id | None = None

    @property
    def attempt_no(self) -> str | None:
        """Our number, if it has one."""
        return None if self.metadata is None else self.metadata.attempt_no

    def fact(self, source: FactSource, *, at: int | None = None, merchant: str) -> PaymentSucceeded:
        """Say that it was paid; *at* is when, where no charge tells it."""
        charge = self.latest_charge
        told = charge.created if isinstance(charge, Charge) else at
        return _paid(
            self.attempt_no or "",
            self.id,
            Money(amount_minor=self.amount_received, currency=self.currency.upper()),
            merchant,
            self.created if told is None else told,
            source,
        )


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a payer's try failed; *decline_code* is the word of the card's bank."""

    code: Word | None = None
    decline_code: Word | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A PaymentIntent whose payer's last try failed."""

    last_payment_error: Failure | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A Checkout Session; its intent comes into being when its payer goes on."""

    id: Id
    status: str | None = None
    payment_status: str
    livemode: bool
    amount_total: Minor | None = None
    currency: Currency | None = None
    created: Seconds
    metadata: Ours | None = None
    url: Url | None = None
    payment_intent: Intent | Id | None = None

    @property
    def attempt_no(self) -> str | None:
        """Our number, if it has one."""
        return None if self.metadata is None else self.metadata.attempt_no

    def fact(self, source: FactSource, *, at: int, merchant: str) -> PaymentSucceeded:
        """Say that it was paid."""
        intent = self.payment_intent
        if isinstance(intent, Intent):
            paid = intent.fact(source, at=at, merchant=merchant)
            return msgspec.structs.replace(paid, attempt_no=self.attempt_no or "")
        money = Money(amount_minor=self.amount_total or 0, currency=(self.currency or "").upper())
        return _paid(self.attempt_no or "", intent or "", money, merchant, at, source)


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund, of ours or of a person at the console."""

    id: Id
    amount: Minor
    currency: Currency
    status: str
    payment_intent: Id | None = None
    metadata: Ours | None = None

    @property
    def ours(self) -> Ours:
        """Our numbers, both or none: only both make it a refund that we asked for."""
        told = self.metadata or Ours()
        return told if told.refund_no and told.attempt_no else Ours()

    def fact(self, source: FactSource) -> RefundMoved:
        """Say it in our words; without our numbers it is named by Stripe's own."""
        return RefundMoved(
            provider=PROVIDER,
            attempt_no=self.ours.attempt_no or "",
            refund_no=self.ours.refund_no or self.id,
            provider_refund_id=self.id,
            refunded=Money(amount_minor=self.amount, currency=self.currency.upper()),
            outcome=_REFUND_OUTCOMES[self.status],
            source=source,
            kind=RefundKind.OURS if self.ours.refund_no else RefundKind.EXTERNAL,
            provider_txn_id=self.payment_intent,
        )

    @property
    def is_known(self) -> bool:
        """Whether its status is one of those we know."""
        return self.status in _REFUND_OUTCOMES


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list, of which we read at most a hundred."""

    data: list[msgspec.Raw]
    has_more: bool = False


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Anything of Stripe's."""

    id: Id


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A payer's bank that wants the money back."""

    id: Id
    amount: Minor
    currency: Currency
    status: str
    payment_intent: Id | None = None

    def fact(self, outcome: RefundOutcome) -> RefundMoved:
        """Say it in our words: money that goes back, asked for by neither of us."""
        return RefundMoved(
            provider=PROVIDER,
            attempt_no="",
            refund_no=self.id,
            provider_refund_id=self.id,
            refunded=Money(amount_minor=self.amount, currency=self.currency.upper()),
            outcome=outcome,
            source=FactSource.NOTICE,
            kind=RefundKind.DISPUTE,
            provider_txn_id=self.payment_intent,
        )


def _paid(  # noqa: PLR0917 - the words of one fact
    attempt_no: str, txn_id: str, money: Money, merchant: str, at: int, source: FactSource
) -> PaymentSucceeded:
    return PaymentSucceeded(
        provider=PROVIDER,
        attempt_no=attempt_no,
        provider_txn_id=txn_id,
        paid=money,
        merchant_id=merchant,
        appid=merchant,
        paid_at=datetime.fromtimestamp(at, UTC),
        source=source,
    )
