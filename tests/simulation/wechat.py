"""WeChat Pay as a state machine: numbers, money, notices; nothing of HTTP or signatures.

1. A number is opened once; the same words bring the same answer again.
2. Money is taken for an open number until its last pay time, and never after a close, except by
   the fault that takes it late: then a notice says so until it is heard.
3. A refund's number moves money once.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from contracts.attempt import AttemptRequest, BilledRefund, RefundRequest
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    Fact,
    FactSource,
    PaymentNotPaid,
    PaymentSucceeded,
    QueryFact,
    RefundMoved,
    RefundOutcome,
)
from contracts.money import Money
from providers.provider import ProviderRefused

NAME = "wechat"
MERCHANT_ID = "1900000001"
APPID = "wx0000000000000001"
# WeChat Pay refuses a time_expire under a minute ahead.
_LEAST_AHEAD = timedelta(seconds=60)
_CALL_SECONDS = 8.0
_SETTLE_SECONDS = 3.0


class Trade(msgspec.Struct, kw_only=True):
    """One number at the provider."""

    request: AttemptRequest
    paid_minor: int = 0
    paid_at: datetime | None = None
    is_closed: bool = False
    is_late: bool = False
    refunds: dict[str, "TradeRefund"] = {}

    @property
    def txn_id(self) -> str:
        """Name the one payment of the trade."""
        return f"T{self.request.attempt_no}"

    @property
    def is_paid(self) -> bool:
        """Tell whether money was taken."""
        return self.paid_at is not None


class TradeRefund(msgspec.Struct, kw_only=True):
    """Money on its way back to the payer."""

    request: RefundRequest
    outcome: RefundOutcome


class WeChat:
    """The provider itself, the same for all processes."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.trades: dict[str, Trade] = {}
        self.burnt: set[str] = set()
        self.is_away = False
        self.tell: Callable[[Fact, bool], None] = lambda _fact, _surely: None
        self.settle_soon: Callable[[Trade, TradeRefund], None] = lambda _trade, _refund: None

    def is_payable(self, trade: Trade) -> bool:
        """Tell whether the provider would take money now."""
        is_open = not (trade.is_paid or trade.is_closed)
        return is_open and self.clock() <= trade.request.payable_until

    def open(self, request: AttemptRequest) -> None:
        """Open a number.

        :raises ProviderRefused: it is used up, or expires too soon.
        """
        trade = self.trades.get(request.attempt_no)
        if trade is None:
            too_soon = request.payable_until < self.clock() + _LEAST_AHEAD
            if request.attempt_no in self.burnt or too_soon:
                raise ProviderRefused(NAME, "open", "PARAM_ERROR")
            self.trades[request.attempt_no] = Trade(request=request)
        elif trade.is_paid or trade.is_closed or self.clock() > trade.request.payable_until:
            raise ProviderRefused(NAME, "open", "ORDER_CLOSED")
        elif trade.request != request:
            raise ProviderRefused(NAME, "open", "OUT_TRADE_NO_USED")

    def pay(self, trade: Trade, *, late: bool, extra_minor: int = 0) -> bool:
        """Take the payer's money, or refuse it; *late* takes it when it must not be taken."""
        if trade.is_paid or not (late or self.is_payable(trade)):
            return False
        trade.is_late = not self.is_payable(trade)
        trade.paid_minor = trade.request.amount.amount_minor + extra_minor
        trade.paid_at = self.clock()
        self.tell(payment_of(trade, FactSource.NOTICE), trade.is_late)
        return True

    def ask(self, request: AttemptRequest, asked_at: datetime) -> QueryFact:
        """Say what became of a number."""
        trade = self.trades.get(request.attempt_no)
        about = {"provider": NAME, "attempt_no": request.attempt_no}
        if trade is None:
            return AttemptNotFound(**about, asked_at=asked_at)
        if trade.is_paid:
            return payment_of(trade, FactSource.QUERY)
        if trade.is_closed:
            return AttemptClosedAtProvider(**about)
        return PaymentNotPaid(**about, asked_at=asked_at)

    def close(self, request: AttemptRequest) -> AttemptClosedAtProvider | None:
        """Take no money for a number any more; None when only a query can tell."""
        trade = self.trades.get(request.attempt_no)
        if trade is None or trade.is_paid:
            return None
        trade.is_closed = True
        return AttemptClosedAtProvider(provider=NAME, attempt_no=request.attempt_no)

    def refund(self, request: RefundRequest) -> RefundMoved:
        """Send money back, once per number."""
        trade = self.trades[request.attempt_no]
        assert trade.is_paid
        known = trade.refunds.get(request.refund_no)
        if known is None:
            left = trade.paid_minor - returned_minor(trade)
            if request.amount.amount_minor > left or request.paid.amount_minor != trade.paid_minor:
                raise ProviderRefused(NAME, "refund", "NOT_ENOUGH")
            known = TradeRefund(request=request, outcome=RefundOutcome.PROCESSING)
            trade.refunds = trade.refunds | {request.refund_no: known}
            self.settle_soon(trade, known)
        return refund_fact(known, FactSource.QUERY)

    def ask_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """Say what became of a refund."""
        known = self.trades[refund.attempt_no].refunds.get(refund.refund_no)
        return None if known is None else refund_fact(known, FactSource.QUERY)

    def settle(self, refund: TradeRefund, outcome: RefundOutcome) -> None:
        """Bring a refund to its end."""
        if refund.outcome is RefundOutcome.PROCESSING:
            refund.outcome = outcome
            self.tell(refund_fact(refund, FactSource.NOTICE), False)  # noqa: FBT003


def returned_minor(trade: Trade, *outcomes: RefundOutcome) -> int:
    """Sum what went back, or is on its way."""
    counted = outcomes or (RefundOutcome.PROCESSING, RefundOutcome.SUCCESS, RefundOutcome.ABNORMAL)
    refunds = trade.refunds.values()
    return sum(r.request.amount.amount_minor for r in refunds if r.outcome in counted)


def payment_of(trade: Trade, source: FactSource) -> PaymentSucceeded:
    """Say that a trade was paid."""
    assert trade.paid_at is not None
    return PaymentSucceeded(
        provider=NAME,
        attempt_no=trade.request.attempt_no,
        provider_txn_id=trade.txn_id,
        paid=Money(amount_minor=trade.paid_minor, currency=trade.request.amount.currency),
        merchant_id=trade.request.merchant_id,
        appid=trade.request.appid,
        paid_at=trade.paid_at,
        source=source,
    )


def refund_fact(refund: TradeRefund, source: FactSource) -> RefundMoved:
    """Say where a refund stands."""
    return RefundMoved(
        provider=NAME,
        attempt_no=refund.request.attempt_no,
        refund_no=refund.request.refund_no,
        provider_refund_id=f"R{refund.request.refund_no}",
        refunded=refund.request.amount,
        outcome=refund.outcome,
        source=source,
    )
