"""What an answer lets us believe."""

from datetime import datetime

from contracts.attempt import AttemptRequest, BilledRefund, Opened, RefundRequest
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    FactSource,
    PaymentNotPaid,
    PaymentSucceeded,
    QueryFact,
    RefundMoved,
    RefundOutcome,
)
from contracts.money import Money
from providers.alipay import errors, words
from providers.alipay.client import Answer
from providers.alipay.settings import AlipaySettings
from providers.alipay.words import PROVIDER
from providers.provider import ProviderError

_REFUND_OUTCOMES = {
    "REFUND_SUCCESS": RefundOutcome.SUCCESS,
    "REFUND_PROCESSING": RefundOutcome.PROCESSING,
    "REFUND_FAIL": RefundOutcome.CLOSED,
}


def opened(answer: Answer, request: AttemptRequest) -> Opened:
    """Read the code to scan."""
    precreated = answer.read(words.Precreated)
    _require_own(answer, precreated.out_trade_no, request.attempt_no)
    return Opened(code_url=precreated.qr_code)


def asked(
    answer: Answer, request: AttemptRequest, settings: AlipaySettings, asked_at: datetime
) -> QueryFact:
    """Read what became of an attempt.

    Before its code is scanned or its page is opened, Alipay has never heard of it.
    """
    number = request.attempt_no
    if answer.code == errors.NOT_EXIST:
        return AttemptNotFound(provider=PROVIDER, attempt_no=number, asked_at=asked_at)
    trade = answer.read(words.Trade)
    _require_own(answer, trade.out_trade_no, number)
    if trade.trade_status in words.PAID_STATES or _was_paid(trade):
        return _paid(answer, trade, settings, asked_at)
    if trade.trade_status == words.CLOSED:
        return AttemptClosedAtProvider(provider=PROVIDER, attempt_no=number)
    if trade.trade_status == words.WAITING:
        return PaymentNotPaid(provider=PROVIDER, attempt_no=number, asked_at=asked_at)
    # Alipay may add states; none may ever be taken for paid, nor for never to be paid.
    raise _useless(answer, "trade_status")


def closed(answer: Answer, request: AttemptRequest) -> AttemptClosedAtProvider:
    """Read that an attempt is closed."""
    _require_own(answer, answer.read(words.Closed).out_trade_no, request.attempt_no)
    return AttemptClosedAtProvider(provider=PROVIDER, attempt_no=request.attempt_no)


def refunded(answer: Answer, request: RefundRequest) -> RefundMoved:
    """Read whether money moved by this very call; if not, only a query tells what of the refund."""
    refund = answer.read(words.Refunded)
    _require_own(answer, refund.out_trade_no, request.attempt_no)
    if refund.fund_change != "Y":
        return _moved(request, refund.trade_no, request.amount, RefundOutcome.PROCESSING)
    went_back = words.minor_of(refund.refund_fee)
    if went_back is None or went_back < request.amount.amount_minor:
        raise _useless(answer, errors.UNREADABLE)
    return _moved(request, refund.trade_no, request.amount, RefundOutcome.SUCCESS)


def refund_asked(answer: Answer, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
    """Read what became of a refund; without a status and an amount none was ever taken."""
    if answer.code == errors.NOT_EXIST:
        return None
    told = answer.read(words.RefundAsked)
    if not told.refund_status and not told.refund_amount:
        return None
    _require_own(answer, told.out_trade_no, refund.attempt_no)
    _require_own(answer, told.out_request_no, refund.refund_no)
    outcome = _REFUND_OUTCOMES.get(told.refund_status)
    # Some pages say that an amount alone means success, later ones that it does not.
    if outcome is None:
        raise _useless(answer, "refund_status")
    amount = words.minor_of(told.refund_amount)
    if not amount or not told.trade_no:
        raise _useless(answer, errors.UNREADABLE)
    money = Money(amount_minor=amount, currency=words.CURRENCY)
    return _moved(refund, told.trade_no, money, outcome)


def _paid(
    answer: Answer, trade: words.Trade, settings: AlipaySettings, asked_at: datetime
) -> PaymentSucceeded:
    amount = words.minor_of(trade.total_amount)
    if not amount:
        raise _useless(answer, errors.UNREADABLE)
    # Whose trade it is goes without saying: only the app's own are found by its numbers.
    return PaymentSucceeded(
        provider=PROVIDER,
        attempt_no=trade.out_trade_no,
        provider_txn_id=trade.trade_no,
        paid=Money(amount_minor=amount, currency=trade.trans_currency),
        merchant_id=settings.merchant_id,
        appid=settings.app_id,
        paid_at=words.instant_of(trade.send_pay_date) or asked_at,
        source=FactSource.QUERY,
    )


def _was_paid(trade: words.Trade) -> bool:
    """Tell a trade that ended by its full refund from one that nobody paid."""
    if trade.trade_status != words.CLOSED:
        return False
    amounts = map(words.minor_of, (trade.buyer_pay_amount, trade.receipt_amount))
    return words.instant_of(trade.send_pay_date) is not None or any(amounts)


def _moved(
    refund: RefundRequest | BilledRefund, trade_no: str, money: Money, outcome: RefundOutcome
) -> RefundMoved:
    return RefundMoved(
        provider=PROVIDER,
        attempt_no=refund.attempt_no,
        refund_no=refund.refund_no,
        # Alipay has no number of its own for a refund: the trade's and ours name it.
        provider_refund_id=refund.refund_no,
        refunded=money,
        outcome=outcome,
        source=FactSource.QUERY,
        provider_txn_id=trade_no,
    )


def _require_own(answer: Answer, told: str, number: str) -> None:
    if told != number:
        raise _useless(answer, errors.FOREIGN)


def _useless(answer: Answer, code: str) -> ProviderError:
    return errors.error_of(answer.operation, code)
