"""The one interface every provider is spoken to through.

::

    ProviderError
    ├── ProviderRefused       a definite no; nothing moved. Do not repeat as it is.
    │   └── NumberBurnt       the number is of no use any more: wish again, under another one.
    ├── ProviderUnreachable   the call never took effect. Repeat it as it is, later.
    └── OutcomeUnknown        it may have taken effect. Query with the same number.
    NoticeRefused             not from the provider, or not now: answer 401, count, never store.
    NoticeUnreadable          from the provider, but we cannot read it: store, a person must look.

1. An adapter has no state of ours, no database and no retry loop.
2. Every success it reports is a verified statement: a signed answer or a signed notice.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from contracts.attempt import (
    AttemptRequest,
    BilledRefund,
    Opened,
    PayerParameters,
    RefundRequest,
)
from contracts.evidence import Evidence
from contracts.facts import AttemptClosedAtProvider, Fact, QueryFact, RefundMoved
from contracts.states import Channel


class ProviderError(Exception):
    """A provider did not do what it was asked.

    *code* is the provider's own error code, from a closed set, fit for metrics.
    """

    def __init__(self, provider: str, operation: str, code: str) -> None:
        super().__init__(f"{provider} {operation}: {code}")
        self.provider = provider
        self.operation = operation
        self.code = code


class ProviderRefused(ProviderError):
    """A definite no: nothing moved, and the same call will be refused again."""


class NumberBurnt(ProviderRefused):
    """Nothing was opened under the number, nor ever will be: wish again, under another one."""


class ProviderUnreachable(ProviderError):
    """The call took no effect (no connection, rate limit): repeat it as it is, later."""


class OutcomeUnknown(ProviderError):
    """The call may have taken effect (timeout, 5xx, unsigned answer): query the same number."""


class RefusalReason(StrEnum):
    """Why a notice was turned away at the door; a metric label, never shown in detail."""

    MALFORMED = "malformed"
    SIGNTEST = "signtest"
    STALE = "stale"
    UNKNOWN_SERIAL = "unknown_key"
    BAD_SIGNATURE = "bad_signature"


class NoticeRefused(Exception):
    """The notice does not prove that it comes from the provider now."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class NoticeUnreadable(Exception):
    """A genuine notice whose contents we cannot read; *reason* is fit for logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class VerifiedNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice whose signature holds; its contents are not read yet.

    *event_id* is the provider's id of the notice, or a hash of the body where none can be read.
    *serial* names the key that verified it, so that a replay can check again.
    """

    provider: str
    event_id: str
    serial: str


class Capability(StrEnum):
    """What a provider can do for us; who lacks one refuses it as ``unsupported``."""

    OPEN = "open"
    QUERY = "query"
    CLOSE = "close"
    REFUND = "refund"
    QUERY_REFUND = "query_refund"
    NOTICES = "notices"
    BILLS = "bills"


class Keep(Protocol):
    """Where an adapter leaves what its provider sent; it neither waits for that nor fails by it."""

    def __call__(self, evidence: Evidence, /) -> None:
        """Keep one object, scrubbed of what opens or pays anything."""


def unkept(evidence: Evidence) -> None:
    """Keep nothing."""


class Provider(Protocol):
    """What we may ask of a provider, whoever it is."""

    @property
    def name(self) -> str:
        """Our word for the provider, as stored in rows."""

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels it can open."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can be asked for."""

    async def open(self, request: AttemptRequest) -> Opened:
        """Open an attempt. Repeating the same request is safe.

        :raises ProviderRefused: the number is burnt or the request is wrong; use a new attempt.
        :raises ProviderUnreachable: repeat later with the same request.
        :raises OutcomeUnknown: repeat with the same request, or query.
        """

    def payer_parameters(
        self, request: AttemptRequest, opened: Opened, now: datetime
    ) -> PayerParameters:
        """Say what the payer's client needs to pay an open attempt. No network.

        Signatures are made anew each time, so that they are fresh at *now*.

        :raises ProviderRefused: what was opened is not for the request's channel.
        """

    async def query(self, request: AttemptRequest, opened: Opened | None = None) -> QueryFact:
        """Ask what became of an attempt; *opened* is what opening it brought, where that is known.

        :raises ProviderError: nothing was learnt; ask again later.
        """

    async def close(
        self, request: AttemptRequest, opened: Opened | None = None
    ) -> AttemptClosedAtProvider | None:
        """Make the provider never take money for an attempt; None when it says to query instead.

        None covers "already paid" and "unknown number": a query tells which. Safe to repeat.

        :raises ProviderError: not closed as far as we know; try again later.
        """

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """Ask for money to go back. Repeating the same number is safe and moves money once.

        Accepted is not refunded: look at the outcome.

        :raises ProviderRefused: a definite no; nothing moved.
        :raises ProviderUnreachable: repeat later with the same number.
        :raises OutcomeUnknown: query the same number before anything else.
        """

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """Ask what became of a refund; None when the provider never accepted the number.

        :raises ProviderError: nothing was learnt; ask again later.
        """

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> VerifiedNotice:
        """Check that *body* comes from the provider and is fresh at *now*. No network.

        *headers* has lower-case names.

        :raises NoticeRefused: answer 401; store nothing.
        """

    def verify_stored(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check a stored notice's signature again, never its age.

        :raises NoticeRefused: the key is gone or the row was altered; a person must look.
        """

    def read(self, body: bytes) -> list[Fact]:
        """Turn a verified notice into facts; empty where it says nothing about money.

        :raises NoticeUnreadable: keep the row; a person must look.
        """


@runtime_checkable
class NamesPayments(Protocol):
    """A provider that tells by its own number of a payment whether we asked for it."""

    async def attempt_no_of(self, provider_txn_id: str) -> str:
        """Return our number as the payment carries it; empty where something else sold it.

        :raises ProviderError: nothing was learnt; ask again later.
        """


@runtime_checkable
class KeepsBills(Provider, Protocol):
    """A provider that writes down each day's refunds, whoever asked for them."""

    async def billed_refunds(self, day: date) -> Sequence[BilledRefund]:
        """List the refunds of a past day of the provider's own calendar; none, if it was quiet.

        A bill only names refunds: what became of one is for query_refund to tell.

        :raises ProviderRefused: it keeps no bill of that day any more, or none yet.
        :raises ProviderUnreachable: the bill is not made yet; come back later.
        :raises OutcomeUnknown: the bill cannot be read, or not believed; come back later.
        """


async def read_bill(provider: Provider, day: date) -> Sequence[BilledRefund]:
    """See KeepsBills.billed_refunds.

    :raises ProviderRefused: also, as ``unsupported``, where a provider keeps no bills.
    """
    if not isinstance(provider, KeepsBills):
        raise ProviderRefused(provider.name, "bill", "unsupported")
    return await provider.billed_refunds(day)
