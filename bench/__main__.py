"""``python -m bench``: run the cases and write their table."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import uvloop

from bench import report
from bench.bench import BUYERS, Bench, introduce, say, sized
from bench.cases import (
    confirm,
    create,
    expiry,
    prepare,
    prepay,
    settle,
    sold_out,
    statements,
    storm,
)
from bench.history import ORDERS, write_history
from bench.house import running_house
from bench.notices import Signers
from bench.pgbench import Ruler
from bench.rows import Row
from bench.stage import put_on_sale, register, settle_down

CASES: dict[str, Callable[[Bench], Awaitable[list[Row]]]] = {
    "create": create.measure,
    "statements": statements.measure,
    "prepay": prepay.measure,
    "prepare": prepare.measure,
    "sold_out": sold_out.measure,
    "settle": settle.measure,
    "confirm": confirm.measure,
    "storm": storm.measure,
    "expiry": expiry.measure,
}


# More than it settles in a short part of a trial.
_RULER_LEAST = 20_000


async def run(*, rounds: int, seconds: float, only: Sequence[str], scale: float) -> report.Report:
    """Run the cases named by *only*, or all, in one house."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(running_house())
        signers = Signers(house.keys)
        stack.callback(signers.close)
        database = await house.connect()
        stack.push_async_callback(database.close)
        bench = Bench(
            house=house,
            database=database,
            ruler=Ruler(house.database_url, fill=max(_RULER_LEAST, sized(ORDERS, scale))),
            signers=signers,
            buyers=await register(database, house.keys.secrets.jwt_secret, sized(BUYERS, scale)),
            rounds=rounds,
            seconds=seconds,
            scale=scale,
        )
        await _prepare(bench)
        found = {name: await _run_case(bench, name) for name in only or CASES}
        say("invariants")
        return await report.gather(bench, found, await house.broken_promises())


async def _prepare(bench: Bench) -> None:
    say("filling the tables")
    await bench.ruler.prepare()
    await write_history(bench)
    await settle_down(bench.database)
    say("signing people in")
    house, anywhere = bench.house, await put_on_sale(bench.database)
    await introduce(house.port, house.api_workers, anywhere, bench.buyers)


async def _run_case(bench: Bench, name: str) -> list[Row]:
    say(f"case {name}")
    return await CASES[name](bench)


def main() -> int:
    """Run as the command line says; 1 when a promise is broken."""
    parser = _parser()
    said = parser.parse_args()
    only = said.only.replace(",", " ").split()
    if unknown := set(only) - set(CASES):
        parser.error(f"no case is called {', '.join(sorted(unknown))}")
    found = uvloop.run(run(rounds=said.rounds, seconds=said.seconds, only=only, scale=said.scale))
    sys.stdout.write(found.text)
    if not only and said.scale == 1:
        report.write(found)
    return 1 if found.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each case")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each timed part")
    parser.add_argument("--only", default="", help=f"some of: {' '.join(CASES)}")
    parser.add_argument("--scale", type=float, default=1.0, help="part of what is counted; a trial")
    return parser


if __name__ == "__main__":
    sys.exit(main())
