"""Many seeds, on one core or on several, and what there was in them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.world import Outcome, simulate

_PER_TASK = 20
# What is worth telling of a campaign, in the words of the rows and blows it is counted by.
_TOLD = (
    ("orders", "orders made"),
    ("PAID", "paid"),
    ("late", "paid late, with new seats"),
    ("EXPIRED", "expired"),
    ("CANCELLED", "cancelled"),
    ("payment_attempts", "attempts to pay"),
    ("surplus", "payments sent back"),
    ("sent back", "refunds an organizer asked for"),
    ("cases", "cases for a person"),
    ("webhook_events", "notices"),
    ("order_events", "events of orders"),
    ("statements", "statements and calls"),
    ("steps", "steps of the loop"),
    ("crash", "processes killed"),
    ("freeze", "processes frozen"),
    ("stop", "stops of the database or the provider"),
    ("stop redis", "stops of Redis"),
    ("flush redis", "flushes of Redis"),
    ("overtaken", "writes refused by the version"),
)


def live(seeds: Iterable[int]) -> list[Outcome]:
    """Live through seeds, one after another."""
    return [simulate(seed) for seed in seeds]


def live_on_all_cores(seeds: Sequence[int], workers: int) -> Iterator[Outcome]:
    """Live through seeds on several cores, in order."""
    tasks = [seeds[start : start + _PER_TASK] for start in range(0, len(seeds), _PER_TASK)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for outcomes in pool.map(live, tasks):
            yield from outcomes


def story_of(outcome: Outcome) -> str:
    """Tell how a seed failed, and how to see it again."""
    violations = "\n".join(f"  {violation}" for violation in outcome.violations)
    return (
        f"seed {outcome.seed} broke:\n{violations}\n"
        f"its last events:\n{outcome.end}\n"
        f"again: make simulate SEEDS=1 SEED={outcome.seed}\n"
    )


def table_of(counts: Counter[str]) -> str:
    """Write the totals as a table."""
    rows = [f"| {words} | {counts[name]:,} |" for name, words in _TOLD]
    return "\n".join(["| in all seeds | |", "|---|---|", *rows])
