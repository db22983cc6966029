"""What an answer lets us believe."""

from datetime import datetime
from typing import TypeVar

import msgspec

from contracts.attempt import AttemptRequest, BilledRefund, Opened, RefundRequest
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    FactSource,
    PaymentNotPaid,
    QueryFact,
    RefundMoved,
)
from contracts.states import Channel
from providers.provider import OutcomeUnknown
from providers.wechat import errors, words

_T = TypeVar("_T")


class Answer(msgspec.Struct, frozen=True):
    """What came back from one call; a success here is signed and fresh."""

    operation: str
    code: str
    body: bytes

    def require_success(self) -> None:
        """Raise what the code means for the caller, unless it is a success."""
        if self.code != errors.OK:
            raise errors.error_of(self.operation, self.code)

    def read(self, kind: type[_T]) -> _T:
        """Read a success."""
        self.require_success()
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise self.useless(errors.UNREADABLE) from None

    def useless(self, code: str) -> OutcomeUnknown:
        """Make the error for an answer that says nothing we can use."""
        return OutcomeUnknown(words.PROVIDER, self.operation, code)


def opened(answer: Answer, request: AttemptRequest) -> Opened:
    """Read what the payer needs."""
    prepay = answer.read(words.Prepay)
    if request.channel is Channel.WECHAT_NATIVE and prepay.code_url:
        return Opened(code_url=prepay.code_url)
    if request.channel is not Channel.WECHAT_NATIVE and prepay.prepay_id:
        return Opened(prepay_id=prepay.prepay_id)
    raise answer.useless(errors.UNREADABLE)


def asked(answer: Answer, request: AttemptRequest, asked_at: datetime) -> QueryFact:
    """Read what became of an attempt."""
    provider, number = words.PROVIDER, request.attempt_no
    if answer.code == "ORDER_NOT_EXIST":
        return AttemptNotFound(provider=provider, attempt_no=number, asked_at=asked_at)
    state = answer.read(words.State)
    if state.out_trade_no != number:
        raise answer.useless("foreign_answer")
    if state.trade_state in words.PAID_STATES:
        return _paid(answer)
    # Money of another merchant is for the order to judge; another merchant's word that there is
    # none must not give seats back.
    if state.mchid != request.merchant_id:
        raise answer.useless("foreign_answer")
    if state.trade_state in words.CLOSED_STATES:
        return AttemptClosedAtProvider(provider=provider, attempt_no=number)
    if state.trade_state in words.NOT_PAID_STATES:
        return PaymentNotPaid(provider=provider, attempt_no=number, asked_at=asked_at)
    # The vendor adds states; none may ever be taken for paid, nor for never to be paid.
    raise answer.useless("trade_state")


def closed(answer: Answer, request: AttemptRequest) -> AttemptClosedAtProvider | None:
    """Read whether an attempt is closed; None when a query must tell."""
    if answer.code in {"ORDERPAID", "ORDER_NOT_EXIST"}:
        return None
    if answer.code != "ORDER_CLOSED":
        answer.require_success()
    return AttemptClosedAtProvider(provider=words.PROVIDER, attempt_no=request.attempt_no)


def refunded(answer: Answer, asked: RefundRequest | BilledRefund) -> RefundMoved:
    """Read what became of a refund."""
    refund = answer.read(words.Refund)
    if (refund.out_refund_no, refund.out_trade_no) != (asked.refund_no, asked.attempt_no):
        raise answer.useless("foreign_answer")
    return refund.fact()


def _paid(answer: Answer) -> QueryFact:
    try:
        return answer.read(words.Transaction).fact(FactSource.QUERY)
    except OverflowError:  # the last hours of the year 9999, in another time zone
        raise answer.useless(errors.UNREADABLE) from None
