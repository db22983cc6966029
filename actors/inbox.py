"""From a stored notice to the turns it causes.

1. A notice is answered only after it is stored, and stored whether it is understood or not.
2. What is stored ends processed, quarantined or dead with a reason: never forgotten.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from opentelemetry import trace

from actors.actor import Actor
from actors.event_held import EventHeld
from actors.failpoints import Reach, nowhere
from actors.lane import Lane
from actors.metrics import NOTICES
from actors.normalized import NormalizedEvents, PaymentNotKnown
from actors.notice_ends import RETRY_SECONDS, NoticeEnds
from actors.notice_readers import Read, Readers
from actors.tracing import describe_order, link, work_span
from contracts.commands import RecordAttempt, RecordPayment, RecordRefund
from contracts.facts import Fact, PaymentSucceeded, RefundMoved, RefundSpotted, WholeFact
from contracts.states import NoticeStatus
from models import inbox
from models.engine import Database
from models.inbox import NewNotice, StoredNotice
from models.orders import attempt_of_payment, order_ids_of_attempts
from providers.provider import NoticeRefused, NoticeUnreadable, Provider, VerifiedNotice

log = structlog.get_logger("payments")

# Of a busy inbox; a sender waits for it, if only a program.
LINGER_SECONDS = 0.002
# A second or two of work; beyond it the sweep goes on, which survives us.
IN_BACKGROUND = 2000
# Twins come within seconds, when at all; ten thousand are seconds of the busiest sale.
SEEN = 10_000
# A payment's own notice may be some seconds behind that of its refund; then its provider is asked.
TRIES_BEFORE_ASKING = 3


class NotOurs(Exception):
    """Money goes back that something else on the same account has taken."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that was stored just now; *facts* None where it could not be read."""

    notice: StoredNotice
    facts: list[Fact] | None


