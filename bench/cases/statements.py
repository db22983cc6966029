"""How many SQL statements an order costs, BEGIN and COMMIT included, by PostgreSQL's own log."""

import asyncio
import re
from collections.abc import Iterator
from typing import Self

from bench import processes
from bench.bench import Bench, say
from bench.load import fire
from bench.rows import Row
from bench.settling import Settling
from bench.stage import put_on_sale, settle_down

_ALONE, _TOGETHER = 100, 2000
_GROUPED_CLIENTS = 64
_ALONE_MAX = 8
# The address of whoever sent the statement stands first in each line of the log.
_STATEMENT = re.compile(r"^sent by 127\.0\.0\.1\((\d+)\) LOG:  (?:execute|statement)")


async def measure(bench: Bench) -> list[Row]:
    """Count the statements of the api's processes; the worker's own rounds are not an order's."""
    rows = []
    for clients, count in ((1, bench.sized(_ALONE)), (_GROUPED_CLIENTS, bench.sized(_TOGETHER))):
        alone = clients == 1
        how = "1 client" if alone else f"{clients} clients, grouped"
        created = await _create(bench, clients, count) / count
        settled = await _settle(bench, clients, count) / count
        say(f"statements, {how}: create {created:.2f}, settle {settled:.2f}")
        rows += [
            Row(
                what=f"statements per create, {how}",
                unit="",
                values=[created],
                at_most=_ALONE_MAX if alone else None,
                below=None if alone else 1,
            ),
            Row(what=f"statements per settle, {how}", unit="", values=[settled]),
        ]
    return rows


async def _create(bench: Bench, clients: int, count: int) -> int:
    sale = await put_on_sale(bench.database)
    first, *others = bench.creates(sale)
    await settle_down(bench.database)
    # The first order of an event reads the catalogue, once.
    await fire(bench.house.port, iter([first]), clients=1)
    async with _Count(bench) as counted:
        volley = await fire(bench.house.port, iter(others[:count]), clients=clients)
        volley.rate(201)
    return counted.statements


async def _settle(bench: Bench, clients: int, count: int) -> int:
    settling = await Settling.prepare(bench, count)
    async with _Count(bench) as counted:
        await settling.run(clients=clients)
    return counted.statements


class _Count:
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
