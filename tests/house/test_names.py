"""What the tests' own files must keep to."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


class TestTheFilesOfTests:
    def test_have_a_name_each(self) -> None:
        # Without packages pytest knows a file by its name alone.
        names = Counter(file.name for file in TESTS.rglob("test_*.py"))

        assert [name for name, count in names.items() if count > 1] == []
