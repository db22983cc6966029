"""The bench itself: that each case still runs and says what it found. No figure is judged here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.rows import Row, ratios

ROOT = Path(__file__).resolve().parents[2]
CASES = ("create", "statements", "prepay", "sold_out", "settle", "storm", "expiry")
FIGURE = r"\d+(?:\.\d+)?(?:e[+-]\d+)?"


def a_trial(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "bench", "--rounds", "1", "--seconds", "0.3", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


class TestABar:
    def test_is_held_against_the_round_in_the_middle(self) -> None:
        kept = Row(what="", unit="", values=[0.1, 0.9, 0.8], at_least=0.8)
        missed = Row(what="", unit="", values=[0.1, 0.9, 0.7], at_least=0.8)

        assert (kept.is_met, missed.is_met) == (True, False)

    def test_says_where_it_ends(self) -> None:
        assert Row(what="", unit="", values=[1], at_most=1).is_met is True
        assert Row(what="", unit="", values=[1], below=1).is_met is False
        assert Row(what="", unit="", values=[1]).is_met is None

    def test_of_a_ratio_compares_round_with_round(self) -> None:
        assert ratios([1, 9], [2, 3]) == [0.5, 3]


@pytest.mark.timeout(400)
class TestTheBench:
    def test_runs_every_case_and_leaves_every_promise_kept(self) -> None:
        page = (ROOT / "docs" / "performance.md").read_bytes()

        trial = a_trial("--scale", "0.01")

        assert trial.returncode == 0, trial.stderr[-3000:]
        assert re.findall(r"case (\w+)", trial.stderr) == list(CASES)
        table = [line for line in trial.stdout.splitlines() if line.startswith("| ")]
        figures = [line for line in table if re.search(rf"( {FIGURE} \|){{3}}", line)]
        assert len(figures) == len(table) - 2 > 40
        assert "Invariants afterwards: all hold." in trial.stdout
        assert (ROOT / "docs" / "performance.md").read_bytes() == page
