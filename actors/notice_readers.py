"""Who can read a stored notice: its headers say whether it is its provider's or a normalized event.

Only what its signature is made of is stored of a notice's headers, so nobody chooses their reader.
"""

from collections.abc import Mapping

import msgspec

from actors.normalized import NormalizedEvents, is_normalized
from contracts.attempt import BilledRefund
from contracts.facts import Fact, RefundMoved, RefundSpotted, WholeFact
from models.inbox import StoredNotice
from providers.provider import (
    NamesPayments,
    NoticeRefused,
    OutcomeUnknown,
    Provider,
    RefusalReason,
)


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that was read; *reason* says why it is over where it told no facts."""

    notice: StoredNotice
    facts: list[Fact]
    reason: str = "no_money"


class Readers:
    """The providers' own reading, and that of normalized events where their secret is set."""

    def __init__(
        self, *, providers: Mapping[str, Provider], events: NormalizedEvents | None
    ) -> None:
        self._providers = providers
        self._events = events

    def glance(self, provider: str, headers: Mapping[str, str], body: bytes) -> list[Fact] | None:
        """Read a notice if that is possible at once; why it is not is found out later."""
        if is_normalized(headers):
            return None
        try:
            return self._providers[provider].read(body)
        except Exception:  # noqa: BLE001 - nothing may keep a genuine notice from being stored
            return None

    def verify_stored(self, notice: StoredNotice) -> None:
        """Check a notice's signature again, never its age.

        :raises KeyError: its provider is not set up any more.
        :raises NoticeRefused: the key is gone or the row was altered; a person must look.
        """
        if is_normalized(notice.headers):
            self._of_events().verify_stored(notice.headers, notice.body)
        else:
            self._providers[notice.provider].verify_stored(notice.headers, notice.body)

    async def read(self, notice: StoredNotice) -> Read:
        """Read a notice; an event says which order is its own.

        :raises NoticeUnreadable: keep the row; a person must look.
        :raises actors.event_held.EventHeld: nothing may move by it; a person must look.
        """
        if not is_normalized(notice.headers):
            return Read(notice=notice, facts=self._providers[notice.provider].read(notice.body))
        resolved = await self._of_events().resolve(notice.body)
        notice = msgspec.structs.replace(notice, order_id=resolved.order_id)
        return Read(notice=notice, facts=resolved.facts, reason=resolved.reason)

    async def whole(self, fact: Fact) -> WholeFact:
        """Ask its provider for what a fact does not say.

        :raises ProviderError: nothing was learnt; ask again later.
        """
        if not isinstance(fact, RefundSpotted):
            return fact
        spotted = BilledRefund(
            attempt_no=fact.attempt_no,
            refund_no=fact.refund_no,
            provider_txn_id=fact.provider_txn_id,
        )
        moved = await self._providers[fact.provider].query_refund(spotted)
        if moved is None:
            raise OutcomeUnknown(fact.provider, "query_refund", "not_found")
        return moved

    async def attempt_no_of(self, fact: RefundMoved) -> str | None:
        """Ask which attempt paid what goes back; empty: none of ours, None: nobody can tell.

        :raises ProviderError: nothing was learnt; ask again later.
        """
        provider = self._providers[fact.provider]
        if not isinstance(provider, NamesPayments) or not fact.provider_txn_id:
            return None
        return await provider.attempt_no_of(fact.provider_txn_id)

    def _of_events(self) -> NormalizedEvents:
        if self._events is None:
            raise NoticeRefused(RefusalReason.UNKNOWN_SERIAL)
        return self._events
