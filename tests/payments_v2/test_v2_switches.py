"""Webhook-only toggle, provider switch and rollback notes: the same house, told otherwise."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sandbox.embedded.homes import throwaway_home
from tests.journeys.service import ROOT, Service, running_service
from tests.payments_v2.shop import Desk, Payer, event, tell

pytestmark = pytest.mark.xdist_group("payments_v2_sync")


@pytest.fixture(scope="module")
def hurried(shop_environ: dict[str, str]) -> Iterator[Service]:
    """Start a service that may settle at once, whose mock sends nothing and whose jobs are off."""
    changed = {
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
            env=os.environ | {"APP_ENV": "production", "PAYMENT_PROVIDER": "mock"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert told.returncode != 0
        assert "PAYMENT_PROVIDER" in told.stderr


class TestTheRollbackNotes:
    def test_intervals_of_zero_stop_the_jobs(self, payer: Payer) -> None:
        """Leave a payment that only a query would find: nobody asks."""
        payer.confirm(simulate="timeout_after_success")

        assert payer.now()["paymentStatus"] == "UNPAID"
