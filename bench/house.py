"""A whole service as ``make run`` starts it, on a disk and with everything kept."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import asyncpg
import httpx

from bench import processes
from models.engine import Database
from models.invariants import check_invariants
from sandbox.embedded.homes import forget_open_folder
from sandbox.supervisor.keys import Keys, keys_of

ROOT: Final = Path(__file__).resolve().parents[1]
API_WORKERS: Final = 2
_READY = re.compile(r"Guichet is ready at (http://127\.0\.0\.1:\d+)")
_START_SECONDS = 90
# /tmp may be memory; what is measured here includes the disk.
_ON_DISK = Path("/var/tmp")  # noqa: S108


class House:
    """A running house, its processes and its database."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, url: str) -> None:
        self.home = home
        self.port = int(urlsplit(url).port or 0)
        self.client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)
        self._process = process
        self.environ = processes.environ_of(self.api[0])
        self.keys: Keys = keys_of(home)
        self.database_url = self.environ["DATABASE_URL"]
        self.sandbox_url = self.environ["SANDBOX_URL"]

    @property
    def api(self) -> list[int]:
        """The server's processes; the first is the one that starts the others."""
        return self._named("-m api.app")

    @property
    def api_workers(self) -> list[int]:
        """The server's processes that answer."""
        return self.api[1:]

    @property
    def worker(self) -> list[int]:
        """The worker's process."""
        return self._named("-m jobs.worker")

    @property
    def service(self) -> list[int]:
        """Everything of ours that would run in production."""
        return self.api + self.worker

    @property
    def postgres(self) -> list[int]:
        """The database server's processes."""
        below = processes.descendants(self._process.pid)
        server = next(pid for pid in below if "/postgres -D" in processes.command_line(pid))
        return [server, *processes.descendants(server)]

    @property
    def sandbox(self) -> list[int]:
        """The simulator's processes."""
        return self._named("-m sandbox.app")

    async def connect(self) -> "asyncpg.Connection[Any]":
        """Connect to the service's database."""
        return await asyncpg.connect(self.database_url)

    async def broken_promises(self) -> list[str]:
        """Run the invariants over everything, however long that takes; list what is broken."""
        connection = await self.connect()
        # It fetches as the service's own pool does, only without the limit of some seconds.
        findings = await check_invariants(cast("Database", connection))
        await connection.close()
        return [f"{found.id}: {found.detail}" for found in findings if found.violations]

    def _named(self, name: str) -> list[int]:
        below = processes.descendants(self._process.pid)
        return [pid for pid in below if name in processes.command_line(pid)]


@contextlib.asynccontextmanager
async def running_house() -> AsyncIterator[House]:
    """Start ``guichet.py run`` in a home of its own, and remove both at the end."""
    with _home() as home:
        log = home / "house.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: ASYNC220  # our own command, at the start
                [sys.executable, "guichet.py", "run"],
                cwd=ROOT,
                env=_environ(home),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            house = House(process, home, await _url(process, log))
            yield house
            await house.client.aclose()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _environ(home: Path) -> dict[str, str]:
    return os.environ | {
        "PORT": "0",
        "GUICHET_HOME": str(home),
        # Killing the bench stops the house too.
        "GUICHET_DIE_WITH_PARENT": str(os.getpid()),
        "API_WORKERS": str(API_WORKERS),
        # Stores of somebody else's have settings of somebody else's.
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "APP_URL": "",
        # The mailbox would be a mail server on the cores that are measured.
        "SANDBOX_MAILBOX": "0",
        # Neither is news of each sale part of a sale.
        "FEISHU_NOTIFY_URL": "",
        # What is measured is how soon a webhook is taken, not how long a mock waits to send it.
        "MOCK_WEBHOOK_DELAY_MS": "0",
    }


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="guichet-bench-", dir=_ON_DISK))
    # PostgreSQL's own user must get through.
    home.chmod(0o711)
    try:
        yield home
    finally:
        forget_open_folder(home)
        shutil.rmtree(home, ignore_errors=True)


async def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := _READY.search(_text_of(log)):
            return found[1]
        await asyncio.sleep(0.05)
    raise RuntimeError(_text_of(log)[-2000:])


def _text_of(log: Path) -> str:
    return log.read_text()
