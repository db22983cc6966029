"""What the embedded PostgreSQL and Redis have in common."""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from sandbox.embedded.ports import claim_port
from sandbox.embedded.processes import Program, end, has_ended, launch

# A first start takes about one second; recovery after a kill may take several.
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


class StoreFailedError(Exception):
    """The server ended or was not ready in time; its log says why."""


class EmbeddedStore(ABC):
    """One server below *home* on a loopback port of its own.

    The port stays the same across restarts. Started by start() for tests, or by a supervisor that
    calls prepare(), launches program() and asks is_ready().
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(
        self, home: Path, *, log: Path | None = None, kept_files: Sequence[int] = ()
    ) -> None:
        self.home = home.absolute()
        self.log = log or self.home / f"{self.name}.log"
        self.kept_files = tuple(kept_files)
        self.process: subprocess.Popen[bytes] | None = None
        self._claim = claim_port()

    @property
    def port(self) -> int:
        """The port it listens on once started."""
        return self._claim.number

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what a first start needs. Safe to repeat."""

    @abstractmethod
    def program(self) -> Program:
        """Return how to start it."""

    @abstractmethod
    def is_ready(self, pid: int) -> bool:
        """Tell whether the server with this *pid* answers."""

    def start(self) -> str:
        """Start the server, wait until it answers, and return its URL.

        It ends with the calling thread.

        :raises StoreFailedError: it ended or stayed silent.
        """
        self.prepare()
        self.process = launch(self.program())
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready(self.process.pid):
            if has_ended(self.process) or time.monotonic() >= deadline:
                self.stop()
                raise StoreFailedError(f"{self.name} did not start:\n{tail(self.log)}")
            time.sleep(0.01)
        return self.url

    def stop(self) -> None:
        """Stop the server. Safe to repeat."""
        if self.process is not None:
            end(self.process, self.stop_signal, _STOP_SECONDS)
            self.process = None

    def release(self) -> None:
        """Give the port back; only after the last stop."""
        self._claim.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.release()


def tail(log: Path, *, lines: int = 15) -> str:
    """Return the last *lines* of *log*, or nothing when there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
