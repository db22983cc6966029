"""Rollback notes: jobs off, webhooks alone, and nothing lost meanwhile."""

import asyncio

import pytest

from models.engine import Database
from tests.journeys.service import ROOT, Service
from tests.payments_v2.shop import Payer, event, tell

pytestmark = pytest.mark.xdist_group("payments_v2_hurried")


@pytest.fixture
def payer(hurried: Service) -> Payer:
    return Payer(hurried)


class TestTheRollbackNotes:
    async def test_intervals_of_zero_stop_the_jobs(self, payer: Payer, hurried_url: str) -> None:
        payer.confirm(simulate="requires_action")
        database = await Database.connect(hurried_url, max_size=1)
        statement = "UPDATE payment_attempts SET due_at = now() WHERE order_id = $1"
        await database.execute(statement, payer.order_id)

        # Elsewhere an attempt that is due is asked about within a second or two.
        await asyncio.sleep(3)

        looks = "SELECT looks FROM payment_attempts WHERE order_id = $1"
        looked = await database.fetchval(looks, payer.order_id)
        await database.close()
        assert looked == 0

    def test_a_webhook_settles_while_the_jobs_are_off(self, payer: Payer) -> None:
        payer.confirm(simulate="requires_action")

        tell(payer.service, event(payer, "payment.succeeded"))

        payer.wait(paymentStatus="PAID")

    @pytest.mark.parametrize(
        "said",
        [
            "PAYMENTS_JOB_REPLAY_INTERVAL_MIN=0",
            "PAYMENTS_JOB_RECONCILE_INTERVAL_MIN=0",
            "PAYMENTS_JOB_CLEANUP_INTERVAL_MIN=0",
            "PAYMENTS_WEBHOOK_ONLY=1",
            "python guichet.py replay",
        ],
    )
    def test_stand_in_the_rollout_as_commands(self, said: str) -> None:
        page = (ROOT / "docs" / "rollout.md").read_text(encoding="utf-8")

        assert said in page.partition("## Back")[2]
