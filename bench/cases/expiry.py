"""Ten thousand orders whose time is up within one second."""

import asyncio
import time
from dataclasses import dataclass

from bench import processes
from bench.bench import Bench, order_request, say
from bench.copies import copy_order
from bench.load import fire
from bench.rows import Row
from bench.stage import OnSale, make_order, put_on_sale, settle_down

_ORDERS = 10_000
# As many as the simulator opens in some seconds.
_OPENED = 1000
_OPENING_CLIENTS = 32
_HEAD_START_SECONDS = 2.0
_SECONDS_MAX = 60
# A batch of turns under way, and the allocator's leftovers.
_GROWTH_MAX_MB = 20
_LOOK_SECONDS = 0.25
_PATIENCE_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class _Ended:
    seconds: float
    growth_mb: float


async def measure(bench: Bench) -> list[Row]:
    """Measure how long it takes until each has ended and its seat is back."""
    count, opened = bench.sized(_ORDERS), bench.sized(_OPENED)
    ended = []
    for n in range(bench.rounds):
        ended.append(await _expire(bench, await _unopened(bench, count)))
        say(f"expiry {n + 1}: {ended[-1].seconds:.1f} s, {ended[-1].growth_mb:.1f} MB more")
    closed = await _expire(bench, await _opened(bench, opened))
    return [
        Row(
            what=f"{count} orders due within a second: all EXPIRED, seats back",
            unit="s",
            values=[end.seconds for end in ended],
            at_most=_SECONDS_MAX,
        ),
        Row(
            what="growth of the service's memory (PSS) meanwhile",
            unit="MB",
            values=[end.growth_mb for end in ended],
            at_most=_GROWTH_MAX_MB,
        ),
        Row(
            what=f"{opened} orders with an open payment, each closed at the provider first",
            unit="s",
            values=[closed.seconds],
        ),
    ]


async def _unopened(bench: Bench, count: int) -> OnSale:
    desk = await put_on_sale(bench.database)
    model_id = await make_order(bench.house.client, desk, bench.buyers[0], prepare=False)
    sale = await put_on_sale(bench.database)
    user_ids = [buyer.user_id for buyer in bench.buyers[:count]]
    await copy_order(bench.database, model_id, sale, user_ids)
    return sale


async def _opened(bench: Bench, count: int) -> OnSale:
    sale = await put_on_sale(bench.database)
    requests = [order_request(sale, buyer, prepare=True) for buyer in bench.buyers[:count]]
    volley = await fire(bench.house.port, iter(requests), clients=_OPENING_CLIENTS)
    volley.rate(201)
    return sale


async def _expire(bench: Bench, sale: OnSale) -> _Ended:
    await settle_down(bench.database)
    before = processes.pss_bytes(bench.house.service)
    await bench.database.execute(
        "UPDATE orders SET expired_at = clock_timestamp() + make_interval(secs => $2 + random())"
        " WHERE event_id = $1",
        sale.event_id,
        _HEAD_START_SECONDS,
    )
    last_due_at = time.perf_counter() + _HEAD_START_SECONDS + 1
    most = before
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await _is_waiting(bench, sale):
            most = max(most, processes.pss_bytes(bench.house.service))
            await asyncio.sleep(_LOOK_SECONDS)
    # Some are done before the last one is due.
    seconds = max(0.0, time.perf_counter() - last_due_at)
    return _Ended(seconds=seconds, growth_mb=(most - before) / 1e6)


async def _is_waiting(bench: Bench, sale: OnSale) -> bool:
    waiting: bool = await bench.database.fetchval(
        "SELECT EXISTS (SELECT 1 FROM orders WHERE event_id = $1 AND status <> 'EXPIRED')"
        " OR EXISTS (SELECT 1 FROM ticket_types WHERE event_id = $1 AND current_quantity > 0)",
        sale.event_id,
    )
    return waiting
