"""Reconciliation jobs: failed events are replayed, and what was paid is found without a webhook.

That a payment whose order is not paid is repaired is held where the damage can be done: by the
tests of repairs on the database.
"""

import asyncio

import pytest

from models.engine import Database
from tests.journeys.test_first_sale import wait_for_row
from tests.payments_v2.shop import Payer, event, tell

pytestmark = pytest.mark.xdist_group("payments_v2")


class TestReplay:
    async def test_finishes_an_event_that_failed(self, payer: Payer, books: Database) -> None:
        payer.confirm(simulate="requires_action")
        told = event(payer, "payment.succeeded")
        tell(payer.service, told)
        await asyncio.to_thread(payer.wait, paymentStatus="PAID")
        await books.execute(
            "UPDATE webhook_events SET status = 'FAILED', due_at = now() WHERE event_id = $1",
            told["event_id"],
        )

        await wait_for_row(
            books,
            "SELECT 1 FROM webhook_events WHERE event_id = $1 AND status = 'PROCESSED'",
            told["event_id"],
        )
        assert len(payer.payments()["payments"]) == 1


class TestQueries:
    def test_find_a_payment_whose_webhook_never_came(self, payer: Payer) -> None:
        payer.confirm(simulate="requires_action")
        (trade,) = payer.service.sandbox.get(
            "/control/trades", params={"order_no": payer.bought["orderNo"]}
        ).json()["trades"]
        told = payer.service.sandbox.post(
            f"/control/trades/{trade['out_trade_no']}/pay", json={"drop": True}
        )
        assert told.is_success

        payer.wait(paymentStatus="PAID")
