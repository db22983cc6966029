"""Orders waiting to be paid, the notices that pay them, and somebody who sees them paid."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Self

import asyncpg

from actors.lane import GROUP_LIMIT
from bench.bench import Bench
from bench.copies import copy_order
from bench.house import API_WORKERS
from bench.load import fire
from bench.patience import until
from bench.shots import Shot, Volley
from bench.stage import Payable, make_order, payables, put_on_sale, settle_down

# How often is looked under load; a delay is too long by as much at most.
_LOOK_SECONDS = 0.05
# What may commit out of order: a whole group of each process, twice over.
_UNORDERED = 2 * API_WORKERS * GROUP_LIMIT
_PATIENCE_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of the notices."""

    volley: Volley
    seconds: float
    delays_ms: list[float]


class Settling:
    """A number of open attempts and their notices, signed."""

    def __init__(self, bench: Bench, orders: list[Payable], notices: list[bytes]) -> None:
        self.orders = orders
        self.notices = notices
        self._bench = bench

    @classmethod
    async def prepare(cls, bench: Bench, count: int, *, sales: int = 1) -> Self:
        """Open one payment for real, copy it *count* times, and sign a notice for each copy.

        So often for each of *sales*: nobody buys twice in one.
        """
        desk = await put_on_sale(bench.database)
        model_id = await make_order(bench.house.client, desk, bench.buyers[0], prepare=True)
        user_ids = [buyer.user_id for buyer in bench.buyers[:count]]
        orders: list[Payable] = []
        for _ in range(sales):
            sale = await put_on_sale(bench.database)
            await copy_order(bench.database, model_id, sale, user_ids)
            orders += await payables(bench.database, sale)
        assert len(orders) == count * sales
        notices = await bench.signers.sign(orders)
        await settle_down(bench.database)
        return cls(bench, orders, notices)

    async def run(self, *, clients: int) -> Settled:
        """Deliver every notice once and wait until every order is paid."""
        sent_at: dict[bytes, float] = {}

        def note(shot: Shot) -> None:
            sent_at[shot.raw] = shot.sent_at

        watcher = await Watcher.begin(self._bench)
        watching = asyncio.create_task(watcher.see({order.order_id for order in self.orders}))
        port = self._bench.house.port
        volley = await fire(port, iter(self.notices), clients=clients, on_answer=note)
        volley.rate(204)
        seen_at = await watching
        delays_ms = [
            1000 * (seen_at[order.order_id] - sent_at[notice])
            for order, notice in zip(self.orders, self.notices, strict=True)
        ]
        seconds = max(seen_at.values()) - volley.started_at
        return Settled(volley=volley, seconds=seconds, delays_ms=delays_ms)


class Watcher:
    """Looks for payments as they are committed."""

    def __init__(
        self, database: "asyncpg.Connection[Any]", look_seconds: float, newest_id: int
    ) -> None:
        self._database = database
        self._look_seconds = look_seconds
        self._newest_id = newest_id

    @classmethod
    async def begin(cls, bench: Bench, look_seconds: float = _LOOK_SECONDS) -> Self:
        """Start behind the payments that are there."""
        database = await bench.house.connect()
        newest_id = await database.fetchval("SELECT coalesce(max(id), 0) FROM payments")
        return cls(database, look_seconds, newest_id)

    async def see(self, order_ids: set[int]) -> dict[int, float]:
        """Return when each order was first seen paid, by time.perf_counter().

        :raises TimeoutError: they are not.
        """
        seen: dict[int, float] = {}
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while len(seen) < len(order_ids):
                await asyncio.sleep(self._look_seconds)
                found = await self._database.fetch(
                    "SELECT id, order_id FROM payments WHERE id > $1 AND honoured",
                    self._newest_id - _UNORDERED,
                )
                now = time.perf_counter()
                for payment_id, order_id in found:
                    self._newest_id = max(self._newest_id, payment_id)
                    if order_id in order_ids:
                        seen.setdefault(order_id, now)
        await self._database.close()
        return seen


async def duties_done(bench: Bench) -> None:
    """Wait until the worker owes nothing that is due.

    :raises TimeoutError: it does not come to an end.
    """

    async def none_is_due() -> bool:
        done: bool = await bench.database.fetchval(
            "SELECT NOT EXISTS (SELECT 1 FROM effects WHERE done_at IS NULL AND due_at < now())"
        )
        return done

    await until(none_is_due, within_seconds=_PATIENCE_SECONDS)
