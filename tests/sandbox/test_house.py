"""The supervisor with real PostgreSQL, Redis and processes; only the service itself is fake."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from redis import Redis, RedisError

from sandbox.embedded.homes import forget_open_folder, throwaway_home
from sandbox.embedded.processes import is_running

_ROOT = Path(__file__).parents[2]
_PROGRAM = Path(__file__).with_name("fake_house.py")

# Nothing listens there; a house told to use them starts no stores and is up in no time.
_NO_STORES = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}

# Promised are 4 s to stop and 5 s until nothing is left after a kill; a machine that runs other
# tests beside these may take longer, and one that hangs takes for ever.
_STOP_SECONDS = 25.0
_GONE_SECONDS = 25.0
_READY_SECONDS = 60.0


@dataclass
class RunningHouse:
    process: subprocess.Popen[bytes]
    home: Path
    output: Path

    @property
    def url(self) -> str:
        return self.said().rpartition("Guichet is ready at ")[2].split()[0]

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def environ_of(self, part: str) -> dict[str, str]:
        told: dict[str, str] = json.loads((self.home / f"{part}.json").read_text(encoding="utf-8"))
        return told

    def signals_in_order(self) -> list[str]:
        """Return who noted which signal; the api and the worker, told at once, by name."""
        *service, sandbox = (self.home / "signals").read_text(encoding="utf-8").splitlines()
        return [*sorted(service), sandbox]

    def wait_until_ready(self) -> None:
        wait_until(lambda: "Guichet is ready at" in self.said() or self.has_ended())
        assert not self.has_ended(), self.said()
        # The house does not wait for its worker, but what a test is about may.
        wait_until((self.home / "worker.json").exists)

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(_READY_SECONDS)

    def processes(self) -> dict[int, str]:
        """Return the command of every process that descends from the supervisor, by number."""
        parents = {pid: parent for pid in _all_pids() if (parent := _parent_of(pid)) is not None}
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return {pid: _command_of(pid) for pid in found[1:]}

    def pids_of(self, part: str) -> list[int]:
        return [pid for pid, command in self.processes().items() if part in command]

    def pid_of(self, part: str) -> int:
        """Return the supervisor's child whose command contains *part*; 0 for none."""
        pids = self.pids_of(part)
        return next((pid for pid in pids if _parent_of(pid) == self.process.pid), 0)


@contextmanager
def a_house(home: Path, environ: dict[str, str] | None = None) -> Iterator[RunningHouse]:
    house = launch_house(home, [sys.executable, str(_PROGRAM)], environ)
    try:
        yield house
    finally:
        if not house.has_ended():
            house.stop()


