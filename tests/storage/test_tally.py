"""What turns tell the log and the metrics of money, in the words operators search for."""

from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from actors.actor import Actor
from contracts.commands import Cancel, RecordAttempt, RecordOpenFailed
from contracts.facts import AttemptClosedAtProvider, PaymentFailed, RefundOutcome
from contracts.order import Order
from models.engine import Database
from tests.storage.stage import (
    a_start,
    buy,
    opened,
    outcome_of,
    payment_of,
    put_on_sale,
    refund_of,
)


@pytest.fixture
async def order(actor: Actor, database: Database) -> Order:
    return await opened(actor, await buy(actor, await put_on_sale(database)))


def counted(metric: str, status: str) -> float:
    labels = {"status": status, "provider": "wechat"}
    return REGISTRY.get_sample_value(f"guichet_{metric}_status_total", labels) or 0.0


def told(lines: list[Any]) -> list[tuple[Any, ...]]:
    """Read the lines about how payments and refunds ended."""
    ends = ("payments.status.", "payments.refund.")
    return [
        (
            line["event"],
            line["provider"],
            line["order_id"],
            line.get("refund_no", line.get("attempt_no")),
        )
        for line in lines
        if line["event"].startswith(ends)
    ]


class TestAPayment:
    async def test_that_succeeded_is_told_once(self, actor: Actor, order: Order) -> None:
        before = counted("payment", "succeeded")
        with capture_logs() as lines:
            for _ in range(2):
                await actor.take_turn(payment_of(order))

        number = order.attempts[0].attempt_no
        assert told(lines) == [("payments.status.succeeded", "wechat", order.id, number)]
        assert counted("payment", "succeeded") == before + 1

    async def test_that_failed_is_told_once(self, actor: Actor, order: Order) -> None:
        before, number = counted("payment", "failed"), order.attempts[0].attempt_no
        fact = PaymentFailed(provider="wechat", attempt_no=number, code="PAYMENT_FAILED")
        with capture_logs() as lines:
            for _ in range(2):
                await actor.take_turn(RecordAttempt(order_id=order.id, fact=fact))

        assert told(lines) == [("payments.status.failed", "wechat", order.id, number)]
        assert counted("payment", "failed") == before + 1

    async def test_that_its_provider_refused_is_told(
        self, actor: Actor, database: Database
    ) -> None:
        order = await buy(actor, await put_on_sale(database))
        started = (await actor.take_turn(a_start(order))).order
        number = started.attempts[0].attempt_no
        with capture_logs() as lines:
            await actor.take_turn(
                RecordOpenFailed(order_id=order.id, attempt_no=number, burnt=True)
            )

        assert told(lines) == [("payments.status.failed", "wechat", order.id, number)]

    async def test_that_nobody_tried_is_no_failure(self, actor: Actor, order: Order) -> None:
        number = order.attempts[0].attempt_no
        closed = AttemptClosedAtProvider(provider="wechat", attempt_no=number)
        with capture_logs() as lines:
            await actor.take_turn(Cancel(order_id=order.id))
            await actor.take_turn(RecordAttempt(order_id=order.id, fact=closed))

        assert told(lines) == []


class TestARefund:
    @pytest.mark.parametrize(
        ("outcome", "status"),
        [(RefundOutcome.SUCCESS, "succeeded"), (RefundOutcome.CLOSED, "failed")],
    )
    async def test_is_told_when_it_ended(
        self, actor: Actor, order: Order, outcome: RefundOutcome, status: str
    ) -> None:
        await actor.take_turn(payment_of(order))
        asked = (await actor.take_turn(refund_of(order))).order
        before = counted("refund", status)
        with capture_logs() as lines:
            for one in (RefundOutcome.PROCESSING, outcome, outcome):
                await actor.take_turn(outcome_of(asked, one))

        number = asked.refunds[0].refund_no
        assert told(lines) == [(f"payments.refund.{status}", "wechat", order.id, number)]
        assert counted("refund", status) == before + 1
