"""Metrics, log-based: the names of the source, in the log and on the metrics page."""

from typing import Any

import pytest

from models.engine import Database
from tests.journeys.service import Service, eventually
from tests.payments_v2.shop import Desk, Payer, event, hold_refund_of, tell

pytestmark = pytest.mark.xdist_group("payments_v2")


def told_of(shop: Service, name: str, **about: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Find the log lines of a name that speak of something."""
    return [line for line in shop.events(name) if about.items() <= line.items()]


class TestTheLog:
    def test_tells_of_a_payment_that_succeeded(self, payer: Payer, shop: Service) -> None:
        payer.paid()

        eventually(lambda: told_of(shop, "payments.status.succeeded", order_id=payer.order_id))

    def test_tells_of_a_payment_that_failed(self, payer: Payer, shop: Service) -> None:
        payer.confirm(simulate="requires_action")
        tell(shop, event(payer, "payment.failed"))

        eventually(lambda: told_of(shop, "payments.status.failed", order_id=payer.order_id))

    def test_tells_of_a_refund_that_succeeded(
        self, payer: Payer, desk: Desk, shop: Service
    ) -> None:
        desk.refund(payer.paid())

        eventually(lambda: told_of(shop, "payments.refund.succeeded", order_id=payer.order_id))

    async def test_tells_of_a_refund_that_failed(
        self, payer: Payer, desk: Desk, shop: Service, books: Database
    ) -> None:
        payer.paid()
        hold_refund_of(payer)
        refund_id = desk.refund(payer).json()["refundId"]
        payer.wait(refundStatus="processing")
        number = await books.fetchval("SELECT refund_no FROM refunds WHERE id = $1", refund_id)
        tell(shop, event(payer, "refund.failed", refund_id=number))

        eventually(lambda: told_of(shop, "payments.refund.failed", order_id=payer.order_id))

    def test_tells_of_a_webhook_that_failed(self, payer: Payer, shop: Service) -> None:
        payer.confirm(simulate="requires_action")
        before = len(told_of(shop, "payments.webhook.failed", reason="PaymentNotKnown"))

        # Of money nobody here knows to have come: it may yet, so it is tried again.
        tell(shop, event(payer, "refund.succeeded", refund_id=f"{payer.bought['orderNo']}R1"))

        eventually(
            lambda: len(told_of(shop, "payments.webhook.failed", reason="PaymentNotKnown")) > before
        )

    def test_tells_of_webhooks(self, payer: Payer, shop: Service) -> None:
        payer.paid()

        eventually(lambda: told_of(shop, "payments.webhook.processed", provider="mock"))


class TestTheMetricsPage:
    def test_counts_the_same(self, payer: Payer, desk: Desk, shop: Service) -> None:
        desk.refund(payer.paid())
        payer.wait(paymentStatus="REFUNDED")

        # What is committed is counted next, and another process reads it meanwhile.
        for counted in ("guichet_payment_status_total", "guichet_refund_status_total"):
            wanted = f'{counted}{{provider="mock",status="succeeded"}}'
            eventually(lambda wanted=wanted: wanted in shop.client.get("/metrics").text)
