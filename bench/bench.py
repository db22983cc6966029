"""What every case works with."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from bench import load, processes
from bench.house import House
from bench.notices import Signers
from bench.pgbench import Ruler
from bench.shots import request
from bench.stage import Buyer, OnSale

# A process remembers 20,000 tokens; nobody may be looked up again while the clock runs.
BUYERS: Final = 12_000
# Fewer would not even make a group.
_LEAST: Final = 20
# Connections to introduce people over, and how often more are opened to find them.
_LINES: Final = 8
_TRIES: Final = 50


@dataclass
class Bench:
    """A running house, a ruler beside it, and people who are signed in."""

    house: House
    database: "asyncpg.Connection[Any]"
    ruler: Ruler
    signers: Signers
    buyers: list[Buyer]
    rounds: int
    seconds: float
    # Part of the sizes that are counted rather than timed; below 1 for a trial of the bench itself.
    scale: float

    def sized(self, count: int) -> int:
        """Return *count*, or less of it in a trial."""
        return sized(count, self.scale)

    def creates(self, sale: OnSale, **more: object) -> Iterator[bytes]:
        """Build a new order of each buyer; the requests are made now, not when they are sent."""
        return iter([order_request(sale, buyer, **more) for buyer in self.buyers])

    def spent(self) -> "Spent":
        """Read what the service and its database have used until now."""
        return Spent(
            api=processes.cpu_seconds(self.house.api),
            worker=processes.cpu_seconds(self.house.worker),
            postgres=processes.cpu_seconds(self.house.postgres),
        )


def sized(count: int, scale: float) -> int:
    """Return a part of *count*, but enough to be one."""
    return max(_LEAST, int(count * scale))


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds of CPU."""

    api: float
    worker: float
    postgres: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.api + self.worker + self.postgres

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(
            api=self.api - other.api,
            worker=self.worker - other.worker,
            postgres=self.postgres - other.postgres,
        )


def order_request(sale: OnSale, buyer: Buyer, **more: object) -> bytes:
    """Build the request of one order."""
    body = {"ticketTypeId": sale.ticket_type_id, "prepare": False} | more
    return request(
        "POST",
        sale.path,
        body=json.dumps(body).encode(),
        headers={"Authorization": buyer.authorization},
    )


async def introduce(port: int, workers: list[int], sale: OnSale, buyers: list[Buyer]) -> None:
    """Have each of the server's processes see each buyer once, as people who look around would."""
    looks = [
        request("GET", f"{sale.path}/pending", headers={"Authorization": b.authorization})
        for b in buyers
    ]
    for worker in workers:
        volley = await load.talk(await _connections_to(port, worker, workers), iter(looks))
        volley.rate(204)


async def _connections_to(port: int, worker: int, workers: list[int]) -> list[load.Client]:
    found: list[load.Client] = []
    for _ in range(_TRIES):
        for client in await load.connections(port, _LINES):
            if processes.server_of(client.local_port, workers) == worker and len(found) < _LINES:
                found.append(client)
            else:
                client.hang_up()
        if len(found) == _LINES:
            return found
    raise RuntimeError(f"process {worker} takes no connections")


def say(text: str) -> None:
    """Tell whoever waits how far it has come."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()
