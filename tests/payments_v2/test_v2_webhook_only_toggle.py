"""Webhook-only toggle: with 0, what a provider says at once may settle at once.

That with 1 it does not is the first of the goals.
"""

import pytest

from tests.journeys.service import Service
from tests.payments_v2.shop import Desk, Payer, event, tell

pytestmark = pytest.mark.xdist_group("payments_v2_hurried")


@pytest.fixture
def payer(hurried: Service) -> Payer:
    return Payer(hurried)


class TestWithTheToggleOff:
    def test_an_immediate_success_settles_at_once(self, payer: Payer) -> None:
        told = payer.confirm().json()

        assert told["status"] == "succeeded"
        assert payer.now()["paymentStatus"] == "PAID"

    def test_an_immediate_failure_is_told_and_settles_nothing(self, payer: Payer) -> None:
        assert payer.confirm(simulate="failed").json()["status"] == "failed"
        assert payer.now()["paymentStatus"] == "UNPAID"

    def test_a_webhook_settles_all_the_same(self, payer: Payer) -> None:
        payer.confirm(simulate="requires_action")

        tell(payer.service, event(payer, "payment.succeeded"))

        payer.wait(paymentStatus="PAID")

    def test_a_refund_may_be_over_at_once(self, payer: Payer, hurried: Service) -> None:
        payer.confirm()

        told = Desk(hurried).refund(payer).json()

        assert told["status"] in {"processing", "succeeded"}