def launch_house(
    home: Path, command: list[str], environ: dict[str, str] | None = None
) -> RunningHouse:
    home.mkdir(parents=True, exist_ok=True)
    output = home.with_name(f"{home.name}.output")
    told = {
        "PYTHONPATH": str(_ROOT),
        "GUICHET_HOME": str(home),
        "GUICHET_STOP_SECONDS": str(_STOP_SECONDS - 5),
        "PORT": "0",
        **(environ or {}),
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with output.open("wb") as stdout:
        process = subprocess.Popen(  # noqa: S603  # a program of these tests
            command, env=kept | told, stdout=stdout, stderr=stdout, start_new_session=True
        )
    return RunningHouse(process=process, home=home, output=output)


def wait_until(condition: Callable[[], object], seconds: float = _READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def home() -> Iterator[Path]:
    with throwaway_home() as folder:
        # One below, so that what a house prints is kept beside its home and not in it.
        yield folder / "home"
        forget_open_folder(folder / "home")


class TestAHouse:
    def test_says_where_it_is_ready_and_stops_in_order(self, home: Path) -> None:
        with a_house(home) as house:
            house.wait_until_ready()
            running = house.processes()

            asked_at = time.monotonic()
            status = house.stop()

            assert time.monotonic() - asked_at < _STOP_SECONDS
            assert status == 0
            assert house.said() == f"Guichet is ready at {house.url}\n"
            assert house.url == f"http://127.0.0.1:{house.environ_of('api')['PORT']}"
            assert not [command for pid, command in running.items() if is_running(pid)]
            assert house.signals_in_order() == ["api SIGTERM", "worker SIGTERM", "sandbox SIGTERM"]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
    def test_stops_when_the_terminal_says_so(self, home: Path, number: signal.Signals) -> None:
        with a_house(home, _NO_STORES) as house:
            house.wait_until_ready()
            os.killpg(house.process.pid, number)

            assert house.process.wait(_STOP_SECONDS) == 0
            assert house.signals_in_order() == ["api SIGTERM", "worker SIGTERM", "sandbox SIGTERM"]

    def test_stops_while_it_starts(self, home: Path) -> None:
        with a_house(home) as house:
            wait_until(lambda: house.pid_of("bin/initdb"))
            running = house.processes()
            asked_at = time.monotonic()

            assert house.stop() == 0
            assert time.monotonic() - asked_at < _STOP_SECONDS
            assert "ready" not in house.said()
            assert not [command for pid, command in running.items() if is_running(pid)]

    def test_leaves_nothing_when_it_is_killed(self, home: Path) -> None:
        with a_house(home) as house:
            house.wait_until_ready()
            running = house.processes()
            commands = " ".join(running.values())
            assert all(
                part in commands for part in ("postgres", "redis", "sandbox", "api", "worker")
            )

            house.process.kill()

            wait_until(lambda: not any(map(is_running, running)), _GONE_SECONDS)

    def test_stops_when_its_make_is_killed(self, home: Path) -> None:
        recipe = f"run:\n\t@GUICHET_DIE_WITH_PARENT=$$PPID exec {sys.executable} {_PROGRAM}\n"
        makefile = home.with_name("makefile")
        makefile.write_text(recipe, encoding="utf-8")
        house = launch_house(home, ["make", "-f", str(makefile), "run"], _NO_STORES)
        house.wait_until_ready()
        running = house.processes()
        assert [c for c in running.values() if c == f"{sys.executable} {_PROGRAM}"]

        house.process.kill()

        wait_until(lambda: not any(map(is_running, running)), _GONE_SECONDS)
        house.process.wait()

    def test_runs_at_once_after_it_was_killed(self, home: Path) -> None:
        with a_house(home) as house:
            house.wait_until_ready()
            house.process.kill()
            house.process.wait()
        with a_house(home) as house:
            house.wait_until_ready()

            assert house.stop() == 0

    def test_keeps_its_data_between_runs(self, home: Path) -> None:
        with a_house(home) as house:
            house.wait_until_ready()
            asyncio.run(_write_note(house.environ_of("api")))
            secret = house.environ_of("api")["JWT_SECRET"]
            house.stop()
        with a_house(home) as house:
            house.wait_until_ready()

            assert asyncio.run(_read_note(house.environ_of("api"))) == ("kept", "kept")
            assert house.environ_of("api")["JWT_SECRET"] == secret

    def test_stands_beside_another(self, home: Path) -> None:
        with a_house(home) as one, a_house(home.with_name("other")) as other:
            one.wait_until_ready()
            other.wait_until_ready()
            asyncio.run(_write_note(one.environ_of("api")))
            asyncio.run(_write_note(other.environ_of("api")))
            one.stop()

            assert one.url != other.url
            assert asyncio.run(_read_note(other.environ_of("api"))) == ("kept", "kept")

    def test_uses_the_stores_it_is_given(self, home: Path) -> None:
        with a_house(home, _NO_STORES) as house:
            house.wait_until_ready()

            assert not house.pid_of("postgres")
            assert not house.pid_of("redis")
            told = house.environ_of("api")
            assert {name: told[name] for name in _NO_STORES} == _NO_STORES

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives PostgreSQL another user")
    def test_keeps_its_data_in_a_home_that_only_root_may_enter(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        closed = home / "below"
        try:
            with a_house(closed) as house:
                house.wait_until_ready()
                asyncio.run(_write_note(house.environ_of("api")))
                house.stop()
            with a_house(closed) as house:
                house.wait_until_ready()

                assert asyncio.run(_read_note(house.environ_of("api"))) == ("kept", "kept")
            assert home.stat().st_mode & 0o777 == 0o700
        finally:
            forget_open_folder(closed)


class TestAProcessThatEnds:
    @pytest.mark.parametrize("part", ["py sandbox", "py api", "py worker"])
    def test_is_started_again(self, home: Path, part: str) -> None:
        with a_house(home, _NO_STORES) as house:
            house.wait_until_ready()
            before = house.pid_of(part)

            os.kill(before, signal.SIGKILL)

            wait_until(lambda: house.pid_of(part) not in {0, before})

    def test_takes_with_it_what_it_started(self, home: Path) -> None:
        with a_house(home, {**_NO_STORES, "FAKE_WORKER_HAS_A_HELPER": "1"}) as house:
            house.wait_until_ready()
            wait_until(lambda: house.pids_of("sleep"))
            helpers = house.pids_of("sleep")

            os.kill(house.pid_of("py worker"), signal.SIGKILL)

            wait_until(lambda: not any(map(is_running, helpers)), _GONE_SECONDS)

    def test_is_found_on_the_same_port(self, home: Path) -> None:
        with a_house(home) as house:
            house.wait_until_ready()
            asyncio.run(_write_note(house.environ_of("api")))

            for part in ("bin/postgres", "redis-server"):
                os.kill(house.pid_of(part), signal.SIGKILL)

            wait_until(lambda: _try_to_read(house.environ_of("api")) == ("kept", "kept"))

    def test_ends_the_start_when_it_never_lives(self, home: Path) -> None:
        with a_house(home, {**_NO_STORES, "FAKE_FAILS": "api"}) as house:
            assert house.process.wait(_READY_SECONDS) == 1
            assert "api keeps ending" in house.said()
            pauses = re.findall(r"api ended with status 7; it starts again in (.*) s", house.said())
            assert pauses == ["0.2", "0.4", "0.8", "1.6", "3.2"]


class TestARefusal:
    def test_meets_a_second_house_on_the_same_home(self, home: Path) -> None:
        with a_house(home, _NO_STORES) as house:
            house.wait_until_ready()
            second = launch_house(home, [sys.executable, str(_PROGRAM)], _NO_STORES)

            assert second.process.wait(_STOP_SECONDS) == 1
            assert "another Guichet runs on" in second.said()
            assert not house.has_ended()

    def test_meets_a_port_that_is_taken(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with a_house(home, {**_NO_STORES, "PORT": str(port)}) as house:
                assert house.process.wait(_STOP_SECONDS) == 1
                assert f"port {port} is taken" in house.said()

    def test_meets_a_port_that_is_none(self, home: Path) -> None:
        with a_house(home, {**_NO_STORES, "PORT": "many"}) as house:
            assert house.process.wait(_STOP_SECONDS) == 1
            assert "PORT is 'many'" in house.said()

    def test_meets_a_migration_that_fails(self, home: Path) -> None:
        with a_house(home, {**_NO_STORES, "FAKE_FAILS": "migrate"}) as house:
            assert house.process.wait(_READY_SECONDS) == 1
            assert "migrate ended with status 7" in house.said()


async def _write_note(environ: dict[str, str]) -> None:
    connection = await asyncpg.connect(environ["DATABASE_URL"])
    await connection.execute("CREATE TABLE note AS SELECT 'kept' AS said")
    await connection.close()
    with Redis.from_url(environ["REDIS_URL"]) as redis:
        redis.set("note", "kept")


async def _read_note(environ: dict[str, str]) -> tuple[object, object]:
    connection = await asyncpg.connect(environ["DATABASE_URL"])
    said = await connection.fetchval("SELECT said FROM note")
    await connection.close()
    with Redis.from_url(environ["REDIS_URL"], decode_responses=True) as redis:
        return said, redis.get("note")


def _try_to_read(environ: dict[str, str]) -> tuple[object, object]:
    try:
        return asyncio.run(_read_note(environ))
    except (OSError, asyncpg.PostgresError, RedisError):
        return None, None


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _parent_of(pid: int) -> int | None:
    try:
        status = Path("/proc", str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[1])


def _command_of(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""
