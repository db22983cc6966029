"""A sale and its payments while processes are killed and notices come twice."""

import asyncio
import contextlib
import os
import random
import signal
from functools import partial
from http import HTTPStatus

import httpx

from bench.bench import Bench, order_request, say
from bench.house import API_WORKERS
from bench.load import fire
from bench.patience import until
from bench.rows import Row
from bench.settling import Watcher
from bench.shots import Shot, Volley
from bench.stage import OnSale, Payable, payables, put_on_sale

_SEATS = 600
_BUYERS = 900
_CLIENTS = 64
_DUPLICATED = 0.2
_SEED = 20261121
_PATIENCE_SECONDS = 60


async def measure(bench: Bench) -> list[Row]:
    """Sell out and settle, with processes killed in the middle; count what went wrong."""
    seats, buyers = bench.sized(_SEATS), bench.sized(_BUYERS)
    sale = await put_on_sale(bench.database, most=seats)
    sold_lost = await _sell(bench, sale, buyers)
    orders = await payables(bench.database, sale)
    say(f"storm: {len(orders)} attempts open, {sold_lost} requests lost and repeated")
    settled_lost = await _settle(bench, orders)
    say(f"storm: {settled_lost} notices lost and repeated")
    await until(partial(_is_whole, bench), within_seconds=_PATIENCE_SECONDS)
    sold, paid, payments = await _outcome(bench, sale)
    lost = sold_lost + settled_lost
    return [
        Row(what="storm: requests cut off by a kill, and repeated", unit="", values=[lost]),
        _none("seats oversold", sold - seats),
        _none("seats undersold", seats - sold),
        _none("orders opened but not paid", len(orders) - paid),
        _none("orders settled twice", payments - paid),
    ]


def _none(what: str, count: int) -> Row:
    return Row(what=f"storm: {what}", unit="", values=[max(0, count)], at_most=0)


async def _sell(bench: Bench, sale: OnSale, buyers: int) -> int:
    """Sell to more people than there are seats, and open each payment at the simulator."""
    requests = [order_request(sale, buyer, prepare=True) for buyer in bench.buyers[:buyers]]
    strike = _Strike({buyers // 4: bench.house.api_workers[0]})
    volley = await fire(
        bench.house.port, iter(requests), clients=_CLIENTS, on_answer=strike, again=True
    )
    lost = volley.lost
    # Whoever got an order but no code asks again, as a page does.
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while waiting := await _unopened(bench, sale):
            buyers_left = (buyer for buyer in bench.buyers if buyer.user_id in waiting)
            again = [order_request(sale, buyer, prepare=True) for buyer in buyers_left]
            await fire(bench.house.port, iter(again), clients=_CLIENTS, again=True)
    return lost


async def _unopened(bench: Bench, sale: OnSale) -> set[int]:
    found = await bench.database.fetch(
        "SELECT user_id FROM orders o WHERE event_id = $1 AND status = 'PENDING' AND NOT EXISTS"
        " (SELECT 1 FROM payment_attempts a WHERE a.order_id = o.id AND a.state = 'OPEN')",
        sale.event_id,
    )
    return {row["user_id"] for row in found}


async def _settle(bench: Bench, orders: list[Payable]) -> int:
    """Deliver every notice, a part of them twice, until each has been taken."""
    notices = await bench.signers.sign(orders)
    chance = random.Random(_SEED)  # noqa: S311 - an order of events, not a secret
    waiting = [*notices, *chance.sample(notices, int(_DUPLICATED * len(notices)))]
    chance.shuffle(waiting)
    house, third = bench.house, len(waiting) // 3
    strike = _Strike({third: house.worker[0], 2 * third: house.api_workers[-1]})
    watcher = await Watcher.begin(bench)
    watching = asyncio.create_task(watcher.see({order.order_id for order in orders}))
    lost = 0
    while waiting:
        volley = await _deliver(bench, waiting, strike)
        lost += volley.lost
        waiting = strike.untaken()
    await watching
    return lost


async def _deliver(bench: Bench, notices: list[bytes], strike: "_Strike") -> Volley:
    return await fire(
        bench.house.port, iter(notices), clients=_CLIENTS, on_answer=strike, again=True
    )


async def _is_whole(bench: Bench) -> bool:
    """Tell whether what was killed runs again."""
    house = bench.house
    with contextlib.suppress(httpx.TransportError):
        answer = await house.client.get("/health/ready")
        there = len(house.api_workers) == API_WORKERS and len(house.worker) == 1
        return there and answer.status_code == httpx.codes.OK
    return False


async def _outcome(bench: Bench, sale: OnSale) -> tuple[int, int, int]:
    """Count seats sold, orders paid, and payments kept for them."""
    row = await bench.database.fetchrow(
        "SELECT (SELECT sum(current_quantity) FROM ticket_types WHERE event_id = $1),"
        " (SELECT count(*) FROM orders WHERE event_id = $1 AND status = 'PAID'),"
        " (SELECT count(*) FROM payments p JOIN orders o ON o.id = p.order_id"
        "  WHERE o.event_id = $1)",
        sale.event_id,
    )
    assert row is not None
    return row[0], row[1], row[2]


class _Strike:
    """Kills processes when so many answers have come; keeps what was not taken."""

    def __init__(self, victims: dict[int, int]) -> None:
        self._victims = victims
        self._answers = 0
        self._untaken: list[bytes] = []

    def __call__(self, shot: Shot) -> None:
        self._answers += 1
        if (pid := self._victims.pop(self._answers, None)) is not None:
            os.kill(pid, signal.SIGKILL)
        if shot.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._untaken.append(shot.raw)

    def untaken(self) -> list[bytes]:
        """Hand over the requests that the service could not take."""
        found, self._untaken = self._untaken, []
        return found