class Inbox:
    """The notices of every provider, in this process; *events* reads normalized ones."""

    def __init__(
        self,
        *,
        actor: Actor,
        database: Database,
        providers: Mapping[str, Provider],
        events: NormalizedEvents | None = None,
        reach: Reach = nowhere,
        max_retries: int = len(RETRY_SECONDS),
    ) -> None:
        self._actor = actor
        self._max_retries = max_retries
        self._reach = reach
        self._database = database
        self._ends = NoticeEnds(database=database, reach=reach, max_retries=max_retries)
        self._readers = Readers(providers=providers, events=events)
        self._stores: Lane[NewNotice, StoredNotice | None] = Lane(
            "inbox", self._store_group, linger_seconds=LINGER_SECONDS
        )
        # Notices this process knows to be committed, and whether it knows them to be finished as
        # well: then their twins need no statement.
        self._seen: dict[tuple[str, str], bool] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._under_way: set[int] = set()
        self._resuming: set[tuple[str, str]] = set()

    async def store(
        self,
        verified: VerifiedNotice,
        headers: dict[str, str],
        body: bytes,
        trace_ctx: str | None,
    ) -> "Received | None":
        """Store a notice, committed when this returns; None when it was there already.

        :raises contracts.errors.Busy: not stored; the provider must send it again.
        """
        await self._reach("notice.verified")
        twin = (verified.provider, verified.event_id)
        if twin in self._seen:
            return None
        facts = self._readers.glance(verified.provider, headers, body)
        stored = await self._stores.submit(
            NewNotice(
                provider=verified.provider,
                event_id=verified.event_id,
                headers=headers,
                body=body,
                trace_ctx=trace_ctx,
                attempt_no=facts[0].attempt_no if facts else None,
            )
        )
        self._remember(twin)
        await self._reach("notice.stored")
        return None if stored is None else Received(notice=stored, facts=facts)

    def process_soon(self, received: "Received") -> None:
        """Process a notice in the background; what does not fit is left to the sweep."""
        self._do_soon(self._process(received.notice, received.facts))

    def resume_soon(self, twin: VerifiedNotice) -> None:
        """Finish a notice that came again before it was finished, in the background.

        Should it fail again that is no try: how often a sender repeats must bury nothing.
        """
        name = (twin.provider, twin.event_id)
        if self._seen.get(name):
            return
        if name not in self._resuming and len(self._background) < IN_BACKGROUND:
            self._resuming.add(name)
            self._do_soon(self._resume(name))

    def facts_of(
        self, twin: VerifiedNotice, headers: dict[str, str], body: bytes
    ) -> list[Fact] | None:
        """Read a notice that was stored before as :meth:`store` did then; None where nobody can."""
        return self._readers.glance(twin.provider, headers, body)

    async def attempt_of(self, fact: Fact) -> str:
        """Return the attempt that a fact names, or that its payment was of; empty if unknown."""
        txn = fact.provider_txn_id if isinstance(fact, RefundMoved | RefundSpotted) else None
        if fact.attempt_no or not txn:
            return fact.attempt_no
        return await attempt_of_payment(self._database, fact.provider, txn) or ""

    async def process(
        self, notice_id: int, *, is_claimed: bool = False, is_try: bool = True
    ) -> None:
        """Process a notice that waits, its signature checked again but never its age.

        *is_claimed*: the claim has counted this try already, in case nothing is heard of it.
        """
        notice = await inbox.load_unfinished(self._database, notice_id)
        if notice is None:
            return
        if is_claimed:
            notice = msgspec.structs.replace(notice, retry_count=notice.retry_count - 1)
        if notice.retry_count > self._max_retries:
            # Whoever tried did not live to say what is wrong with it.
            await self._ends.bury(notice, "unfinished")
            return
        try:
            self._readers.verify_stored(notice)
        except (KeyError, NoticeRefused) as failure:
            # The key may be away for a while; if it stays away, the last try buries the notice.
            await self._ends.put_off(notice, failure, is_try=is_try)
            return
        await self._process(notice, is_try=is_try)

    async def close(self) -> None:
        """Wait for what is being stored and processed."""
        await self._stores.close()
        if self._background:
            await asyncio.wait(self._background)

    def _do_soon(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._background) >= IN_BACKGROUND:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _resume(self, name: tuple[str, str]) -> None:
        try:
            notice_id = await inbox.find_unfinished(self._database, *name)
            if notice_id is None:
                self._remember(name, is_finished=True)
            elif notice_id not in self._under_way:
                await self.process(notice_id, is_try=False)
        except Exception as failure:  # noqa: BLE001 - the sweep takes it up all the same
            log.warning("payments.webhook.failed", provider=name[0], reason=type(failure).__name__)
        finally:
            self._resuming.discard(name)

    def _remember(self, notice: tuple[str, str], *, is_finished: bool = False) -> None:
        self._seen[notice] = is_finished
        if len(self._seen) > SEEN:
            del self._seen[next(iter(self._seen))]

    async def _store_group(self, notices: Sequence[NewNotice]) -> list[StoredNotice | None]:
        return await inbox.store(self._database, notices)

    async def _process(
        self, notice: StoredNotice, facts: list[Fact] | None = None, *, is_try: bool = True
    ) -> None:
        if notice.id in self._under_way:
            return
        self._under_way.add(notice.id)
        try:
            await self._process_once(notice, facts, is_try=is_try)
        finally:
            self._under_way.discard(notice.id)

    async def _process_once(
        self, notice: StoredNotice, facts: list[Fact] | None, *, is_try: bool
    ) -> None:
        about: dict[str, str | int] = {
            "guichet.provider": notice.provider,
            "guichet.notice.id": notice.id,
        }
        with work_span("inbox.process", attributes=about) as span:
            link(span, notice.trace_ctx)
            try:
                if facts is None:
                    told = await self._readers.read(notice)
                else:
                    told = Read(notice=notice, facts=facts)
                await self._reach("notice.read")
                await self._record_all(told)
            except NotOurs:
                await self._ends.set_aside(notice, "not_ours")
            except NoticeUnreadable as unreadable:
                await self._ends.bury(notice, unreadable.reason)
            except EventHeld as held:
                await self._ends.hold(notice, held)
            except Exception as failure:  # noqa: BLE001 - one notice must not stop the others
                await self._ends.put_off(notice, failure, is_try=is_try)

    async def _record_all(self, told: Read) -> None:
        notice, facts = told.notice, told.facts
        if not facts:
            await inbox.finish(self._database, notice.id, NoticeStatus.PROCESSED, told.reason)
        for told_fact in facts:
            known = notice.order_id if told_fact is facts[0] else None
            fact = await self._named(notice, await self._readers.whole(told_fact))
            order_id = known or await self._order_of(fact)
            if order_id is None:
                await self._ends.quarantine(notice, fact)
            else:
                turn = await self._actor.take_turn(_command(order_id, fact, notice.id))
                describe_order(trace.get_current_span(), turn.order)
        NOTICES.labels(provider=notice.provider, outcome="processed").inc()
        log.info("payments.webhook.processed", provider=notice.provider, notice_id=notice.id)

    async def _named(self, notice: StoredNotice, fact: WholeFact) -> WholeFact:
        """Name the attempt that a refund is about, where its provider names only the payment.

        :raises PaymentNotKnown: its notice may be on its way; try again later.
        :raises NotOurs: it never comes, for the payment was of something else.
        """
        if not isinstance(fact, RefundMoved) or fact.attempt_no or not fact.provider_txn_id:
            return fact
        number = await self.attempt_of(fact)
        if number:
            return msgspec.structs.replace(fact, attempt_no=number)
        if notice.retry_count >= TRIES_BEFORE_ASKING and await self._is_foreign(fact):
            raise NotOurs
        raise PaymentNotKnown

    async def _is_foreign(self, fact: RefundMoved) -> bool:
        told = await self._readers.attempt_no_of(fact)
        if told is None:
            return False
        # Another house that sells as we do may use the same account.
        return told not in await order_ids_of_attempts(self._database, [told])

    async def _order_of(self, fact: WholeFact) -> int | None:
        found = await order_ids_of_attempts(self._database, [fact.attempt_no])
        return found.get(fact.attempt_no)


def _command(
    order_id: int, fact: WholeFact, notice_id: int
) -> RecordPayment | RecordRefund | RecordAttempt:
    if isinstance(fact, PaymentSucceeded):
        return RecordPayment(order_id=order_id, fact=fact, notice_id=notice_id)
    if isinstance(fact, RefundMoved):
        return RecordRefund(order_id=order_id, fact=fact, notice_id=notice_id)
    return RecordAttempt(order_id=order_id, fact=fact, notice_id=notice_id)
