"""What the mock provider writes, as far as we read it, and how it becomes our facts."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from contracts.facts import FactSource, PaymentSucceeded, RefundMoved, RefundOutcome
from contracts.money import Money

PROVIDER: Final = "mock"
# There is one merchant and one app, so both are called like the provider.
MERCHANT_ID: Final = "mock"

_Number = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_\-]{1,64}\Z")]
_Minor = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
_Currency = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
_OUTCOMES: Final = {
    "processing": RefundOutcome.PROCESSING,
    "succeeded": RefundOutcome.SUCCESS,
    "failed": RefundOutcome.CLOSED,
    "stuck": RefundOutcome.ABNORMAL,
}


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal; its message is for people, so we never look at it."""

    code: str


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as the provider sees it; *amount* is what it took, once it took any."""

    attempt_no: _Number
    status: Literal["requires_action", "succeeded", "failed", "closed"]
    txn_id: _Number
    amount: _Minor
    currency: _Currency
    paid_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    def fact(self, *, paid_at: datetime) -> PaymentSucceeded:
        """Say in our words that it was paid."""
        return PaymentSucceeded(
            provider=PROVIDER,
            attempt_no=self.attempt_no,
            provider_txn_id=self.txn_id,
            paid=Money(amount_minor=self.amount, currency=self.currency),
            merchant_id=MERCHANT_ID,
            appid=MERCHANT_ID,
            paid_at=paid_at.astimezone(UTC),
            source=FactSource.QUERY,
        )


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as the provider sees it."""

    id: _Number
    refund_no: _Number
    attempt_no: _Number
    status: Literal["processing", "succeeded", "failed", "stuck"]
    amount: _Minor
    currency: _Currency

    def fact(self) -> RefundMoved:
        """Say it in our words."""
        return RefundMoved(
            provider=PROVIDER,
            attempt_no=self.attempt_no,
            refund_no=self.refund_no,
            provider_refund_id=self.id,
            refunded=Money(amount_minor=self.amount, currency=self.currency),
            outcome=_OUTCOMES[self.status],
            source=FactSource.QUERY,
        )
