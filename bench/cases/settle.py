"""Signed notices in, PAID out; and the same notice again and again."""

import asyncio
from itertools import repeat

from bench.bench import Bench, Spent, say
from bench.load import fire
from bench.rows import Row, ratios
from bench.settling import Settled, Settling, Watcher, duties_done
from bench.shots import share_of
from bench.stage import settle_down

_BUYERS = 5000
# Each buys twice: what begins and ends a run counts half as much, as in pgbench's.
_SALES = 2
_CLIENTS = 64
_CALM_NOTICES = 100
_CALM_LOOK_SECONDS = 0.002
_DUPLICATES_MAX = 0.3
_PARTS = (("api", "api"), ("worker, its duties included", "worker"), ("PostgreSQL", "postgres"))


async def measure(bench: Bench) -> list[Row]:
    """Measure settlements beside pgbench's c_settle, which does the least that one needs."""
    buyers = bench.sized(_BUYERS)
    count = _SALES * buyers
    calm = await _calm(bench)
    settled: list[Settled] = []
    cpu: list[Spent] = []
    twin_seconds: list[float] = []
    twin_cpu: list[float] = []
    ruled: list[float] = []
    for n in range(bench.rounds):
        settling = await Settling.prepare(bench, buyers, sales=_SALES)
        before = bench.spent()
        done = await settling.run(clients=_CLIENTS)
        await duties_done(bench)
        settled.append(done)
        cpu.append(bench.spent() - before)
        say(f"settle {n + 1}: {count / done.seconds:.0f}/s")
        await settle_down(bench.database)
        before = bench.spent()
        again = repeat(settling.notices[0], count)
        twins = await fire(bench.house.port, again, clients=_CLIENTS)
        twins.rate(204)
        twin_seconds.append(twins.seconds)
        twin_cpu.append((bench.spent() - before).total)
        say(f"settle {n + 1}: duplicates {count / twins.seconds:.0f}/s")
        run = await bench.ruler.measure("c_settle", clients=8, seconds=bench.seconds)
        ruled.append(run.rate)
        say(f"settle {n + 1}: c_settle {run.rate:.0f}/s")
    rates = [count / done.seconds for done in settled]
    return [
        Row(what="settlements, 64 clients", unit="1/s", values=rates),
        Row(
            what="notices stored and answered",
            unit="1/s",
            values=[d.volley.rate(204) for d in settled],
        ),
        Row(what="pgbench c_settle, 8 clients", unit="1/s", values=ruled),
        Row(
            what="settlements / c_settle",
            unit="ratio",
            values=ratios(rates, ruled),
            at_least=0.6,
            aim="0.9",
        ),
        Row(what="notice to PAID p50, one at a time", unit="ms", values=[share_of(calm, 0.5)]),
        Row(what="notice to PAID p99, one at a time", unit="ms", values=[share_of(calm, 0.99)]),
        Row(what="notice to PAID p50, at full load", unit="ms", values=_delays(settled, 0.5)),
        Row(what="notice to PAID p99, at full load", unit="ms", values=_delays(settled, 0.99)),
        Row(
            what="notice answered p99, at full load",
            unit="ms",
            values=[d.volley.latency_ms(0.99) for d in settled],
        ),
        *(
            Row(
                what=f"CPU per settlement, {name}",
                unit="ms",
                values=[1000 * getattr(used, part) / count for used in cpu],
            )
            for name, part in _PARTS
        ),
        Row(
            what=f"{count} duplicates / {count} distinct, time",
            unit="ratio",
            values=ratios(twin_seconds, [done.seconds for done in settled]),
            at_most=_DUPLICATES_MAX,
        ),
        Row(
            what=f"{count} duplicates / {count} distinct, CPU",
            unit="ratio",
            values=ratios(twin_cpu, [used.total for used in cpu]),
            at_most=_DUPLICATES_MAX,
        ),
    ]


async def _calm(bench: Bench) -> list[float]:
    """Deliver one notice after the other, each when the one before has been paid."""
    settling = await Settling.prepare(bench, bench.sized(_CALM_NOTICES))
    delays_ms = []
    for order, notice in zip(settling.orders, settling.notices, strict=True):
        watcher = await Watcher.begin(bench, _CALM_LOOK_SECONDS)
        watching = asyncio.create_task(watcher.see({order.order_id}))
        volley = await fire(bench.house.port, iter([notice]), clients=1)
        seen_at = await watching
        delays_ms.append(1000 * (seen_at[order.order_id] - volley.started_at))
    return delays_ms


def _delays(settled: list[Settled], share: float) -> list[float]:
    return [share_of(done.delays_ms, share) for done in settled]
