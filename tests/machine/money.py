"""What the bank, the clock and the worker do to an order of the town."""

from datetime import UTC, datetime

from contracts.channels import Payer
from contracts.commands import Expire, RecordPayment, RecordRefund
from contracts.facts import (
    FactSource,
    PaymentSucceeded,
    RefundMoved,
    RefundOutcome,
)
from contracts.money import Money
from contracts.order import Order, Refund
from contracts.states import REFUNDS_UNDER_WAY, Channel, RefundStatus
from tests.faults.bank import NAME
from tests.machine.town import Town


async def prepare(town: Town, order: Order) -> None:
    """Open a way to pay."""
    await town.checkout.prepare(order, Channel.WECHAT_NATIVE, Payer(appid="wx1"))


async def pay(town: Town, order: Order) -> None:
    """Pay the oldest of what was ever opened and is not paid, and let the notice come."""
    for attempt in order.attempts:
        trade = town.bank.trades.get(attempt.attempt_no)
        if trade is not None and trade.status != "PAID":
            trade.status = "PAID"
            await _tell(town, order, attempt.attempt_no)
            return


async def expire(town: Town, order: Order) -> None:
    """Let time be up."""
    await town.database.execute(
        "UPDATE orders SET expired_at = now() - interval '1 s' WHERE id = $1", order.id
    )
    await town.actor.take_turn(Expire(order_id=order.id))


async def close_owed(town: Town, order: Order) -> None:
    """Close at the bank what is owed a close."""
    for attempt in order.live_attempts:
        if attempt.close_owed:
            await town.checkout.attempts.close(order.id, attempt.attempt_no)


async def pursue_refunds(town: Town, order: Order) -> None:
    """Take every refund under way a step further."""
    for refund in _under_way(order):
        await town.checkout.refunds.pursue(order.id, refund.refund_no)


async def end_refund(town: Town, order: Order, outcome: RefundOutcome) -> None:
    """Have the bank say how the oldest refund under way stands."""
    for refund in _under_way(order)[:1]:
        fact = _moved(refund.refund_no, refund.attempt_no, refund.amount, outcome)
        await town.actor.take_turn(RecordRefund(order_id=order.id, fact=fact))


async def send_back_a_refund(town: Town, order: Order) -> None:
    """Have the bank send back the oldest refund that had gone through."""
    gone = [refund for refund in order.refunds if refund.status is RefundStatus.SUCCEEDED]
    for refund in gone[:1]:
        fact = _moved(refund.refund_no, refund.attempt_no, refund.amount, RefundOutcome.CLOSED)
        await town.actor.take_turn(RecordRefund(order_id=order.id, fact=fact))


async def refund_past_us(town: Town, order: Order, amount_minor: int) -> None:
    """Send money back at the bank's own counter."""
    for payment in order.payments[:1]:
        number = f"console {len(order.refunds)} {order.id}"
        amount = Money(amount_minor=amount_minor, currency="CNY")
        fact = _moved(number, payment.attempt_no, amount, RefundOutcome.SUCCESS)
        await town.actor.take_turn(RecordRefund(order_id=order.id, fact=fact))


def _under_way(order: Order) -> list[Refund]:
    return [refund for refund in order.refunds if refund.status in REFUNDS_UNDER_WAY]


async def _tell(town: Town, order: Order, attempt_no: str) -> None:
    request = town.bank.trades[attempt_no].request
    fact = PaymentSucceeded(
        provider=NAME,
        attempt_no=attempt_no,
        provider_txn_id=f"T{attempt_no}",
        paid=request.amount,
        merchant_id=request.merchant_id,
        appid=request.appid,
        paid_at=datetime.now(UTC),
        source=FactSource.NOTICE,
    )
    await town.actor.take_turn(RecordPayment(order_id=order.id, fact=fact))


def _moved(number: str, attempt_no: str, amount: Money, outcome: RefundOutcome) -> RefundMoved:
    return RefundMoved(
        provider=NAME,
        attempt_no=attempt_no,
        refund_no=number,
        provider_refund_id=f"B{number}",
        refunded=amount,
        outcome=outcome,
        source=FactSource.NOTICE,
    )
