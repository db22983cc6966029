"""Refusing the many who come too late, beside a request that does nothing on the same server."""

from itertools import cycle

from bench import load
from bench.bench import Bench, order_request, say
from bench.beside import nothing_request, server_beside
from bench.rows import Row, ratios
from bench.shots import Volley
from bench.stage import Buyer, OnSale, make_order, put_on_sale, settle_down

_CLIENTS = 64
_PEOPLE = 2000


async def measure(bench: Bench) -> list[Row]:
    """Measure refusals and empty requests in turn, on one server of two processes."""
    first, *others = bench.buyers
    people = others[-_PEOPLE:]
    sale = await _sold_out(bench, first)
    refusals = [order_request(sale, buyer) for buyer in people]
    nothing = [nothing_request(buyer) for buyer in people]
    refused: list[Volley] = []
    empty: list[Volley] = []
    async with server_beside(bench, sale, people) as port:
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
