"""Production rollout checklist: each of its lines is a command of the rollout page.

That the page can be typed as it stands is held by the journey of the rollout.
"""

import pytest

from tests.journeys.service import ROOT


class TestTheChecklist:
    @pytest.mark.parametrize(
        ("step", "said"),
        [
            ("## 1.", "python guichet.py migrate"),
            ("## 2.", "PAYMENTS_WEBHOOK_ONLY=1"),
            ("## 2.", "door 401 POST /payments/webhook"),
            ("## 3.", "python guichet.py preflight"),
            ("## 4.", "PAYMENT_PROVIDER="),
            ("## 5.", "PAYMENTS_INTENT_EXPIRE_MIN="),
            ("## 5.", "PAYMENTS_JOB_REPLAY_INTERVAL_MIN="),
            ("## 5.", 'select(.logger == "payments.jobs")'),
        ],
    )
    def test_is_a_step_of_the_rollout(self, step: str, said: str) -> None:
        page = (ROOT / "docs" / "rollout.md").read_text(encoding="utf-8")

        assert said in page.partition(step)[2].partition("\n## ")[0]
