"""Orders with their payment opened at once, beside the same calls with nothing around them."""

import asyncio
import subprocess
import sys

from bench.bench import Bench, say
from bench.house import ROOT
from bench.load import fire
from bench.rows import Row, ratios
from bench.shots import Shot, Volley
from bench.stage import put_on_sale, settle_down

_CLIENTS = 64
_PROCESSES = 2


async def measure(bench: Bench) -> list[Row]:
    """Measure creates with a Native prepay beside bare signed calls to the same simulator."""
    created: list[Volley] = []
    bare: list[float] = []
    for n in range(bench.rounds):
        created.append(await _create(bench))
        say(f"prepay {n + 1}: {created[-1].rate(201):.0f}/s")
        bare.append(await _call(bench))
        say(f"prepay {n + 1}: bare calls {bare[-1]:.0f}/s")
    rates = [volley.rate(201) for volley in created]
    return [
        Row(what=f"creates with Native prepay, {_CLIENTS} clients", unit="1/s", values=rates),
        Row(
            what=f"bare signed calls, {_PROCESSES} processes, {_CLIENTS} clients",
            unit="1/s",
            values=bare,
        ),
        Row(
            what="creates with prepay / bare calls",
            unit="ratio",
            values=ratios(rates, bare),
            at_least=0.6,
        ),
        Row(
            what="create with prepay p99",
            unit="ms",
            values=[volley.latency_ms(0.99) for volley in created],
        ),
    ]


async def _create(bench: Bench) -> Volley:
    sale = await put_on_sale(bench.database)
    requests = bench.creates(sale, prepare=True)
    await settle_down(bench.database)
    unopened: list[Shot] = []

    def look(shot: Shot) -> None:
        if b'"codeUrl"' not in shot.body:
            unopened.append(shot)

    volley = await fire(
        bench.house.port, requests, clients=_CLIENTS, seconds=bench.seconds, on_answer=look
    )
    assert not unopened, unopened[0].body
    # The worker would ask about these while the next part is measured.
    await bench.database.execute(
        "UPDATE payment_attempts SET due_at = NULL WHERE due_at IS NOT NULL"
    )
    return volley


async def _call(bench: Bench) -> float:
    processes = [await _process(bench) for _ in range(_PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    said = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    results = [out.decode().split() for out, _ in said]
    return sum(int(made) / float(seconds) for made, seconds in results)


async def _process(bench: Bench) -> asyncio.subprocess.Process:
    clients = _CLIENTS // _PROCESSES
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.bare", str(clients), str(bench.seconds)),
        cwd=ROOT,
        env={k: v for k, v in bench.house.environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
