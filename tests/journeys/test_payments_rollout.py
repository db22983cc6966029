"""The rollout of payments, typed as it is written down."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from sandbox.supervisor.environment import Addresses, service_environ
from sandbox.supervisor.keys import keys_of
from tests.journeys.service import ROOT, Service
from tests.journeys.test_rollout import ADDRESS, binaries

pytestmark = pytest.mark.xdist_group("service")

PAGE = ROOT / "docs" / "rollout.md"
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def port_of(url: object) -> int:
    return urlsplit(str(url)).port or 0


@pytest.fixture
async def new_database_url(service_database_url: str) -> AsyncIterator[str]:
    """Make a database in which nothing has ever gone wrong."""
    server_url = os.environ["GUICHET_TEST_POSTGRES"]
    server = await asyncpg.connect(server_url)
    await server.execute("CREATE DATABASE guichet_rollout")
    yield service_database_url.rpartition("/")[0] + "/guichet_rollout"
    await server.execute("DROP DATABASE guichet_rollout WITH (FORCE)")
    await server.close()


@pytest.fixture
def environ(
    service: Service, service_home: Path, new_database_url: str, tmp_path: Path
) -> dict[str, str]:
    """Tell an operator's shell what the service itself was told."""
    addresses = Addresses(
        port=port_of(service.url),
        sandbox_port=port_of(service.sandbox.base_url),
        database_url=new_database_url,
        redis_url="",
    )
    told = service_environ({}, keys=keys_of(service_home), addresses=addresses, metrics=tmp_path)
    return {**told, "PATH": f"{ROOT / '.venv' / 'bin'}:{binaries()}:{os.environ['PATH']}"}


async def typed(service: Service, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    commands = "".join(BLOCK.findall(page())).replace(ADDRESS, service.url)
    return await asyncio.to_thread(
        subprocess.run,
        ["/bin/bash", "-eu", "-o", "pipefail", "-c", commands],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class TestTheRolloutOfPayments:
    def test_has_the_doors_before_the_provider_and_a_way_back(self) -> None:
        assert HEADING.findall(page()) == [
            "1. The tables",
            "2. The doors",
            "3. The preflight",
            "4. The provider",
            "5. The jobs, under watch",
            "Back",
        ]

    async def test_can_be_typed_as_it_stands(
        self, service: Service, environ: dict[str, str]
    ) -> None:
        done = await typed(service, environ)

        assert done.returncode == 0, done.stdout + done.stderr
        assert "POST /api/webhooks/wechatpay: 401" in done.stdout
        assert done.stdout.count("intents.stuck") == 2
        assert "0 notices processed again" in done.stdout

    async def test_stops_at_a_preflight_that_finds_something(
        self, service: Service, environ: dict[str, str]
    ) -> None:
        done = await typed(service, environ | {"WECHAT_PAY_NOTIFY_URL": "http://api.example.com"})

        assert done.returncode == 1
        told = [line.split()[:2] for line in done.stdout.splitlines() if "notify" in line]
        assert told == [["settings.notify_url", "1"]]
        # Nothing after it was typed.
        assert "notices processed again" not in done.stdout

    def test_explains_every_line_of_the_preflight(self) -> None:
        statements = (ROOT / "models" / "preflight.sql").read_text(encoding="utf-8")
        asked = re.findall(r"SELECT '([\w.]+)' AS id", statements)

        explained = re.findall(r"^\| `((?:settings|\w+)\.\w+)` \|", page(), re.MULTILINE)

        assert explained == ["settings.start", "settings.keys", "settings.notify_url", *asked]
