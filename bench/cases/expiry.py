"""Ten thousand orders whose time is up within one second."""

import asyncio
import time

from bench import processes
from bench.bench import Bench, say
from bench.rows import Row
from bench.stage import OnSale, copy_order, make_order, put_on_sale, settle_down

_ORDERS = 10_000
_HEAD_START_SECONDS = 3.0
_SECONDS_MAX = 60
_GROWTH_MAX_MB = 20
_LOOK_SECONDS = 0.25
_PATIENCE_SECONDS = 180


async def measure(bench: Bench) -> list[Row]:
    """Measure how long it takes until each has ended and its seat is back."""
    count = bench.sized(_ORDERS)
    seconds: list[float] = []
    growth: list[float] = []
    for n in range(bench.rounds):
        took, grown = await _expire(bench, count)
        seconds.append(took)
        growth.append(grown)
        say(f"expiry {n + 1}: {took:.1f} s, {grown:.1f} MB")
    return [
        Row(
            what=f"{count} orders due within a second: all EXPIRED, seats back",
            unit="s",
            values=seconds,
            at_most=_SECONDS_MAX,
        ),
        Row(
            what="growth of the service's memory (PSS) meanwhile",
            unit="MB",
            values=growth,
            at_most=_GROWTH_MAX_MB,
        ),
    ]


async def _expire(bench: Bench, count: int) -> tuple[float, float]:
    desk = await put_on_sale(bench.database)
    model_id = await make_order(bench.house.client, desk, bench.buyers[0], prepare=False)
    sale = await put_on_sale(bench.database)
    user_ids = [buyer.user_id for buyer in bench.buyers[:count]]
    await copy_order(bench.database, model_id, sale, user_ids)
    await settle_down(bench.database)
    before = processes.pss_bytes(bench.house.service)
    await bench.database.execute(
        "UPDATE orders SET expired_at = clock_timestamp() + make_interval(secs => $2 + random())"
        " WHERE event_id = $1",
        sale.event_id,
        _HEAD_START_SECONDS,
    )
    last_due_at = time.perf_counter() + _HEAD_START_SECONDS + 1
    ended_at, most = await _ended(bench, sale)
    return ended_at - last_due_at, max(0.0, (most - before) / 1e6)


async def _ended(bench: Bench, sale: OnSale) -> tuple[float, int]:
    most = 0
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await bench.database.fetchval(
            "SELECT EXISTS (SELECT 1 FROM orders WHERE event_id = $1 AND status <> 'EXPIRED')"
            " OR EXISTS (SELECT 1 FROM ticket_types WHERE event_id = $1 AND current_quantity > 0)",
            sale.event_id,
        ):
            most = max(most, processes.pss_bytes(bench.house.service))
            await asyncio.sleep(_LOOK_SECONDS)
    return time.perf_counter(), most
