"""``python -m bench``: run the cases and write their table."""

import argparse
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import uvloop

from bench import report
from bench.bench import BUYERS, Bench, introduce, say
from bench.cases import create, expiry, prepay, settle, sold_out, statements, storm
from bench.history import write_history
from bench.house import House, running_house
from bench.notices import Signers
from bench.pgbench import Ruler
from bench.rows import Row
from bench.stage import put_on_sale, register, settle_down

CASES: dict[str, Callable[[Bench], Awaitable[list[Row]]]] = {
    "create": create.measure,
    "statements": statements.measure,
    "prepay": prepay.measure,
    "sold_out": sold_out.measure,
    "settle": settle.measure,
    "storm": storm.measure,
    "expiry": expiry.measure,
}


async def run(*, rounds: int, seconds: float, only: Sequence[str], scale: float) -> report.Report:
    """Run the cases named by *only*, or all, in one house."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(running_house())
        signers = Signers(house.keys)
        stack.callback(signers.close)
        bench = await _bench(house, signers, rounds=rounds, seconds=seconds, scale=scale)
        stack.push_async_callback(bench.database.close)
        found: dict[str, list[Row]] = {}
        for name in only or CASES:
            say(f"case {name}")
            found[name] = await CASES[name](bench)
        say("invariants")
        broken = await house.broken_promises()
        return await report.gather(bench, found, broken)


async def _bench(
    house: House, signers: Signers, *, rounds: int, seconds: float, scale: float
) -> Bench:
    database = await house.connect()
    ruler = Ruler(house.database_url)
    await ruler.prepare()
    secret = house.keys.secrets.jwt_secret
    bench = Bench(
        house=house,
        database=database,
        ruler=ruler,
        signers=signers,
        buyers=await register(database, secret, BUYERS),
        rounds=rounds,
        seconds=seconds,
        scale=scale,
    )
    say("filling the tables")
    await write_history(bench)
    await settle_down(database)
    say("signing people in")
    await introduce(house.port, house.api_workers, await put_on_sale(database), bench.buyers)
    return bench


def main() -> int:
    """Run as the command line says; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each timed part")
    parser.add_argument("--only", default="", help=f"of {' '.join(CASES)}")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the counted sizes")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    said = parser.parse_args()
    started = time.monotonic()
    only = said.only.replace(",", " ").split()
    found = uvloop.run(run(rounds=said.rounds, seconds=said.seconds, only=only, scale=said.scale))
    sys.stdout.write(found.text)
    if said.write:
        report.write(found)
    say(f"took {time.monotonic() - started:.0f} s")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
