"""The service's processes on stores of their own, every one of which a test may hurt."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import msgspec

from models.schema import migrate
from runtime.failpoints import PASSED, Misfortune
from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.ports import claim_port
from sandbox.embedded.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres
from sandbox.embedded.processes import Program, has_ended, kill, launch
from sandbox.embedded.redis import EmbeddedRedis
from sandbox.supervisor.environment import Addresses, sandbox_environ, service_environ
from sandbox.supervisor.keys import keys_of
from tests.faults.proxy import Wire

ROOT = Path(__file__).resolve().parents[2]
API_WORKERS = 2
# A server killed outright must find every commit again; only a power cut is left out.
POSTGRES_SETTINGS = {**THROWAWAY_SETTINGS, "synchronous_commit": "on"}
SETTINGS = {
    "API_WORKERS": str(API_WORKERS),
    "SANDBOX_TIME_SCALE": "30",
    "PREPARE_CLAIM_SECONDS": "3",
    "ATTEMPT_GRACE_SECONDS": "1",
    "EXPIRE_INTERVAL_SECONDS": "0.2",
    "CLOSE_INTERVAL_SECONDS": "0.2",
    "REFUND_INTERVAL_SECONDS": "0.2",
    "EFFECTS_INTERVAL_SECONDS": "0.2",
    "PAYMENTS_JOB_REPLAY_INTERVAL_MIN": "0.005",
    "PAYMENTS_JOB_RECONCILE_INTERVAL_MIN": "0.005",
    "LOG_LEVEL": "INFO",
}
_START_SECONDS = 60.0
# What a claim lasts, and more: the rows of a dead process are anybody's again.
_CLAIM_SECONDS = 31
_SHORT_SECONDS = 0.7
_Result = TypeVar("_Result")


class Passed(msgspec.Struct, frozen=True):
    """One failpoint that a process came by, and what happened to it there."""

    name: str
    pid: int
    deed: str


class FaultHouse:
    """Two stores, the provider, the API with two workers, and two worker processes.

    Whatever ends is started again by :meth:`tend`, which every wait of a test calls.
    """

    def __init__(self, home: Path, *, claims_are_short: bool = False) -> None:
        self.home = home
        self._claims_are_short = claims_are_short
        self._time_passed_at = 0.0
        self.postgres = EmbeddedPostgres(home, settings=POSTGRES_SETTINGS)
        self.redis = EmbeddedRedis(home)
        self.failpoints = home / "failpoints"
        self.failpoints.mkdir()
        self._claims = [claim_port() for _ in range(3)]
        api, sandbox, wire = (claim.number for claim in self._claims)
        self.url = f"http://127.0.0.1:{api}"
        self.sandbox = httpx.Client(
            base_url=f"http://127.0.0.1:{sandbox}", timeout=30, trust_env=False
        )
        self.wire = Wire(port=wire, server_port=self.postgres.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._lock = threading.Lock()
        self._programs = self._programs_for(
            Addresses(
                port=api,
                sandbox_port=sandbox,
                database_url=f"postgresql://app@127.0.0.1:{wire}/guichet",
                redis_url=self.redis.url,
            )
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    # Life.

    def start(self) -> None:
        """Start everything and wait until the API is ready."""
        self.postgres.start()
        self.redis.start()
        self._thread.start()
        self.run(migrate(self.postgres.url, with_demo_data=True))
        self.run(self.wire.open())
        self.start_processes()

    def start_processes(self) -> None:
        """Start what is not running and wait until the API is ready."""
        self.tend()
        self.until(self.is_ready, within=_START_SECONDS)

    def stop_processes(self, *names: str) -> None:
        """Kill processes at once; :meth:`tend` would start them again."""
        for name in names or tuple(self.processes):
            kill(self.processes.pop(name))

    def stop(self) -> None:
        """End everything."""
        self.stop_processes()
        self.sandbox.close()
        self.run(self.wire.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.redis.stop()
        self.postgres.stop()

    def tend(self) -> None:
        """Start again what has ended."""
        for name, program in self._programs.items():
            process = self.processes.get(name)
            if process is None or has_ended(process):
                self.processes[name] = launch(program)

    def is_ready(self) -> bool:
        """Tell whether the API says that it is."""
        with suppress(httpx.HTTPError), httpx.Client(trust_env=False, timeout=2) as client:
            return client.get(f"{self.url}/health/ready").status_code == 200
        return False

    def until(
        self, condition: Callable[[], _Result], *, within: float = 60.0, every: float = 0.03
    ) -> _Result:
        """Wait until *condition* returns something true, starting again what ends meanwhile."""
        deadline = time.monotonic() + within
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {within} s: {condition}"
            if threading.current_thread() is threading.main_thread():
                self.tend()
                self._shorten_claims()
            time.sleep(every)
        return found

    def _shorten_claims(self) -> None:
        if self._claims_are_short and time.monotonic() - self._time_passed_at > _SHORT_SECONDS:
            self._time_passed_at = time.monotonic()
            # The database may be what is hurt.
            with suppress(OSError, asyncpg.PostgresError):
                self.time_passes()

    # Books.

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Do something asynchronous beside the test."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def rows(self, sql: str, *args: object) -> list[dict[str, Any]]:
        """Ask the database, past the wire."""

        async def ask() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.postgres.url)
            try:
                return [dict(row) for row in await connection.fetch(sql, *args)]
            finally:
                await connection.close()

        return self.run(ask())

    def value(self, sql: str, *args: object) -> Any:  # noqa: ANN401 - one column of any type
        """Ask the database for one thing."""
        found = self.rows(sql, *args)
        return next(iter(found[0].values())) if found else None

    def counted(self, metric: str) -> float:
        """Add up a counter over all processes and labels."""
        page = httpx.get(f"{self.url}/metrics", trust_env=False, timeout=10).text
        lines = [line for line in page.splitlines() if line.startswith(metric)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    # Misfortune.

    def arm(self, name: str, misfortune: Misfortune) -> None:
        """Have the next process that comes by *name* suffer *misfortune*."""
        unfinished = self.failpoints / f"{name}.new"
        unfinished.write_bytes(msgspec.json.encode(misfortune))
        unfinished.rename(self.failpoints / name)

    def disarm(self) -> None:
        """Take back every order that nobody carried out, and forget who came by."""
        for order in self.failpoints.iterdir():
            order.unlink(missing_ok=True)

    def passed(self) -> list[Passed]:
        """List who came by where since the last :meth:`disarm`."""
        with suppress(FileNotFoundError):
            lines = (self.failpoints / PASSED).read_text(encoding="utf-8").splitlines()
            return [Passed(name, int(pid), deed) for name, pid, deed in map(str.split, lines)]
        return []

    def struck(self, name: str) -> int | None:
        """Name the process that suffered at *name*, if one has."""
        found = [p.pid for p in self.passed() if p.name == name and p.deed != "-"]
        return found[-1] if found else None

    def spoil(
        self, operation: str, mode: str, *, count: int = 1, delay_ms: int | None = None
    ) -> None:
        """Have the provider's next calls of one kind go wrong."""
        fault = {"provider": "wechat", "operation": operation, "mode": mode, "count": count}
        self.sandbox.post(
            "/control/faults", json=fault | ({"delay_ms": delay_ms} if delay_ms else {})
        ).raise_for_status()

    def resume_all(self) -> None:
        """Let every stopped process go on."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)

    def time_passes(self) -> None:
        """Let the claims of the dead run out at once instead of in half a minute."""
        for table in ("webhook_events", "payment_attempts", "refunds", "effects"):
            self.rows(
                f"UPDATE {table} SET due_at = due_at - make_interval(secs => $1)"  # noqa: S608
                " WHERE due_at > now()",
                _CLAIM_SECONDS,
            )

    def _programs_for(self, addresses: Addresses) -> dict[str, Program]:
        keys, metrics = keys_of(self.home), self.home / "metrics"
        metrics.mkdir()
        user = {**SETTINGS, "PATH": os.environ["PATH"], "GUICHET_FAILPOINTS": str(self.failpoints)}
        service = service_environ(user, keys=keys, addresses=addresses, metrics=metrics)
        state = self.home / "sandbox.sqlite"
        provider = sandbox_environ(user, keys=keys, addresses=addresses, state=state)
        modules = {"sandbox": "sandbox.app", "api": "api.app"}
        modules |= {"worker-1": "jobs.worker", "worker-2": "jobs.worker"}
        return {
            name: Program(
                name=name,
                command=[sys.executable, "-m", module],
                folder=ROOT,
                environ=provider if name == "sandbox" else service,
                log=self.home / f"{name}.log",
            )
            for name, module in modules.items()
        }


@contextmanager
def running_house(*, claims_are_short: bool = False) -> Iterator[FaultHouse]:
    """Start a house and take it down; with *claims_are_short* no test waits out a dead claim."""
    with throwaway_home() as home:
        house = FaultHouse(home, claims_are_short=claims_are_short)
        try:
            house.start()
            yield house
        finally:
            house.stop()
