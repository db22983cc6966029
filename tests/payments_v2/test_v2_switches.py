"""Webhook-only toggle, provider switch and rollback notes: the same house, told otherwise."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from models.engine import Database
from sandbox.embedded.homes import throwaway_home
from tests.journeys.service import ROOT, Service, running_service
from tests.payments_v2.shop import Desk, Payer, event, tell

pytestmark = pytest.mark.xdist_group("payments_v2_sync")


@pytest.fixture(scope="module")
def hurried(shop_environ: dict[str, str], hurried_url: str) -> Iterator[Service]:
    """Start a service that may settle at once, whose mock sends nothing and whose jobs are off."""
    changed = {
        "DATABASE_URL": hurried_url,
        "REDIS_URL": shop_environ["REDIS_URL"].rpartition("/")[0] + "/3",
        "PAYMENTS_WEBHOOK_ONLY": "0",
        "MOCK_WEBHOOK_AUTOFIRE": "0",
        "PAYMENTS_JOB_REPLAY_INTERVAL_MIN": "0",
        "PAYMENTS_JOB_RECONCILE_INTERVAL_MIN": "0",
        "PAYMENTS_JOB_CLEANUP_INTERVAL_MIN": "0",
    }
    with throwaway_home() as home, running_service(home, **shop_environ | changed) as service:
        yield service


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


class TestTheProviderSwitch:
    @pytest.mark.parametrize(
        ("provider", "complaint"),
        [("alipay", "PAYMENT_PROVIDER"), ("wechat", "WECHAT_PAY_MCH_ID is missing")],
    )
    def test_names_what_is_missing_at_the_start(self, provider: str, complaint: str) -> None:
        known = {k: v for k, v in os.environ.items() if not k.startswith("WECHAT")}
        told = subprocess.run(
            [sys.executable, "-m", "api.app"],
            cwd=ROOT,
            env=known
            | {
                "APP_ENV": "sandbox",
                "DATABASE_URL": "postgresql://127.0.0.1/nowhere",
                "JWT_SECRET": "sandbox-" + "x" * 32,
                "WECHAT_PAY_GATEWAY": "http://127.0.0.1:1",
                "PAYMENT_PROVIDER": provider,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert told.returncode != 0
        assert re.search(complaint, told.stderr), told.stderr

    def test_lets_no_mock_into_production(self) -> None:
        told = subprocess.run(
            [sys.executable, "-m", "api.app"],
            cwd=ROOT,
            env=os.environ
            | {
                "APP_ENV": "production",
                "PAYMENT_PROVIDER": "mock",
                "DATABASE_URL": "postgresql://127.0.0.1/nowhere",
                "JWT_SECRET": "x" * 40,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert told.returncode != 0
        assert "PAYMENT_PROVIDER" in told.stderr


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
