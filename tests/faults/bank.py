"""A provider in memory: every call takes effect at once, and it remembers everything."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime

import msgspec

from contracts.attempt import (
    AttemptRequest,
    BilledRefund,
    CodeToScan,
    Opened,
    PayerParameters,
    RefundRequest,
)
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
from contracts.states import Channel
from providers.provider import Capability, OutcomeUnknown, ProviderRefused, VerifiedNotice

NAME = "wechat"
_decode = msgspec.json.Decoder(list[Fact]).decode


class Trade(msgspec.Struct):
    """One attempt as the bank sees it."""

    request: AttemptRequest
    status: str = "NOTPAY"
    returned_minor: int = 0


class Bank:
    """Implements KeepsBills. *lost_opens* and *refused_refunds* go wrong first.

    *meanwhile* is done once, while an attempt is being opened. Two banks go by two names.
    """

    channels = frozenset(Channel)
    capabilities = frozenset(Capability)

    def __init__(self, name: str = NAME) -> None:
        self.name = name
        self.trades: dict[str, Trade] = {}
        self.refunds: dict[str, RefundMoved] = {}
        self.lost_opens = 0
        self.refused_refunds = 0
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def open(self, request: AttemptRequest) -> Opened:
        """See Provider.open."""
        if self.lost_opens:
            self.lost_opens -= 1
            raise OutcomeUnknown(self.name, "open", "timeout")
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        self.trades.setdefault(request.attempt_no, Trade(request))
        return Opened(code_url=f"weixin://{request.attempt_no}")

    def payer_parameters(
        self, _request: AttemptRequest, opened: Opened, _now: datetime
    ) -> PayerParameters:
        """See Provider.payer_parameters."""
        return CodeToScan(code_url=opened.code_url or "")

    async def query(self, request: AttemptRequest, _opened: Opened | None = None) -> QueryFact:
        """See Provider.query."""
        number, asked_at = request.attempt_no, datetime.now(UTC)
        trade = self.trades.get(number)
        if trade is None:
            return AttemptNotFound(provider=self.name, attempt_no=number, asked_at=asked_at)
        if trade.status == "PAID":
            return self._success(trade, FactSource.QUERY)
        if trade.status == "CLOSED":
            return AttemptClosedAtProvider(provider=self.name, attempt_no=number)
        return PaymentNotPaid(provider=self.name, attempt_no=number, asked_at=asked_at)

    async def close(
        self, request: AttemptRequest, _opened: Opened | None = None
    ) -> AttemptClosedAtProvider | None:
        """See Provider.close."""
        trade = self.trades.get(request.attempt_no)
        if trade is None or trade.status == "PAID":
            return None
        trade.status = "CLOSED"
        return AttemptClosedAtProvider(provider=self.name, attempt_no=request.attempt_no)

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """See Provider.refund."""
        if self.refused_refunds:
            self.refused_refunds -= 1
            raise ProviderRefused(self.name, "refund", "RULE_LIMIT")
        if request.refund_no not in self.refunds:
            self._move(request.attempt_no, request.refund_no, request.amount)
        return self.refunds[request.refund_no]

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """See Provider.query_refund."""
        return self.refunds.get(refund.refund_no)

    async def billed_refunds(self, _day: date) -> list[BilledRefund]:
        """See KeepsBills.billed_refunds; every day's bill has all there are."""
        return [
            BilledRefund(attempt_no=refund.attempt_no, refund_no=refund.refund_no)
            for refund in self.refunds.values()
        ]

    def verify(self, _headers: Mapping[str, str], body: bytes, _now: datetime) -> VerifiedNotice:
        """See Provider.verify."""
        return VerifiedNotice(provider=self.name, event_id=str(hash(body)), serial="1")

    def verify_stored(self, _headers: Mapping[str, str], _body: bytes) -> None:
        """See Provider.verify_stored."""

    def read(self, body: bytes) -> list[Fact]:
        """See Provider.read."""
        return _decode(body)

    def pay(self, attempt_no: str) -> bytes:
        """Take the money, even for what was closed, and return the notice of it."""
        trade = self.trades[attempt_no]
        trade.status = "PAID"
        return msgspec.json.encode([self._success(trade, FactSource.NOTICE)])

    def send_back(self, attempt_no: str) -> None:
        """Send all of the money back past whoever asked for it, and tell nobody."""
        self._move(attempt_no, f"console{attempt_no}", self.trades[attempt_no].request.amount)

    def _move(self, attempt_no: str, refund_no: str, amount: Money) -> None:
        self.trades[attempt_no].returned_minor += amount.amount_minor
        self.refunds[refund_no] = RefundMoved(
            provider=self.name,
            attempt_no=attempt_no,
            refund_no=refund_no,
            provider_refund_id=f"B{refund_no}",
            refunded=amount,
            outcome=RefundOutcome.SUCCESS,
            source=FactSource.QUERY,
        )

    def _success(self, trade: Trade, source: FactSource) -> PaymentSucceeded:
        request = trade.request
        return PaymentSucceeded(
            provider=self.name,
            attempt_no=request.attempt_no,
            provider_txn_id=f"T{request.attempt_no}",
            paid=request.amount,
            merchant_id=request.merchant_id,
            appid=request.appid,
            paid_at=request.payable_until,
            source=source,
        )
