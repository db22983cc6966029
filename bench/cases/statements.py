"""How many SQL statements an order costs, BEGIN and COMMIT included, by PostgreSQL's own log."""

from bench.bench import Bench, say
from bench.counting import StatementCount
from bench.load import fire
from bench.rows import Row
from bench.settling import Settling
from bench.stage import put_on_sale, settle_down

_ALONE, _TOGETHER = 100, 2000
_GROUPED_CLIENTS = 64
_ALONE_MAX = 8


async def measure(bench: Bench) -> list[Row]:
    """Count the statements of the api's processes; the worker's own rounds are not an order's."""
    rows = []
    for clients, count in ((1, bench.sized(_ALONE)), (_GROUPED_CLIENTS, bench.sized(_TOGETHER))):
        alone = clients == 1
        how = "1 client" if alone else f"{clients} clients, grouped"
        created = await _create(bench, clients, count) / count
        settled = await _settle(bench, clients, count) / count
        say(f"statements, {how}: create {created:.2f}, settle {settled:.2f}")
        rows += [
            Row(
                what=f"statements per create, {how}",
                unit="",
                values=[created],
                at_most=_ALONE_MAX if alone else None,
                below=None if alone else 1,
            ),
            Row(what=f"statements per settle, {how}", unit="", values=[settled]),
        ]
    return rows


async def _create(bench: Bench, clients: int, count: int) -> int:
    sale = await put_on_sale(bench.database)
    first, *others = bench.creates(sale)
    await settle_down(bench.database)
    # The first order of an event reads the catalogue, once.
    await fire(bench.house.port, iter([first]), clients=1)
    async with StatementCount(bench) as counted:
        volley = await fire(bench.house.port, iter(others[:count]), clients=clients)
        volley.rate(201)
    return counted.statements


async def _settle(bench: Bench, clients: int, count: int) -> int:
    settling = await Settling.prepare(bench, count)
    async with StatementCount(bench) as counted:
        await settling.run(clients=clients)
    return counted.statements
