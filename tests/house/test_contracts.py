"""The import contracts fail when they are broken: each is broken once, in a copy."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("api", "jobs", "runtime", "actors", "models", "providers", "contracts", "sandbox")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the rooms and the contracts."""
    house = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(ROOT / room, house / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", house)
    return house


def check(house: Path) -> str:
    """Check the contracts of a house and return what was said; empty when all are kept."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as c; c(['--no-cache'])",
        ],
        cwd=house,
        env={"PYTHONPATH": str(house), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


class TestTheRooms:
    def test_keep_every_contract(self, copy: Path) -> None:
        assert check(copy) == ""

    @pytest.mark.parametrize(
        ("room", "line", "contract"),
        [
            ("contracts/money.py", "import models.engine", "Rooms import downwards"),
            ("models/orders.py", "import actors.lane", "Rooms import downwards"),
            ("actors/actor.py", "import runtime.settings", "Rooms import downwards"),
            ("api/answers.py", "import jobs.sweep", "Rooms import downwards"),
            ("providers/provider.py", "import models.engine", "Rooms import downwards"),
            ("runtime/logs.py", "import providers.wechat.notice", "names a concrete provider"),
            ("actors/decide.py", "import httpx", "Decisions and our language touch no I/O"),
            ("actors/allocate.py", "import models.seats", "Decisions and our language"),
            ("contracts/order.py", "import asyncio", "Decisions and our language"),
            ("jobs/sweep.py", "import runtime.wiring", "Only the doors of a process"),
            ("runtime/chores.py", "import runtime.tills", "Only the wiring opens tills"),
            ("sandbox/store.py", "import contracts.money", "The sandbox knows nothing of ours"),
            ("models/seats.py", "import sandbox.store", "Nothing of ours knows the sandbox"),
        ],
    )
    def test_report_an_import_that_breaks_one(
        self, copy: Path, room: str, line: str, contract: str
    ) -> None:
        broken = copy / room
        kept = broken.read_text(encoding="utf-8")
        broken.write_text(f"{kept}\n{line}\n", encoding="utf-8")
        try:
            assert contract in check(copy)
        finally:
            broken.write_text(kept, encoding="utf-8")
