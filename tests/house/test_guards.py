"""The table of guards fits the code; that its tests notice is what `make guards` sees."""

import re
from pathlib import Path

import pytest

from scripts.guards.guard import Guard, PatchStaleError
from scripts.guards.table import GUARDS

ROOT = Path(__file__).resolve().parents[2]


class TestTheTable:
    @pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.id)
    def test_removes_what_is_there_and_names_a_test_that_is(self, guard: Guard) -> None:
        guard.check(ROOT)

    def test_has_every_guard_once(self) -> None:
        assert len({guard.id for guard in GUARDS}) == len(GUARDS)

    def test_has_every_invariant(self) -> None:
        statements = (ROOT / "models" / "invariants.sql").read_text(encoding="utf-8")
        named = {f"invariant.{found}" for found in re.findall(r"SELECT '([\w.]+)' AS", statements)}

        assert {guard.id for guard in GUARDS if guard.id.startswith("invariant.")} == named


class TestAPatch:
    @pytest.mark.parametrize("old", ["absent", "a", "if True:\n"])
    def test_that_fits_no_longer_is_refused(self, old: str) -> None:
        guard = Guard("g", "something", "some.py", old, "", "tests/some.py::TestSome::test_any")

        with pytest.raises(PatchStaleError, match=r"\Ag: "):
            guard.removed_from("if True:\n    a = a\n")
