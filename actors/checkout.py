"""Where a provider is called and a turn is taken: never one inside the other.

The committed attempt row is the claim to call: a turn, then the call, then a turn that records
what came back. Whoever dies in between leaves a row that a sweep or the next caller picks up.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from msgspec import structs

from actors.actor import Actor
from actors.attempt_calls import AttemptCalls
from actors.calls import POLL_SECONDS, WAIT_SECONDS, Calls, traced
from actors.decide_attempt import refuse_unless_payable, usable_attempt
from actors.evidence import EvidenceTrail
from actors.failpoints import Reach, nowhere
from actors.payers import Merchant, attempt_words
from actors.refund_calls import RefundCalls
from actors.sale import Sale
from contracts import errors
from contracts.channels import Payer
from contracts.commands import ApplyCoupon, Cancel, CreateOrder, StartAttempt
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentNotPaid,
    PaymentSucceeded,
    QueryFact,
)
from contracts.order import Order
from contracts.states import AttemptState, Channel, OrderStatus
from models.attempts import may_ask
from models.engine import CONFLICTS, Database
from models.sales import remember_found
from providers.provider import Provider

log = structlog.get_logger("payments")

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
        self._database = database
        self._calls = Calls(providers=providers, merchants=merchants)
        self.attempts = AttemptCalls(actor=actor, calls=self._calls, trail=trail, reach=reach)
        self.refunds = RefundCalls(actor=actor, database=database, calls=self._calls, reach=reach)

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
        merchant = self._calls.merchants.get(provider or order.payment_channel)
        if merchant is None:
            raise errors.ProviderNotConfigured
        if not (is_claimed and _is_opening(order)):
            words = attempt_words(merchant, channel, payer)
            command = StartAttempt(order_id=order.id, **structs.asdict(words))
            try:
                order = (await self._actor.take_turn(command)).order
            except errors.PrepareInProgress:
                return await self._wait_for_opener(command)
        attempt = traced(order).current_attempt
        assert attempt is not None
        if attempt.state is AttemptState.OPEN:
            return order
        return await self.attempts.open(order, attempt)

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
        told = await self.attempts.look(order_id, newest)
        for attempt_no in older:
            if isinstance(told, PaymentSucceeded):
                break
            fact = await self.attempts.look(order_id, attempt_no)
            told = fact if isinstance(fact, PaymentSucceeded) else told
        return await self._actor.load(order_id), _STATUS_WORDS[type(told)] if told else None

    async def _close_live(self, order: Order) -> frozenset[str]:
        """Have what is open closed at its provider, and wait for that a moment.

        Return what no provider could close.
        """
        numbers = [attempt.attempt_no for attempt in order.live_attempts]
        closing = [self.attempts.close(order.id, number) for number in numbers]
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                within_reach = await asyncio.gather(
                    *(self._calls.finish(close) for close in closing)
                )
        except TimeoutError:
            log.info("payments.close.slow", order_id=order.id)
            return frozenset()
        pairs = zip(numbers, within_reach, strict=True)
        return frozenset(number for number, is_within in pairs if not is_within)

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

    async def close(self) -> None:
        """Wait for the provider calls in flight."""
        await self._calls.close()


def _is_opening(order: Order) -> bool:
    attempt = order.current_attempt
    return attempt is not None and attempt.state is AttemptState.OPENING
