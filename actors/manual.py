"""What people who manage an event may do to an order's money."""

import asyncio

import msgspec
import structlog

from actors.actor import Actor
from actors.attempt_calls import AttemptCalls
from actors.calls import WAIT_SECONDS
from actors.decide_refund_request import earlier_refund
from contracts.commands import MarkPaid, RequestRefund
from contracts.events import RefundRequested
from contracts.order import Order, Refund
from contracts.states import OrderStatus

log = structlog.get_logger("payments")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that was asked for; none where there was no money to send back."""

    refund: Refund | None
    order: Order
    is_new: bool


async def ask_for_refund(actor: Actor, command: RequestRefund) -> Asked:
    """Owe money back and have the worker ask for it; the same key finds the same refund.

    :raises contracts.errors.Refusal: nothing is owed; the class says why.
    """
    turn = await actor.take_turn(command)
    number = next(
        (event.refund.refund_no for event in turn.events if isinstance(event, RefundRequested)),
        None,
    )
    refund = earlier_refund(turn.order, command) if number is None else turn.order.refund(number)
    return Asked(refund=refund, order=turn.order, is_new=number is not None)


async def mark_paid(actor: Actor, attempts: AttemptCalls, command: MarkPaid) -> Order:
    """Settle an order by hand, after no provider can take money for it any more.

    Money that is found at a provider on the way settles the order instead.

    :raises contracts.errors.Conflict: the order has ended, or an attempt is unresolved.
    """
    order = await actor.load(command.order_id)
    if order.live_attempts:
        await _close_all(attempts, order)
        order = await actor.load(command.order_id)
        if order.status is OrderStatus.PAID:
            return order
    return (await actor.take_turn(command)).order


async def _close_all(attempts: AttemptCalls, order: Order) -> None:
    closing = [attempts.settle_or_close(order.id, a.attempt_no) for a in order.live_attempts]
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.gather(*closing)
    except TimeoutError:
        log.info("payments.close.slow", order_id=order.id)
