"""The house on one machine: stores, migration, simulators and the Procfile's processes.

1. Start in order, each after what it needs; stop in the reverse order within 4 s.
2. A process that ends is started again, on the same port, until the house stops.
3. Nothing outlives the supervisor, however it ends (sandbox.embedded.processes).
4. A store is ours only when its URL is not set.
"""

import http.client
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from sandbox.embedded.postgres import EmbeddedPostgres
from sandbox.embedded.processes import Program, has_ended, kill, launch
from sandbox.embedded.redis import EmbeddedRedis
from sandbox.embedded.store import EmbeddedStore, tail
from sandbox.supervisor.commands import Commands
from sandbox.supervisor.environment import Addresses, sandbox_environ, service_environ
from sandbox.supervisor.keeper import Keeper
from sandbox.supervisor.keys import keys_of
from sandbox.supervisor.wakeups import Wakeups

_READY_PATH = "/health/ready"
_HTTP_OK = 200

# A cold start compiles every module and recovers the stores; slow disks need most of this.
_READY_SECONDS = 90.0
# Ended this often without ever living well, a process will not start by trying again.
_HOPELESS_DEATHS = 5
_LOOK_AGAIN_SECONDS = 0.05
_TEND_SECONDS = 0.2

# The time from the stop signal to the end, and the part of it by which each layer has stopped.
_STOP_SETTING = "GUICHET_STOP_SECONDS"
_STOP_SECONDS = "4"
_PROCESSES_STOP_BY = 0.65
_SANDBOX_STOPS_BY = 0.7
_STORES_STOP_BY = 0.95


class StartFailedError(Exception):
    """A part of the house does not start; its output says why."""


class StopRequestedError(Exception):
    """A stop signal came while the house was starting."""


class House:
    """Everything that runs, by layers in the order of their start."""

    def __init__(
        self,
        *,
        commands: Commands,
        environ: Mapping[str, str],
        home: Path,
        lock: int,
        port: int,
        sandbox_port: int,
        smtp_port: int,
        wakeups: Wakeups,
    ) -> None:
        self._commands = commands
        self._environ = environ
        self._home = home
        self._port = port
        self._sandbox_port = sandbox_port
        self._smtp_port = smtp_port
        self._wakeups = wakeups
        self._stores = self._stores_of_ours(lock)
        self._stop_seconds = float(environ.get(_STOP_SETTING) or _STOP_SECONDS)
        self._layers: list[tuple[float, list[Keeper]]] = []

    def run(self) -> None:
        """Start, say so, keep everything running until a stop signal, and stop.

        :raises StartFailedError: a part does not start.
        """
        try:
            self._start()
            print(f"Guichet is ready at http://127.0.0.1:{self._port}", flush=True)
            while not self._wakeups.stop_requested:
                self._tend()
                self._wakeups.pause(_TEND_SECONDS)
        except StopRequestedError:
            pass
        finally:
            self._stop()

    def _start(self) -> None:
        keys = keys_of(self._home)
        addresses = self._start_stores()
        metrics = _emptied(self._home / "metrics")
        service = service_environ(self._environ, keys=keys, addresses=addresses, metrics=metrics)
        self._run_once(self._program("migrate", self._commands.migrate, service))
        state = self._home / "sandbox.sqlite"
        sandbox = sandbox_environ(self._environ, keys=keys, addresses=addresses, state=state)
        self._add_layer(
            _SANDBOX_STOPS_BY,
            [self._program("sandbox", self._commands.sandbox, sandbox, log=self._log("sandbox"))],
        )
        processes = self._commands.processes.items()
        self._add_layer(
            _PROCESSES_STOP_BY,
            [self._program(name, command, service) for name, command in processes],
        )
        self._wait_until(lambda: _status_of(self._sandbox_port, "/") is not None, "sandbox")
        self._wait_until(lambda: _status_of(self._port, _READY_PATH) == _HTTP_OK, "api")

    def _start_stores(self) -> Addresses:
        for store in self._stores.values():
            store.prepare()
        programs = [store.program() for store in self._stores.values()]
        keepers = self._add_layer(_STORES_STOP_BY, programs)
        for store, keeper in zip(self._stores.values(), keepers, strict=True):
            self._wait_until(partial(_is_ready, store, keeper), store.name)
        urls = {**self._environ, **{name: store.url for name, store in self._stores.items()}}
        return Addresses(
            port=self._port,
            sandbox_port=self._sandbox_port,
            smtp_port=self._smtp_port,
            database_url=urls["DATABASE_URL"],
            redis_url=urls["REDIS_URL"],
        )

    def _stores_of_ours(self, lock: int) -> dict[str, EmbeddedStore]:
        kinds: dict[str, type[EmbeddedStore]] = {
            "DATABASE_URL": EmbeddedPostgres,
            "REDIS_URL": EmbeddedRedis,
        }
        return {
            name: kind(self._home, log=self._log(kind.name), kept_files=[lock])
            for name, kind in kinds.items()
            if not self._environ.get(name)
        }

    def _program(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path | None = None
    ) -> Program:
        folder = self._commands.folder
        return Program(name=name, command=command, folder=folder, environ=environ, log=log)

    def _log(self, name: str) -> Path:
        log = self._home / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        if log.exists():
            log.replace(log.with_name(f"{name}.previous.log"))
        return log

    def _add_layer(self, stop_by: float, programs: Sequence[Program]) -> list[Keeper]:
        keepers: list[Keeper] = []
        # Known before it grows: if one cannot be launched, those before it are stopped.
        self._layers.append((stop_by, keepers))
        keepers.extend(Keeper(program) for program in programs)
        return keepers

    def _run_once(self, program: Program) -> None:
        process = launch(program)
        try:
            self._wait_until(lambda: has_ended(process), program.name)
        finally:
            kill(process)
        if process.returncode != 0:
            raise StartFailedError(f"{program.name} ended with status {process.returncode}")

    def _wait_until(self, condition: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not condition():
            if self._wakeups.stop_requested:
                raise StopRequestedError
            if time.monotonic() >= deadline:
                raise StartFailedError(f"{name} was not ready after {_READY_SECONDS:g} s")
            self._tend()
            self._give_up_on_the_hopeless()
            self._wakeups.pause(_LOOK_AGAIN_SECONDS)

    def _give_up_on_the_hopeless(self) -> None:
        for keeper in self._keepers():
            if keeper.deaths_in_a_row >= _HOPELESS_DEATHS:
                log = keeper.program.log
                said = f":\n{tail(log)}" if log else ""
                raise StartFailedError(f"{keeper.program.name} keeps ending{said}")

    def _tend(self) -> None:
        for keeper in self._keepers():
            keeper.tend()

    def _keepers(self) -> list[Keeper]:
        return [keeper for _, keepers in self._layers for keeper in keepers]

    def _stop(self) -> None:
        asked_at = time.monotonic()
        for stop_by, keepers in reversed(self._layers):
            for keeper in keepers:
                keeper.ask_to_stop()
            deadline = asked_at + stop_by * self._stop_seconds
            while time.monotonic() < deadline and not all(k.has_stopped() for k in keepers):
                self._wakeups.pause(_LOOK_AGAIN_SECONDS)
            for keeper in keepers:
                keeper.kill()


def _is_ready(store: EmbeddedStore, keeper: Keeper) -> bool:
    return store.is_ready(keeper.pid)


def _status_of(port: int, path: str) -> int | None:
    # Neither proxies nor redirects are followed.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _emptied(folder: Path) -> Path:
    # Metrics of processes that ended with the last run would be counted for ever.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
