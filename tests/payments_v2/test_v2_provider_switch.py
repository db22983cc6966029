"""Provider switch: one setting chooses, and a house without what it needs does not open."""

import os
import re
import subprocess
import sys

import pytest

from tests.journeys.service import ROOT


class TestTheProviderSwitch:
    @pytest.mark.parametrize(
        ("provider", "complaint"),
        [
            ("paypal", "PAYMENT_PROVIDER"),
            ("alipay", "ALIPAY_APP_ID is missing"),
            ("wechat", "WECHAT_PAY_MCH_ID is missing"),
        ],
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
