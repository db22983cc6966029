"""What the api's processes send to the database, by PostgreSQL's own log."""

import asyncio
import re
from collections.abc import Iterator
from typing import Self

from bench import processes
from bench.bench import Bench

# The address of whoever sent the statement stands first in each line of the log.
_STATEMENT = re.compile(r"^sent by 127\.0\.0\.1\((\d+)\) LOG:  (?:execute|statement)")


class StatementCount:
    """Counts what the api sends while it is open."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._log = bench.house.home / "logs" / "postgres.log"
        self.statements = 0

    async def __aenter__(self) -> Self:
        await self._set("log_statement = 'all'", "log_line_prefix = 'sent by %r '")
        self._ports = processes.client_ports(self._bench.house.api)
        self._from = self._log.stat().st_size
        return self

    async def __aexit__(self, *_: object) -> None:
        ports = self._ports | processes.client_ports(self._bench.house.api)
        await self._set("log_statement = 'none'", "log_line_prefix = ''")
        self.statements = sum(port in ports for port in self._senders())

    async def _set(self, *settings: str) -> None:
        for setting in settings:
            await self._bench.database.execute(f"ALTER SYSTEM SET {setting}")
        await self._bench.database.execute("SELECT pg_reload_conf()")
        # Each connection notices before its next statement, a moment after the signal.
        await asyncio.sleep(0.3)

    def _senders(self) -> Iterator[int]:
        with self._log.open(encoding="utf-8", errors="replace") as lines:
            lines.seek(self._from)
            for line in lines:
                if found := _STATEMENT.match(line):
                    yield int(found[1])
