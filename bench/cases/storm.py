"""A sale and its payments while processes are killed and notices come twice."""

import os
import signal
from collections import Counter

from bench.bench import Bench, order_request, say
from bench.load import Shot, fire
from bench.rows import Row
from bench.stage import OnSale, Payable, put_on_sale

_SEATS = 1000
_BUYERS = 1500
_CLIENTS = 64
_DUPLICATED = 0.2
_SEED = 20261121


async def measure(bench: Bench) -> list[Row]:
    """Sell out and settle, with a process killed in the middle of each; count what went wrong."""
    seats, buyers = bench.sized(_SEATS), bench.sized(_BUYERS)
    sale = await put_on_sale(bench.database, most=seats)
    answers = await _sell(bench, sale, buyers)
    orders = await _attempts(bench, sale)
    say(f"storm: {dict(answers)}, {len(orders)} attempts open")
    repeated = await _settle(bench, orders)
    sold, paid, settled = await _outcome(bench, sale)
    say(f"storm: {repeated} notices repeated, {sold} seats sold, {paid} orders paid")
    return [
        Row(
            what="storm: seats oversold or undersold",
            unit="",
            values=[abs(sold - seats)],
            at_most=0,
        ),
        Row(
            what="storm: orders opened but not paid",
            unit="",
            values=[len(orders) - paid],
            at_most=0,
        ),
        Row(what="storm: orders settled twice", unit="", values=[settled - paid], at_most=0),
    ]


async def _sell(bench: Bench, sale: OnSale, buyers: int) -> Counter[int]:
    requests = [order_request(sale, buyer, prepare=False) for buyer in bench.buyers[:buyers]]
    strike = _Strike(after=buyers // 3, pid=bench.house.api_workers[0])
    volley = await fire(
        bench.house.port, iter(requests), clients=_CLIENTS, on_answer=strike, again=True
    )
    return volley.statuses


async def _attempts(bench: Bench, sale: OnSale) -> list[Payable]:
    return []


async def _settle(bench: Bench, orders: list[Payable]) -> int:
    return 0


async def _outcome(bench: Bench, sale: OnSale) -> tuple[int, int, int]:
    return 0, 0, 0


class _Strike:
    """Kills a process when so many answers have come."""

    def __init__(self, *, after: int, pid: int) -> None:
        self._left = after
        self._pid = pid

    def __call__(self, _shot: Shot) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(self._pid, signal.SIGKILL)
