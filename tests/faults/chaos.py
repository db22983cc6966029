"""`make chaos`: faults in a random order that a seed repeats, while buyers go on buying."""

import argparse
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from actors.failpoints import FAILPOINTS
from tests.faults.aftermath import let_settle, violations
from tests.faults.buyers import Crowd, Ledger
from tests.faults.faults import SINGLE, Fault, kill_at
from tests.faults.house import FaultHouse, running_house

# Enough that every fault meets strangers' work, few enough that two cores can follow.
_BUYERS = 2
_WAY_THERE = {"create", "open", "record_opened.seen", "record_opened.committed"}
_NOTICE = {"notice.verified", "notice.stored", "notice.read", "record_payment"}
# What each flow passes in any case; other steps it passes when a sweep happens to be the first.
SUBJECTS: dict[str, set[str]] = {
    "create": {"create"},
    "prepare": _WAY_THERE | {"start_attempt"},
    "settle": _WAY_THERE | _NOTICE | {"sweep.effects", "effect"},
    "ask": _WAY_THERE | {"query", "record_payment"},
    "expire": _WAY_THERE | {"sweep.expire", "expire", "sweep.close", "close", "record_attempt"},
    "close": _WAY_THERE | {"cancel", "close", "record_attempt"},
    "refund": _WAY_THERE | _NOTICE | {"sweep.refunds", "refund", "record_refund"},
}


class Outcome(msgspec.Struct, frozen=True):
    """One fault, done: how long until all was well, and what was not."""

    fault: Fault
    seconds: float
    orders: int
    violations: list[str]


def every_kill() -> list[Fault]:
    """List a kill for every failpoint that each flow is sure to pass."""
    return [
        kill_at(flow, point)
        for flow, subjects in SUBJECTS.items()
        for point in sorted(FAILPOINTS)
        if point in subjects or point.partition(".")[0] in subjects
    ]


def suffer(house: FaultHouse, fault: Fault, *, buyers: int = 0, seed: int = 0) -> Outcome:
    """Let one fault happen and see whether everything comes right again."""
    house.disarm()
    since = house.value("SELECT coalesce(max(id), 0) FROM orders")
    ledger = Ledger()
    found: list[str] = []
    began = time.monotonic()
    try:
        with Crowd(house, ledger, size=buyers, seed=seed) as crowd:
            fault.act(house, ledger)
        found += crowd.failures
        let_settle(house)
    except Exception as failure:  # noqa: BLE001 - told with the rest
        found.append(f"{type(failure).__name__}: {failure}")
    seconds = time.monotonic() - began
    found += violations(house, ledger, since_order_id=since)
    orders = house.value("SELECT count(*) FROM orders WHERE id > $1", since)
    return Outcome(fault, seconds, orders, found)


def drawn(rounds: int, seed: int) -> list[Fault]:
    """Draw *rounds* faults: every one before any comes again, kills and others by turns."""
    chance = random.Random(seed)  # noqa: S311 - repeatable is what it must be
    every, decks = (every_kill(), SINGLE), list[list[Fault]]([[], []])
    chosen = []
    for number in range(rounds):
        deck = decks[number % 2]
        if not deck:
            deck += chance.sample(all_of_it := every[number % 2], k=len(all_of_it))
        chosen.append(deck.pop())
    return chosen


def table(outcomes: Sequence[Outcome]) -> str:
    """Write the table of a campaign."""
    families: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        families[outcome.fault.family].append(outcome)
    lines = ["| fault | times | orders | well again after p50 / max, s | violations |"]
    lines += ["|---|---:|---:|---:|---:|"]
    lines += [_line(family, done) for family, done in sorted(families.items())]
    return "\n".join([*lines, _line("**all**", outcomes)])


def _line(name: str, done: Sequence[Outcome]) -> str:
    seconds = [outcome.seconds for outcome in done]
    broken = sum(len(outcome.violations) for outcome in done)
    orders = sum(outcome.orders for outcome in done)
    median, most = statistics.median(seconds), max(seconds)
    return f"| {name} | {len(done)} | {orders} | {median:.1f} / {most:.1f} | {broken} |"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run a campaign; the status says whether a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="0 throws the dice")
    parser.add_argument("--first", type=int, default=1, help="the round to begin with")
    arguments = parser.parse_args()
    first, last = arguments.first, arguments.first + arguments.rounds - 1
    seed = arguments.seed or random.SystemRandom().randrange(1, 10**8)
    _say(f"seed {seed}")
    outcomes = []
    with running_house() as house:
        for number, fault in enumerate(drawn(last, seed), start=1):
            if number < first:
                continue
            outcome = suffer(house, fault, buyers=_BUYERS, seed=seed + number)
            outcomes.append(outcome)
            _say(f"{number:4} {outcome.seconds:5.1f} s {outcome.orders:4} orders  {fault.name}")
            for line in outcome.violations:
                _say(f"     VIOLATION {line}")
    _say(table(outcomes))
    return 1 if any(outcome.violations for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
