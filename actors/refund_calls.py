"""A refund is asked for at its provider, and asked about, one caller at a time.

A call, then a turn: never one inside the other. Before the call the refund is owed by a turn, and
claimed.
"""

import asyncio
from contextlib import suppress

import structlog

from actors.actor import Actor
from actors.calls import POLL_SECONDS, WAIT_SECONDS, Calls, note, traced
from actors.failpoints import Reach, nowhere
from contracts.attempt import RefundRequest
from contracts.commands import RecordRefund, RecordRefundRefused
from contracts.facts import RefundMoved
from contracts.order import Order, Refund
from contracts.states import REFUNDS_UNDER_WAY, RefundKind
from models.engine import Database
from models.refunds import (
    claim_refund,
    may_make_refund,
    note_refund_not_made,
    release_refund,
)
from providers.provider import (
    OutcomeUnknown,
    Provider,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)

log = structlog.get_logger("payments")

# A refund is claimed for as long as both of its calls may take, and to write what they brought.
CLAIM_MARGIN_SECONDS = 5.0


class RefundCalls:
    """Speaks with providers about refunds, for one process."""

    def __init__(
        self, *, actor: Actor, database: Database, calls: Calls, reach: Reach = nowhere
    ) -> None:
        self._actor = actor
        self._database = database
        self._calls = calls
        self._reach = reach

    async def pursue(self, order_id: int, refund_no: str) -> bool:
        """Take one refund a step further; quiet failure means later.

        The provider is asked about the number before it is told to move money: after a lost
        answer it may have moved it already. One caller does so at a time, whoever they are and in
        whatever process; False says that another was at it.
        """
        order = traced(await self._actor.load(order_id))
        refund = order.refund(refund_no)
        if refund is None or refund.status not in REFUNDS_UNDER_WAY:
            return True
        if refund.kind is not RefundKind.OURS:
            # Asking for a payer's dispute would send the same money back a second time.
            return True
        try:
            call_seconds = self._calls.merchant(refund.provider, "refund").call_seconds
        except ProviderUnreachable as failure:
            note("payments.refund.call_failed", order_id, refund_no, failure)
            return True
        seconds = 2 * call_seconds + CLAIM_MARGIN_SECONDS
        claim = await claim_refund(self._database, refund_no, seconds=seconds)
        if claim is None:
            return False
        try:
            await self._go_on(order, refund)
        finally:
            await release_refund(self._database, refund_no, claim)
        return True

    async def pursue_briefly(self, order_id: int, refund_no: str) -> Order:
        """Take a refund a step further as :meth:`pursue` does, and wait a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                # Another process may be at it, so there is nothing here to be woken by.
                while not await self._calls.finish(  # noqa: ASYNC110
                    self.pursue(order_id, refund_no)
                ):
                    await asyncio.sleep(POLL_SECONDS)
        return await self._actor.load(order_id)

    def pursue_soon(self, order_id: int, refund_no: str) -> None:
        """Take a refund a step further behind the caller's back; the worker is the net."""
        self._calls.begin(self._pursue_quietly(order_id, refund_no))

    async def _pursue_quietly(self, order_id: int, refund_no: str) -> None:
        try:
            await self.pursue(order_id, refund_no)
        except Exception as error:  # noqa: BLE001 - nobody waits for it, and the worker repeats it
            log.warning("payments.refund.later", order_id=order_id, error=type(error).__name__)

    async def _go_on(self, order: Order, refund: Refund) -> None:
        order_id, refund_no = order.id, refund.refund_no
        try:
            moved = await self._move(self._refund_request(order, refund))
        except ProviderRefused as refused:
            await self._actor.take_turn(
                RecordRefundRefused(order_id=order_id, refund_no=refund_no, code=refused.code)
            )
        except ProviderError as failure:
            note("payments.refund.call_failed", order_id, refund_no, failure)
        else:
            await self._actor.take_turn(RecordRefund(order_id=order_id, fact=moved))

    async def _move(self, request: RefundRequest) -> RefundMoved:
        provider = self._calls.provider(request.provider, "query_refund")
        try:
            moved = await provider.query_refund(request)
        except ProviderRefused as refused:
            # A refused question says nothing about the money.
            raise OutcomeUnknown(refused.provider, refused.operation, refused.code) from refused
        if moved is None:
            moved = await self._make(provider, request)
        return moved

    async def _make(self, provider: Provider, request: RefundRequest) -> RefundMoved:
        pause_seconds = self._calls.merchant(request.provider, "refund").refund_pause_seconds
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

    def _refund_request(self, order: Order, refund: Refund) -> RefundRequest:
        return RefundRequest(
            refund_no=refund.refund_no,
            attempt_no=refund.attempt_no,
            provider=refund.provider,
            provider_txn_id=refund.provider_txn_id,
            amount=refund.amount,
            paid=order.payment_of(refund).paid,
            reason=refund.reason,
            notify_url=self._calls.merchant(refund.provider, "refund").notify_url,
        )
