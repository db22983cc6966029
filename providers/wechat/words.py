"""What WeChat Pay writes, as far as we read it, and how it becomes our facts.

Fields we do not use are ignored: the provider may add some at any time. What we use is bounded
here, so that nothing it says can break a row.

Source: WeChat Pay v3, Native and JSAPI orders, refunds and their notices, read 2026-11.
"""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from contracts.facts import FactSource, PaymentSucceeded, RefundMoved, RefundOutcome
from contracts.money import Money

PROVIDER = "wechat"
# Partly refunded payments query as REFUND, so both words say that money was taken.
PAID_STATES = frozenset({"SUCCESS", "REFUND"})
NOT_PAID_STATES = frozenset({"NOTPAY", "USERPAYING", "PAYERROR"})
CLOSED_STATES = frozenset({"CLOSED", "REVOKED"})

# \Z and not $, which would let a line feed through.
Number = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_\-|*@]{1,64}\Z")]
# The largest whole number that every JSON reader keeps exact.
Fen = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
# The refund interface takes and returns nothing but CNY for a domestic merchant.
Currency = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal; its message is for people and changes, so we never look at it."""

    code: str


class Prepay(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a prepay: one of the two, by channel."""

    code_url: Annotated[str, msgspec.Meta(min_length=1, max_length=512)] | None = None
    prepay_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


class PaidAmount(msgspec.Struct, frozen=True, kw_only=True):
    """What was charged for; `total` is the order's amount whatever coupons the payer used."""

    total: Fen
    currency: Currency = "CNY"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """As much of an order as every state of it has."""

    mchid: Number
    out_trade_no: Number
    trade_state: str


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was paid."""

    mchid: Number
    appid: Number
    out_trade_no: Number
    transaction_id: Number
    success_time: Instant
    amount: PaidAmount

    def fact(self, source: FactSource) -> PaymentSucceeded:
        """Say it in our words."""
        return PaymentSucceeded(
            provider=PROVIDER,
            attempt_no=self.out_trade_no,
            provider_txn_id=self.transaction_id,
            paid=Money(amount_minor=self.amount.total, currency=self.amount.currency),
            merchant_id=self.mchid,
            appid=self.appid,
            paid_at=self.success_time.astimezone(UTC),
            source=source,
        )


class RefundAmount(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back."""

    refund: Fen
    currency: Currency = "CNY"


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as the refund interfaces answer it."""

    refund_id: Number
    out_refund_no: Number
    out_trade_no: Number
    status: RefundOutcome
    amount: RefundAmount

    def fact(self) -> RefundMoved:
        """Say it in our words."""
        return _refund_moved(self, self.status, FactSource.QUERY)


class RefundNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as a notice tells it: the state has another name there."""

    refund_id: Number
    out_refund_no: Number
    out_trade_no: Number
    refund_status: RefundOutcome
    amount: RefundAmount

    def fact(self) -> RefundMoved:
        """Say it in our words."""
        return _refund_moved(self, self.refund_status, FactSource.NOTICE)


def _refund_moved(
    refund: Refund | RefundNotice, outcome: RefundOutcome, source: FactSource
) -> RefundMoved:
    return RefundMoved(
        provider=PROVIDER,
        attempt_no=refund.out_trade_no,
        refund_no=refund.out_refund_no,
        provider_refund_id=refund.refund_id,
        refunded=Money(amount_minor=refund.amount.refund, currency=refund.amount.currency),
        outcome=outcome,
        source=source,
    )
