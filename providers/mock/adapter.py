"""The mock provider behind the provider interface.

1. One method is one call: no state of ours, no repeats.
2. An answer counts only when it is signed, fresh, of that very call, and about the number asked.
3. Its notices are normalized events: they come by the door of those, and none is read here.
4. Believed answers are handed on to be kept, except those to opening: a payer waits for every one.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar

from contracts.attempt import (
    AttemptRequest,
    BilledRefund,
    Opened,
    PayerParameters,
    Redirect,
    RefundRequest,
)
from contracts.evidence import Evidence
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    Fact,
    PaymentNotPaid,
    QueryFact,
    RefundMoved,
)
from contracts.states import Channel
from providers.mock import errors, evidence, words
from providers.mock.client import Answer, Client
from providers.mock.settings import MockSettings
from providers.mock.words import MERCHANT_ID, PROVIDER
from providers.provider import (
    Capability,
    Keep,
    NoticeRefused,
    NoticeUnreadable,
    RefusalReason,
    VerifiedNotice,
    unkept,
)
from providers.watch import watched_call

_PAYMENTS: Final = "/mock/v1/payments"
_REFUNDS: Final = "/mock/v1/refunds"
# Numbers go into a path unescaped; ours are letters and digits.
_NUMBER = re.compile(r"[0-9A-Za-z_\-]{1,64}")
_TEXT_LENGTH = 500
_T = TypeVar("_T")


class MockPay:
    """The adapter. Use it as an asynchronous context manager, in one event loop."""

    name = PROVIDER
    channels = frozenset({Channel.MOCK})
    capabilities = frozenset(Capability) - {Capability.NOTICES, Capability.BILLS}
    tells_by_events = True
    merchant_id = MERCHANT_ID

    def __init__(self, settings: MockSettings, keep: Keep = unkept) -> None:
        self._keep = keep
        self._gateway = settings.gateway.rstrip("/")
        self._client = Client(settings)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def open(self, request: AttemptRequest) -> Opened:
        """See Provider.open."""
        wanted = _payment_words(request)

        def read(answer: Answer) -> Opened:
            payment = _own(answer, request.attempt_no)
            if payment.status in {"failed", "closed"}:
                raise errors.error_of("open", "PAYMENT_CLOSED")
            return Opened(reference=payment.txn_id, needs_payer=payment.status == "requires_action")

        return await self._call("open", request.channel, ("POST", _PAYMENTS, wanted), read)

    def payer_parameters(
        self,
        request: AttemptRequest,
        opened: Opened,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> PayerParameters:
        """See Provider.payer_parameters."""
        return Redirect(url=f"{self._gateway}/mock/pay/{request.attempt_no}")

    async def query(
        self,
        request: AttemptRequest,
        opened: Opened | None = None,  # noqa: ARG002 - our own number is enough
    ) -> QueryFact:
        """See Provider.query."""
        _require("query", _NUMBER.fullmatch(request.attempt_no) is not None)
        # Taken before the call: what is true then may not be when the answer arrives.
        asked_at = datetime.now(UTC)
        path = f"{_PAYMENTS}/{request.attempt_no}"
        return await self._call(
            "query",
            request.channel,
            ("GET", path, None),
            lambda answer: _asked(answer, request.attempt_no, asked_at),
            lambda answer: evidence.of_payment(answer, request.attempt_no),
        )

    async def close(
        self,
        request: AttemptRequest,
        opened: Opened | None = None,  # noqa: ARG002 - our own number is enough
    ) -> AttemptClosedAtProvider | None:
        """See Provider.close."""
        number = request.attempt_no
        _require("close", _NUMBER.fullmatch(number) is not None)

        def read(answer: Answer) -> AttemptClosedAtProvider | None:
            if answer.code in {"ALREADY_PAID", "NOT_FOUND"}:
                return None
            _own(answer, number)
            return AttemptClosedAtProvider(provider=PROVIDER, attempt_no=number)

        path = f"{_PAYMENTS}/{number}/close"
        return await self._call(
            "close",
            request.channel,
            ("POST", path, None),
            read,
            lambda answer: evidence.of_payment(answer, number),
        )

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """See Provider.refund."""
        wanted = _refund_words(request)
        return await self._call(
            "refund",
            None,
            ("POST", _REFUNDS, wanted),
            lambda answer: _refunded(answer, request),
            lambda answer: evidence.of_refund(answer, request.attempt_no, request.refund_no),
        )

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """See Provider.query_refund."""
        _require("query_refund", _NUMBER.fullmatch(refund.refund_no) is not None)

        def read(answer: Answer) -> RefundMoved | None:
            return None if answer.code == "NOT_FOUND" else _refunded(answer, refund)

        path = f"{_REFUNDS}/{refund.refund_no}"
        return await self._call(
            "query_refund",
            None,
            ("GET", path, None),
            read,
            lambda answer: evidence.of_refund(answer, refund.attempt_no, refund.refund_no),
        )

    def verify(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> VerifiedNotice:
        """See Provider.verify; no notice comes to this one."""
        raise NoticeRefused(RefusalReason.MALFORMED)

    def verify_stored(self, headers: Mapping[str, str], body: bytes) -> None:  # noqa: ARG002
        """See Provider.verify_stored; none was stored for this one."""
        raise NoticeRefused(RefusalReason.MALFORMED)

    def read(self, body: bytes) -> list[Fact]:  # noqa: ARG002
        """See Provider.read; there is nothing that this one could read."""
        raise NoticeUnreadable("no_notices")

    async def _call(
        self,
        operation: str,
        channel: Channel | None,
        call: tuple[str, str, dict[str, Any] | None],
        read: Callable[[Answer], _T],
        kept: Callable[[Answer], Evidence] | None = None,
    ) -> _T:
        faults = errors.CONFIGURATION_FAULTS
        with watched_call(PROVIDER, operation, channel, faults=faults) as outcome:
            answer = await self._client.send(operation, *call)
            outcome.code = answer.code
            told = read(answer)
        if kept is not None:
            self._keep(kept(answer))
        return told


def _payment_words(request: AttemptRequest) -> dict[str, Any]:
    confirmation = request.confirmation
    _require("open", _NUMBER.fullmatch(request.attempt_no) is not None)
    _require("open", request.merchant_id == MERCHANT_ID and request.amount.amount_minor > 0)
    if confirmation is None:
        raise errors.error_of("open", "not_sent")
    said = {} if confirmation.simulate is None else {"simulate": confirmation.simulate}
    return {
        "attempt_no": request.attempt_no,
        "order_id": confirmation.order_id,
        "intent_id": confirmation.intent_id,
        "amount": request.amount.amount_minor,
        "currency": request.amount.currency,
        "description": request.description[:_TEXT_LENGTH],
        "notify_url": request.notify_url,
        "expires_at": request.payable_until,
        **said,
    }


def _refund_words(request: RefundRequest) -> dict[str, Any]:
    _require("refund", _NUMBER.fullmatch(request.refund_no) is not None)
    _require("refund", 0 < request.amount.amount_minor <= request.paid.amount_minor)
    return {
        "refund_no": request.refund_no,
        "attempt_no": request.attempt_no,
        "amount": request.amount.amount_minor,
        "currency": request.amount.currency,
        "reason": request.reason[:_TEXT_LENGTH],
        "notify_url": request.notify_url,
    }


def _require(operation: str, holds: bool) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise errors.error_of(operation, "not_sent")


def _own(answer: Answer, attempt_no: str) -> words.Payment:
    payment = answer.read(words.Payment)
    if payment.attempt_no != attempt_no:
        raise errors.error_of(answer.operation, "foreign_answer")
    return payment


def _asked(answer: Answer, attempt_no: str, asked_at: datetime) -> QueryFact:
    if answer.code == "NOT_FOUND":
        return AttemptNotFound(provider=PROVIDER, attempt_no=attempt_no, asked_at=asked_at)
    payment = _own(answer, attempt_no)
    match payment.status:
        case "succeeded":
            return payment.fact(paid_at=payment.paid_at or asked_at)
        case "requires_action":
            return PaymentNotPaid(provider=PROVIDER, attempt_no=attempt_no, asked_at=asked_at)
        case "failed" | "closed":
            return AttemptClosedAtProvider(provider=PROVIDER, attempt_no=attempt_no)


def _refunded(answer: Answer, asked: RefundRequest | BilledRefund) -> RefundMoved:
    refund = answer.read(words.Refund)
    if (refund.refund_no, refund.attempt_no) != (asked.refund_no, asked.attempt_no):
        raise errors.error_of(answer.operation, "foreign_answer")
    return refund.fact()
