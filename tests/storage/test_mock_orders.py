"""Orders paid at the mock provider: the real database, the real adapter, the real simulator."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from actors.actor import Actor
from actors.checkout import Checkout
from actors.payers import Merchant
from contracts.attempt import Confirmation
from contracts.commands import RecordOpened, RecordOpenFailed, StartAttempt
from contracts.order import Order
from contracts.states import AttemptState, Channel, OrderStatus, RefundStatus
from models.engine import Database
from providers.mock.adapter import MockPay
from providers.provider import ProviderRefused
from tests.providers.stages import mock_settings
from tests.sandbox.simulator import Simulator, running_simulator
from tests.storage.stage import put_on_sale, refund_of, wish

MERCHANT = Merchant(
    provider="mock",
    merchant_id="mock",
    appid="mock",
    notify_url="http://127.0.0.1:9/payments/webhook",
)


@pytest.fixture(scope="module")
async def simulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Simulator]:
    quiet = {"MOCK_WEBHOOK_AUTOFIRE": "0", "SANDBOX_TIME_SCALE": "60"}
    with running_simulator(tmp_path_factory.mktemp("mock"), **quiet) as simulator:
        yield simulator


@pytest.fixture
async def provider(simulator: Simulator) -> AsyncIterator[MockPay]:
    async with MockPay(mock_settings(simulator)) as provider:
        yield provider


@pytest.fixture
async def checkout(actor: Actor, database: Database, provider: MockPay) -> AsyncIterator[Checkout]:
    async with AsyncExitStack() as stack:
        checkout = Checkout(
            actor=actor,
            database=database,
            providers={provider.name: provider},
            merchants={provider.name: MERCHANT},
        )
        stack.push_async_callback(checkout.close)
        yield checkout


async def bought(actor: Actor, database: Database) -> Order:
    sale = await put_on_sale(database)
    made = await actor.create(wish(sale, 1, payment_channel="mock"))
    assert made.order is not None
    return made.order


async def confirmed(
    actor: Actor, database: Database, provider: MockPay, simulate: str | None = None
) -> Order:
    """Buy, and confirm the order's intent at the provider."""
    order = await bought(actor, database)
    intent_id: int = await database.fetchval(
        """INSERT INTO payment_intents (order_id, provider, amount_minor, currency, idempotency_key)
           VALUES ($1, 'mock', $2, 'CNY', 'first') RETURNING id""",
        order.id,
        order.total.amount_minor,
    )
    start = StartAttempt(
        order_id=order.id,
        provider="mock",
        channel=Channel.MOCK,
        merchant_id=MERCHANT.merchant_id,
        appid=MERCHANT.appid,
        notify_url=MERCHANT.notify_url,
        confirmation=Confirmation(
            order_id=order.id, intent_id=intent_id, idempotency_key="k", simulate=simulate
        ),
    )
    order = (await actor.take_turn(start)).order
    attempt = order.current_attempt
    assert attempt is not None
    command: RecordOpened | RecordOpenFailed
    try:
        opened = await provider.open(attempt.request)
        command = RecordOpened(
            order_id=order.id, attempt_no=attempt.attempt_no, opened=opened, seen=order
        )
    except ProviderRefused:
        command = RecordOpenFailed(order_id=order.id, attempt_no=attempt.attempt_no, burnt=True)
    return (await actor.take_turn(command)).order


def newest(order: Order) -> Any:  # noqa: ANN401 - the attempt is there
    assert order.current_attempt is not None
    return order.current_attempt


class TestAnOrder:
    async def test_is_sold_without_a_channel(self, actor: Actor, database: Database) -> None:
        order = await bought(actor, database)

        row = await database.fetchrow(
            "SELECT payment_channel, channel, status FROM orders WHERE id = $1", order.id
        )
        attempts = await database.fetchval(
            "SELECT count(*) FROM payment_attempts WHERE order_id = $1", order.id
        )

        assert row is not None
        assert dict(row) == {"payment_channel": "mock", "channel": None, "status": "PENDING"}
        assert attempts == 0

    async def test_is_paid_once_somebody_asks(
        self, actor: Actor, database: Database, provider: MockPay, checkout: Checkout
    ) -> None:
        order = await confirmed(actor, database, provider)
        assert (order.status, newest(order).state) == (OrderStatus.PENDING, AttemptState.OPEN)

        await checkout.attempts.look(order.id, newest(order).attempt_no)

        assert (await actor.load(order.id)).status is OrderStatus.PAID

    async def test_waits_for_a_payer_who_must_act(
        self,
        actor: Actor,
        database: Database,
        provider: MockPay,
        checkout: Checkout,
        simulator: Simulator,
    ) -> None:
        order = await confirmed(actor, database, provider, "requires_action")
        await checkout.attempts.look(order.id, newest(order).attempt_no)
        assert (await actor.load(order.id)).status is OrderStatus.PENDING

        simulator.act(newest(order).attempt_no, "pay")
        await checkout.attempts.look(order.id, newest(order).attempt_no)

        assert (await actor.load(order.id)).status is OrderStatus.PAID

    async def test_stays_unpaid_when_the_payment_was_declined(
        self, actor: Actor, database: Database, provider: MockPay
    ) -> None:
        order = await confirmed(actor, database, provider, "failed")

        assert (order.status, order.attempts[-1].state) == (
            OrderStatus.PENDING,
            AttemptState.REFUSED,
        )

    async def test_keeps_no_money_but_its_price(
        self, actor: Actor, database: Database, provider: MockPay, checkout: Checkout
    ) -> None:
        order = await confirmed(actor, database, provider, "wrong_amount")

        await checkout.attempts.look(order.id, newest(order).attempt_no)

        assert (await actor.load(order.id)).status is OrderStatus.PENDING
        assert await database.fetchval("SELECT count(*) FROM cases") == 1

    async def test_is_left_only_when_the_provider_has_closed(
        self,
        actor: Actor,
        database: Database,
        provider: MockPay,
        checkout: Checkout,
        simulator: Simulator,
    ) -> None:
        order = await confirmed(actor, database, provider, "requires_action")

        left = await checkout.cancel(order.id)

        assert left.status is OrderStatus.CANCELLED
        assert simulator.status(newest(order).attempt_no) == "closed"

    async def test_gets_its_money_back(
        self,
        actor: Actor,
        database: Database,
        provider: MockPay,
        checkout: Checkout,
        simulator: Simulator,
    ) -> None:
        order = await confirmed(actor, database, provider)
        await checkout.attempts.look(order.id, newest(order).attempt_no)
        asked = await actor.take_turn(refund_of(order))
        (refund,) = asked.order.refunds

        await checkout.refunds.pursue(order.id, refund.refund_no)
        under_way = await actor.load(order.id)
        simulator.control.post(f"/control/refunds/{refund.refund_no}/success")
        await checkout.refunds.pursue(order.id, refund.refund_no)

        assert under_way.refunds[0].status in {RefundStatus.PROCESSING, RefundStatus.SUCCEEDED}
        ended = await actor.load(order.id)
        assert ended.refunds[0].status is RefundStatus.SUCCEEDED
        assert ended.status is OrderStatus.REFUNDED
