"""Orders of one hot ticket type, without opening the payment."""

from bench import processes
from bench.bench import Bench, say
from bench.load import fire
from bench.pgbench import Ruled
from bench.rows import Row, ratios
from bench.shots import Volley
from bench.stage import put_on_sale, settle_down

_FEW, _MANY, _CROWD = _CLIENTS = (16, 64, 256)
# Where a hot row is quickest.
_RULER = 8
_MEMORY_MAX_MB = 300


async def measure(bench: Bench) -> list[Row]:
    """Measure creates beside pgbench's a_hot, which does the least that a sale needs."""
    volleys: dict[int, list[Volley]] = {clients: [] for clients in _CLIENTS}
    cpu: list[list[float]] = []
    pss: list[float] = []
    ruled: dict[int, list[Ruled]] = {_RULER: [], _MANY: []}
    for n in range(bench.rounds):
        for clients in _CLIENTS:
            volley, spent = await _volley(bench, clients)
            volleys[clients].append(volley)
            say(f"create {n + 1}: {clients} clients {volley.rate(201):.0f}/s")
            if clients == _MANY:
                cpu.append([1000 * seconds / len(volley.latencies_ms) for seconds in spent])
        pss.append(processes.pss_bytes(bench.house.service) / 1e6)
        for clients, runs in ruled.items():
            run = await bench.ruler.measure("a_hot", clients=clients, seconds=bench.seconds)
            runs.append(run)
            say(f"create {n + 1}: a_hot, {clients} clients {run.rate:.0f}/s")
    rates = {clients: [volley.rate(201) for volley in volleys[clients]] for clients in _CLIENTS}
    hot = [run.rate for run in ruled[_RULER]]
    service_p99 = [volley.latency_ms(0.99) for volley in volleys[_MANY]]
    ruler_p99 = [run.latency_ms(0.99) for run in ruled[_MANY]]
    return [
        *(Row(what=f"creates, {c} clients", unit="1/s", values=rates[c]) for c in _CLIENTS),
        Row(what="pgbench a_hot, 8 clients", unit="1/s", values=hot),
        Row(what="pgbench a_hot, 64 clients", unit="1/s", values=[r.rate for r in ruled[_MANY]]),
        Row(
            what="creates at 64 clients / a_hot at 8",
            unit="ratio",
            values=ratios(rates[_MANY], hot),
            at_least=0.8,
            aim="1.5",
        ),
        Row(
            what="creates at 256 clients / at 16",
            unit="ratio",
            values=ratios(rates[_CROWD], rates[_FEW]),
            at_least=0.8,
        ),
        Row(
            what="create p50, 64 clients",
            unit="ms",
            values=[v.latency_ms(0.5) for v in volleys[_MANY]],
        ),
        Row(what="create p99, 64 clients", unit="ms", values=service_p99),
        Row(
            what="create p99, 256 clients",
            unit="ms",
            values=[v.latency_ms(0.99) for v in volleys[_CROWD]],
        ),
        Row(what="a_hot p99, 64 clients", unit="ms", values=ruler_p99),
        Row(
            what="create p99 / a_hot p99, 64 clients",
            unit="ratio",
            values=ratios(service_p99, ruler_p99),
            at_most=1,
        ),
        Row(what="CPU per create, api and worker", unit="ms", values=[c[0] for c in cpu]),
        Row(what="CPU per create, PostgreSQL", unit="ms", values=[c[1] for c in cpu]),
        Row(what="CPU per create, load generator", unit="ms", values=[c[2] for c in cpu]),
        Row(
            what="memory (PSS) of api with 2 workers and worker",
            unit="MB",
            values=pss,
            at_most=_MEMORY_MAX_MB,
        ),
    ]


async def _volley(bench: Bench, clients: int) -> tuple[Volley, list[float]]:
    sale = await put_on_sale(bench.database)
    requests = bench.creates(sale)
    await settle_down(bench.database)
    before = bench.spent()
    volley = await fire(bench.house.port, requests, clients=clients, seconds=bench.seconds)
    used = bench.spent() - before
    return volley, [used.api + used.worker, used.postgres, volley.client_cpu_seconds]
