"""Where a provider is called and a turn is taken: never one inside the other.

The committed attempt row is the claim to call: a turn, then the call, then a turn that records
what came back. Whoever dies in between leaves a row that a sweep or the next caller picks up.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog
from msgspec import structs
from opentelemetry import trace

from actors.actor import Actor
from actors.decide import refuse_unless_payable, usable_attempt
from actors.evidence import EvidenceTrail
from actors.failpoints import Reach, nowhere
from actors.metrics import PREPARED
from actors.payers import Merchant, attempt_words
from actors.sale import Sale
from actors.tracing import describe_order
from contracts import errors
from contracts.attempt import RefundRequest
from contracts.channels import Payer
from contracts.commands import (
    ApplyCoupon,
    Cancel,
    CreateOrder,
    RecordAttempt,
    RecordOpened,
    RecordOpenFailed,
    RecordPayment,
    RecordRefund,
    RecordRefundRefused,
    StartAttempt,
)
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentNotPaid,
    PaymentSucceeded,
    QueryFact,
    RefundMoved,
)
from contracts.order import Attempt, Order, Refund
from contracts.states import (
    REFUNDS_UNDER_WAY,
    AttemptState,
    Channel,
    OrderStatus,
    RefundKind,
)
from models.attempts import may_ask
from models.engine import CONFLICTS, Database
from models.refunds import (
    claim_refund,
    may_make_refund,
    note_refund_not_made,
    release_refund,
)
from models.sales import remember_found
from providers.provider import (
    Capability,
    NumberBurnt,
    OutcomeUnknown,
    Provider,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)

log = structlog.get_logger("payments")

Result = TypeVar("Result")

# How long a caller waits for another's provider call, or for a close, before it is told "later".
WAIT_SECONDS = 3.0
POLL_SECONDS = 0.1
# A refund is claimed for as long as both of its calls may take, and to write what they brought.
CLAIM_MARGIN_SECONDS = 5.0
# A buyer may press "I have paid" as often as they like; the provider is asked this often.
ASK_EVERY_SECONDS = 6.0

_STATUS_WORDS: dict[type[QueryFact], str] = {
    PaymentSucceeded: "SUCCESS",
    PaymentNotPaid: "NOTPAY",
    AttemptNotFound: "NOT_FOUND",
    AttemptClosedAtProvider: "CLOSED",
}


class Checkout:
    """Everything a payment needs from outside, for one process."""

    def __init__(
        self,
        *,
        actor: Actor,
        database: Database,
        providers: Mapping[str, Provider],
        merchants: Mapping[str, Merchant],
        trail: EvidenceTrail | None = None,
        reach: Reach = nowhere,
    ) -> None:
        self._actor = actor
        self._trail = trail
        self._database = database
        self._reach = reach
        self._providers = providers
        self._merchants = merchants
        self._calls: set[asyncio.Task[Any]] = set()

    async def prepare(
        self,
        order: Order,
        channel: Channel,
        payer: Payer,
        *,
        provider: str | None = None,
        is_claimed: bool = False,
    ) -> Order:
        """Make sure the order has an open attempt on *channel*; return the order with it.

        Safe to repeat: one provider call is made however many ask. It is opened at *provider*,
        unsaid where the order was last; what is open elsewhere is owed a close. *is_claimed* says
        that the caller made the order, and with it claimed what is to be opened now.

        :raises contracts.errors.Conflict: the order cannot be paid, or another caller is at it.
        :raises contracts.errors.ProviderNotConfigured: nobody can open this channel.
        :raises contracts.errors.ProviderUnavailable: try again; the order stays payable.
        :raises contracts.errors.ChargeRefused: the provider will not; the order stays payable.
        """
        merchant = self._merchants.get(provider or order.payment_channel)
        if merchant is None:
            raise errors.ProviderNotConfigured
        if not (is_claimed and _is_opening(order)):
            words = attempt_words(merchant, channel, payer)
            command = StartAttempt(order_id=order.id, **structs.asdict(words))
            try:
                order = (await self._actor.take_turn(command)).order
            except errors.PrepareInProgress:
                return await self._wait_for_opener(command)
        attempt = _trace(order).current_attempt
        assert attempt is not None
        if attempt.state is AttemptState.OPEN:
            return order
        # A payer who hangs up must not leave an attempt that nobody records.
        return await self._finish(self._open(order, attempt))

    async def buy(self, command: CreateOrder) -> Sale:
        """Sell seats, or find the waiting order of before and let it have the coupon now named.

        :raises contracts.errors.Refusal: as Actor.create and :meth:`apply_coupon` say.
        """
        sale = await self._actor.create(command)
        is_found = sale.is_existing and not sale.is_repeat
        if not is_found or sale.order_id is None or command.coupon_code is None:
            return sale
        order = await self.apply_coupon(sale.order_id, command.coupon_code)
        if command.idempotency_key is not None:
            # Whoever was quicker with the same key has remembered the same.
            with suppress(*CONFLICTS):
                async with self._database.transaction() as tx:
                    await remember_found(tx, [(command, order.id)])
        return structs.replace(sale, order=order)

    async def apply_coupon(self, order_id: int, code: str) -> Order:
        """Lower the price of an order that waits; repeating it changes nothing.

        What is open for the old price is closed at its provider first; where its provider cannot
        close it, the close is owed, and money for it goes back.

        :raises contracts.errors.CouponInvalid: the coupon takes off nothing there.
        :raises contracts.errors.Conflict: the order waits no more, has another coupon, or a
            payment of the old price is just being opened.
        :raises contracts.errors.ProviderUnavailable: the old price may still be paid; try again.
        """
        command = ApplyCoupon(order_id=order_id, code=code)
        try:
            return (await self._actor.take_turn(command)).order
        except errors.PrepareInProgress:
            order = await self._actor.load(order_id)
        unclosed = await self._close_live(order)
        command = structs.replace(command, unclosed=unclosed)
        try:
            return (await self._actor.take_turn(command)).order
        except errors.PrepareInProgress:
            if _is_opening(await self._actor.load(order_id)):
                raise
            raise errors.ProviderUnavailable from None

    async def cancel(self, order_id: int) -> Order:
        """Let the buyer leave; wait a moment for the provider to close what is open.

        :raises contracts.errors.InvalidState: the order is paid.
        """
        order = (await self._actor.take_turn(Cancel(order_id=order_id))).order
        if order.status is not OrderStatus.CLOSING:
            return order
        await self._close_live(order)
        return await self._actor.load(order_id)

    async def query(self, order_id: int) -> tuple[Order, str | None]:
        """Ask the provider what became of an order now, and settle on its word.

        The second value is the provider's answer, None when it was not asked: nothing is open,
        or somebody asked a moment ago.
        """
        order = await self._actor.load(order_id)
        if not order.live_attempts:
            return order, None
        # The newest is what the payer sees; an older one may have been paid before it was closed.
        newest, *older = [attempt.attempt_no for attempt in reversed(order.live_attempts)]
        if not await may_ask(self._database, newest, ASK_EVERY_SECONDS):
            return order, None
        told = await self.look(order_id, newest)
        for attempt_no in older:
            if isinstance(told, PaymentSucceeded):
                break
            fact = await self.look(order_id, attempt_no)
            told = fact if isinstance(fact, PaymentSucceeded) else told
        return await self._actor.load(order_id), _STATUS_WORDS[type(told)] if told else None

    async def look(self, order_id: int, attempt_no: str) -> QueryFact | None:
        """Ask the provider about one attempt and record the answer; None when it gave none."""
        attempt = _trace(await self._actor.load(order_id)).attempt(attempt_no)
        if attempt is None:
            raise errors.NotFound
        try:
            await self._reach("query.calling")
            provider = self._provider(attempt.request.provider, "query")
            fact = await provider.query(attempt.request, attempt.opened)
            await self._reach("query.called")
        except ProviderError as failure:
            _note("payments.query.failed", order_id, attempt_no, failure)
            return None
        await self._record(order_id, fact)
        await self._show_evidence(attempt_no)
        return fact

    async def close_attempt(self, order_id: int, attempt_no: str) -> bool:
        """Have one attempt closed at its provider and record it; quiet failure means later.

        False where its provider has nothing that it could close, now or ever.
        """
        attempt = _trace(await self._actor.load(order_id)).attempt(attempt_no)
        if attempt is None or not attempt.is_live or self._is_too_young(attempt):
            return True
        try:
            await self._reach("close.calling")
            provider = self._provider(attempt.request.provider, "close")
            closed = await provider.close(attempt.request, attempt.opened)
            await self._reach("close.called")
        except ProviderRefused as refused:
            # It will not close this one, so only a query can tell when it is over.
            _note("payments.close.refused", order_id, attempt_no, refused)
            closed = None
        except ProviderError as failure:
            _note("payments.close.failed", order_id, attempt_no, failure)
            return True
        if closed is None:
            told = await self.look(order_id, attempt_no)
            return told is None or self._can_be_closed(attempt, told)
        await self._record(order_id, closed)
        return True

    async def settle_or_close(self, order_id: int, attempt_no: str) -> None:
        """Ask about an attempt, then have it closed if it is still open; quiet failure means later.

        A caller who goes away must not leave a call whose answer nobody records.
        """
        if not isinstance(await self._finish(self.look(order_id, attempt_no)), PaymentSucceeded):
            await self._finish(self.close_attempt(order_id, attempt_no))

    async def pursue_refund(self, order_id: int, refund_no: str) -> bool:
        """Take one refund a step further; quiet failure means later.

        The provider is asked about the number before it is told to move money: after a lost
        answer it may have moved it already. One caller does so at a time, whoever they are and in
        whatever process; False says that another was at it.
        """
        order = _trace(await self._actor.load(order_id))
        refund = order.refund(refund_no)
        if refund is None or refund.status not in REFUNDS_UNDER_WAY:
            return True
        if refund.kind is not RefundKind.OURS:
            # Asking for a payer's dispute would send the same money back a second time.
            return True
        try:
            call_seconds = self._merchant(refund.provider, "refund").call_seconds
        except ProviderUnreachable as failure:
            _note("payments.refund.call_failed", order_id, refund_no, failure)
            return True
        seconds = 2 * call_seconds + CLAIM_MARGIN_SECONDS
        claim = await claim_refund(self._database, refund_no, seconds=seconds)
        if claim is None:
            return False
        try:
            await self._pursue(order, refund)
        finally:
            await release_refund(self._database, refund_no, claim)
        return True

    async def open_attempt(self, order: Order, attempt_no: str) -> Order:
        """Open the attempt that the caller has just claimed; it shows how that went.

        A payer who hangs up must not leave an attempt that nobody records.
        """
        attempt = _trace(order).attempt(attempt_no)
        assert attempt is not None
        try:
            return await self._finish(self._open(order, attempt))
        except (errors.ProviderUnavailable, errors.ChargeRefused):
            return await self._actor.load(order.id)

    async def look_briefly(self, order_id: int, attempt_no: str) -> Order:
        """Ask about one attempt as :meth:`look` does, and wait for the answer a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._finish(self.look(order_id, attempt_no))
        return await self._actor.load(order_id)

    async def pursue_briefly(self, order_id: int, refund_no: str) -> Order:
        """Take a refund a step further as :meth:`pursue_refund` does, and wait a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                # Another process may be at it, so there is nothing here to be woken by.
                while not await self._finish(  # noqa: ASYNC110
                    self.pursue_refund(order_id, refund_no)
                ):
                    await asyncio.sleep(POLL_SECONDS)
        return await self._actor.load(order_id)

    def pursue_soon(self, order_id: int, refund_no: str) -> None:
        """Take a refund a step further behind the caller's back; the worker is the net."""
        task = asyncio.get_running_loop().create_task(self._pursue_quietly(order_id, refund_no))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def close(self) -> None:
        """Wait for the provider calls in flight."""
        if self._calls:
            await asyncio.wait(self._calls)

    async def _pursue(self, order: Order, refund: Refund) -> None:
        order_id, refund_no = order.id, refund.refund_no
        try:
            moved = await self._move(self._refund_request(order, refund))
        except ProviderRefused as refused:
            await self._actor.take_turn(
                RecordRefundRefused(order_id=order_id, refund_no=refund_no, code=refused.code)
            )
        except ProviderError as failure:
            _note("payments.refund.call_failed", order_id, refund_no, failure)
        else:
            await self._record_refund(order_id, moved)

    async def _pursue_quietly(self, order_id: int, refund_no: str) -> None:
        try:
            await self.pursue_refund(order_id, refund_no)
        except Exception as error:  # noqa: BLE001 - nobody waits for it, and the worker repeats it
            log.warning("payments.refund.later", order_id=order_id, error=type(error).__name__)

    async def _close_live(self, order: Order) -> frozenset[str]:
        """Have what is open closed at its provider, and wait for that a moment.

        Return what no provider could close.
        """
        numbers = [attempt.attempt_no for attempt in order.live_attempts]
        closing = [self.close_attempt(order.id, number) for number in numbers]
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                within_reach = await asyncio.gather(*(self._finish(close) for close in closing))
        except TimeoutError:
            log.info("payments.close.slow", order_id=order.id)
            return frozenset()
        pairs = zip(numbers, within_reach, strict=True)
        return frozenset(number for number, is_within in pairs if not is_within)

    async def _open(self, order: Order, attempt: Attempt) -> Order:
        channel = attempt.request.channel
        try:
            await self._reach("open.calling")
            provider = self._provider(attempt.request.provider, "open")
            opened = await provider.open(attempt.request)
            await self._reach("open.called")
        except ProviderError as failure:
            _note("payments.open.failed", order.id, attempt.attempt_no, failure)
            PREPARED.labels(channel=channel, outcome=type(failure).__name__).inc()
            await self._actor.take_turn(
                RecordOpenFailed(
                    order_id=order.id,
                    attempt_no=attempt.attempt_no,
                    burnt=isinstance(failure, ProviderRefused),
                )
            )
            if isinstance(failure, ProviderRefused) and not isinstance(failure, NumberBurnt):
                raise errors.ChargeRefused(providerCode=failure.code) from failure
            raise errors.ProviderUnavailable from failure
        PREPARED.labels(channel=channel, outcome="opened").inc()
        turn = await self._actor.take_turn(
            RecordOpened(
                order_id=order.id, attempt_no=attempt.attempt_no, opened=opened, seen=order
            )
        )
        await self._show_evidence(attempt.attempt_no)
        return turn.order

    async def _show_evidence(self, attempt_no: str) -> None:
        """Let whoever looks next see what the provider has just sent; wait a moment at most."""
        if self._trail is None or self._trail.is_settled(attempt_no):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._trail.settled(attempt_no)

    async def _wait_for_opener(self, command: StartAttempt) -> Order:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_SECONDS
        while loop.time() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            order, now = await self._actor.load(command.order_id), datetime.now(UTC)
            refuse_unless_payable(order, now)
            if usable_attempt(order, command, now) is not None:
                return order
            attempt = order.current_attempt
            if attempt is None or attempt.state is AttemptState.UNKNOWN:
                raise errors.ProviderUnavailable
            if attempt.state is AttemptState.OPEN:
                # Opened for somebody elsewhere: that one is not ours to show.
                break
        raise errors.PrepareInProgress

    async def _record(self, order_id: int, fact: QueryFact) -> None:
        if isinstance(fact, PaymentSucceeded):
            await self._actor.take_turn(RecordPayment(order_id=order_id, fact=fact))
        else:
            await self._actor.take_turn(RecordAttempt(order_id=order_id, fact=fact))

    async def _move(self, request: RefundRequest) -> RefundMoved:
        provider = self._provider(request.provider, "query_refund")
        try:
            moved = await provider.query_refund(request)
        except ProviderRefused as refused:
            # A refused question says nothing about the money.
            raise OutcomeUnknown(refused.provider, refused.operation, refused.code) from refused
        if moved is None:
            moved = await self._make(provider, request)
        return moved

    async def _make(self, provider: Provider, request: RefundRequest) -> RefundMoved:
        pause_seconds = self._merchant(request.provider, "refund").refund_pause_seconds
        number = request.refund_no
        # Noted before the call: who dies in it must not leave a number that is made again at once.
        if pause_seconds and not await may_make_refund(
            self._database, number, every_seconds=pause_seconds
        ):
            raise OutcomeUnknown(provider.name, "refund", "made_before")
        try:
            await self._reach("refund.calling")
            moved = await provider.refund(request)
            await self._reach("refund.called")
        except ProviderUnreachable:
            if pause_seconds:
                await note_refund_not_made(self._database, number)
            raise
        return moved

    async def _record_refund(self, order_id: int, moved: RefundMoved) -> None:
        await self._actor.take_turn(RecordRefund(order_id=order_id, fact=moved))

    def _refund_request(self, order: Order, refund: Refund) -> RefundRequest:
        return RefundRequest(
            refund_no=refund.refund_no,
            attempt_no=refund.attempt_no,
            provider=refund.provider,
            provider_txn_id=refund.provider_txn_id,
            amount=refund.amount,
            paid=order.payment_of(refund).paid,
            reason=refund.reason,
            notify_url=self._merchant(refund.provider, "refund").notify_url,
        )

    def _provider(self, name: str, operation: str) -> Provider:
        """Find who is to be called.

        :raises ProviderUnreachable: they were taken out of the settings; it is as if they were
            away, until they are back.
        """
        try:
            return self._providers[name]
        except KeyError:
            raise ProviderUnreachable(name, operation, "not_configured") from None

    def _merchant(self, name: str, operation: str) -> Merchant:
        try:
            return self._merchants[name]
        except KeyError:
            raise ProviderUnreachable(name, operation, "not_configured") from None

    def _can_be_closed(self, attempt: Attempt, told: QueryFact) -> bool:
        if isinstance(told, PaymentNotPaid):
            return (
                Capability.CLOSE in self._provider(attempt.request.provider, "close").capabilities
            )
        return not isinstance(told, AttemptNotFound)

    def _is_too_young(self, attempt: Attempt) -> bool:
        merchant = self._merchants.get(attempt.request.provider)
        age = timedelta(seconds=merchant.close_min_age_seconds if merchant else 0)
        return attempt.opened_at is not None and datetime.now(UTC) < attempt.opened_at + age

    async def _finish(self, call: Coroutine[Any, Any, Result]) -> Result:
        """Run a provider call to its end even when whoever asked for it is gone."""
        task = asyncio.get_running_loop().create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return await asyncio.shield(task)


def _is_opening(order: Order) -> bool:
    attempt = order.current_attempt
    return attempt is not None and attempt.state is AttemptState.OPENING


def _trace(order: Order) -> Order:
    # The provider call that follows is a span below this one, and is about the same order.
    describe_order(trace.get_current_span(), order)
    return order


def _note(event: str, order_id: int, number: str, failure: ProviderError) -> None:
    log.warning(
        event,
        order_id=order_id,
        number=number,
        provider=failure.provider,
        code=failure.code,
    )
