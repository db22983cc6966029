"""Refusing the many who come too late, beside a request that does nothing on the same server."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import cycle

import httpx

from bench import load, processes
from bench.bench import Bench, introduce, order_request, say
from bench.door import PATH
from bench.house import ROOT
from bench.rows import Row, ratios
from bench.shots import Volley, request
from bench.stage import Buyer, OnSale, make_order, put_on_sale, settle_down
from sandbox.embedded.ports import claim_port

_CLIENTS = 64
_PEOPLE = 2000
_START_SECONDS = 30


async def measure(bench: Bench) -> list[Row]:
    """Measure refusals and empty requests in turn, on one server of two processes."""
    first, *others = bench.buyers
    people = others[-_PEOPLE:]
    sale = await _sold_out(bench, first)
    refusals = [order_request(sale, buyer) for buyer in people]
    nothing = [_nothing(buyer) for buyer in people]
    refused: list[Volley] = []
    empty: list[Volley] = []
    async with _server(bench, sale, people) as port:
        await settle_down(bench.database)
        for n in range(bench.rounds):
            for volleys, requests in ((refused, refusals), (empty, nothing)):
                volleys.append(
                    await load.fire(port, cycle(requests), clients=_CLIENTS, seconds=bench.seconds)
                )
            say(f"sold out {n + 1}: {refused[-1].rate(409):.0f}/s, {empty[-1].rate(200):.0f}/s")
    refusal_rates = [volley.rate(409) for volley in refused]
    empty_rates = [volley.rate(200) for volley in empty]
    return [
        Row(what="sold-out refusals, 64 clients", unit="1/s", values=refusal_rates),
        Row(what="empty authenticated POSTs, 64 clients", unit="1/s", values=empty_rates),
        Row(
            what="sold-out refusals / empty POSTs",
            unit="ratio",
            values=ratios(refusal_rates, empty_rates),
            at_least=0.5,
        ),
        Row(
            what="sold-out refusal p99",
            unit="ms",
            values=[volley.latency_ms(0.99) for volley in refused],
        ),
    ]


async def _sold_out(bench: Bench, buyer: Buyer) -> OnSale:
    sale = await put_on_sale(bench.database, most=1)
    await make_order(bench.house.client, sale, buyer, prepare=False)
    return sale


def _nothing(buyer: Buyer) -> bytes:
    headers = {"Authorization": buyer.authorization}
    return request("POST", PATH, body=b"{}", headers=headers)


@contextlib.asynccontextmanager
async def _server(bench: Bench, sale: OnSale, people: list[Buyer]) -> AsyncIterator[int]:
    with claim_port() as port:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.door"),
            cwd=ROOT,
            env=bench.house.environ | {"PORT": str(port.number)},
            stdout=subprocess.DEVNULL,
        )
        try:
            await _answering(port.number)
            workers = processes.descendants(process.pid)
            await introduce(port.number, workers, sale, people)
            yield port.number
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def _answering(port: int) -> None:
    url = f"http://127.0.0.1:{port}/health/ready"
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(_START_SECONDS):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(url)).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.1)
