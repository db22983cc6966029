"""State model: the three columns of an order, each with every word it may hold."""

import pytest

from models.engine import Database
from tests.payments_v2.shop import Desk, Payer, event, hold_refund_of, tell

pytestmark = pytest.mark.xdist_group("payments_v2")


class TestPaymentStatus:
    def test_goes_from_unpaid_to_paid_to_refunding_to_refunded(
        self, payer: Payer, desk: Desk
    ) -> None:
        assert payer.now()["paymentStatus"] == "UNPAID"
        payer.paid()
        assert payer.now()["paymentStatus"] == "PAID"
        desk.refund(payer)
        assert payer.now()["paymentStatus"] in {"REFUNDING", "REFUNDED"}
        payer.wait(paymentStatus="REFUNDED")


class TestLastPaymentAttemptStatus:
    @pytest.mark.parametrize("simulate", ["failed", "requires_action"])
    def test_says_how_the_latest_attempt_went(self, payer: Payer, simulate: str) -> None:
        assert payer.now()["lastPaymentAttemptStatus"] is None

        payer.confirm(simulate=simulate)

        payer.wait(lastPaymentAttemptStatus=simulate)

    def test_says_that_it_is_under_way_and_that_it_succeeded(self, payer: Payer) -> None:
        payer.confirm(simulate="delayed")
        assert payer.now()["lastPaymentAttemptStatus"] in {"processing", "succeeded"}

        payer.wait(lastPaymentAttemptStatus="succeeded")


class TestRefundStatus:
    def test_goes_from_requested_over_processing_to_succeeded(
        self, payer: Payer, desk: Desk
    ) -> None:
        payer.paid()
        assert payer.now()["refundStatus"] is None

        assert desk.refund(payer).json()["status"] == "requested"

        payer.wait(refundStatus="succeeded")

    async def test_may_end_failed_and_the_money_stays_paid(
        self, payer: Payer, desk: Desk, books: Database
    ) -> None:
        payer.paid()
        hold_refund_of(payer)
        refund_id = desk.refund(payer).json()["refundId"]
        payer.wait(refundStatus="processing", paymentStatus="REFUNDING")
        refund_no = await books.fetchval("SELECT refund_no FROM refunds WHERE id = $1", refund_id)

        tell(payer.service, event(payer, "refund.failed", refund_id=refund_no))

        payer.wait(refundStatus="failed", paymentStatus="PAID", status="PAID")
