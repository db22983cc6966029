"""Run a campaign: ``python -m tests.simulation --seeds 10000 --first 0``."""

import argparse
import os
import sys
import time
from collections import Counter

from tests.simulation.campaign import live_on_all_cores, story_of, table_of

_SHOWN = 3
_TOLD_EVERY = 500


def main() -> int:
    """Live through the seeds asked for; 1 when one of them broke a promise."""
    asked = _arguments()
    seeds = range(asked.first, asked.first + asked.seeds)
    counts: Counter[str] = Counter()
    broken: list[int] = []
    began = time.monotonic()
    for outcome in live_on_all_cores(seeds, asked.workers):
        counts.update(outcome.counts)
        if asked.digests:
            sys.stdout.write(f"{outcome.seed} {outcome.digest}\n")
        elif (lived := outcome.seed - asked.first + 1) % _TOLD_EVERY == 0:
            sys.stdout.write(f"{lived:,} seeds, {len(broken)} broken\n")
            sys.stdout.flush()
        if outcome.violations:
            broken.append(outcome.seed)
            if len(broken) <= _SHOWN:
                sys.stdout.write(story_of(outcome) + "\n")
    if asked.digests:
        return 0
    seconds = time.monotonic() - began
    sys.stdout.write(f"{table_of(counts)}\n\n")
    sys.stdout.write(
        f"{len(seeds):,} seeds from {asked.first} on in {seconds:.0f} s on {asked.workers} cores,"
        f" {len(seeds) / seconds:.1f} a second; broken: {broken[:50] or 'none'}\n"
    )
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--digests", action="store_true", help="only tell each seed's digest")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
