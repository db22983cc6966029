"""One more server beside the house's own, with the door that does nothing."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx

from bench import processes
from bench.bench import Bench, introduce
from bench.door import PATH
from bench.house import ROOT
from bench.shots import request
from bench.stage import Buyer, OnSale
from sandbox.embedded.ports import claim_port

_START_SECONDS = 30


@contextlib.asynccontextmanager
async def server_beside(bench: Bench, sale: OnSale, people: list[Buyer]) -> AsyncIterator[int]:
    """Start a server of two processes, introduce *people* to both, and yield its port."""
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


def nothing_request(buyer: Buyer) -> bytes:
    """Build the request of somebody signed in that asks for nothing."""
    headers = {"Authorization": buyer.authorization}
    return request("POST", PATH, body=b"{}", headers=headers)


async def _answering(port: int) -> None:
    url = f"http://127.0.0.1:{port}/health/ready"
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(_START_SECONDS):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(url)).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.1)
