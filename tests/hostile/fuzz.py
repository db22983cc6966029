"""Run a campaign of mutated notices and say what became of them.

``python -m tests.hostile.fuzz --count 300000 --seed 7``; without ``--dsn`` it brings a PostgreSQL
of its own. A failure names its batch: ``--first`` begins there.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections.abc import Iterator

import msgspec

from models.schema import migrate
from runtime.logs import configure_logs
from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres
from tests.hostile.campaign import Report, campaign

MEMORY_GROWTH_MAX_KIB = 50 * 1024


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print its report; 1 when anything was wrong."""
    options = _options(argv)
    options.seed = options.seed or secrets.randbelow(2**31)
    configure_logs("CRITICAL")
    _say(f"seed {options.seed}")
    with _postgres(options.dsn) as dsn:
        report = asyncio.run(_migrated(dsn, options))
    _say(json.dumps(msgspec.to_builtins(report)) if options.json else _table(report))
    grown = report.memory_growth_kib > MEMORY_GROWTH_MAX_KIB
    return 1 if report.faults or grown else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _migrated(dsn: str, options: argparse.Namespace) -> Report:
    await migrate(dsn, with_demo_data=False)
    return await campaign(dsn, options.count, options.seed, options.first)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="how many notices")
    parser.add_argument("--seed", type=int, default=0, help="0 throws the dice")
    parser.add_argument("--first", type=int, default=0, help="number of the first batch")
    parser.add_argument("--dsn", default=None, help="a PostgreSQL database that may be emptied")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args(argv)


@contextlib.contextmanager
def _postgres(dsn: str | None) -> Iterator[str]:
    if dsn is not None:
        yield dsn
        return
    with throwaway_home() as home:
        postgres = EmbeddedPostgres(home, settings=THROWAWAY_SETTINGS)
        postgres.start()
        try:
            yield postgres.url_of("guichet")
        finally:
            postgres.stop()


def _table(report: Report) -> str:
    rate = report.sent / report.seconds
    lines = [
        f"{report.sent} mutated notices in {report.seconds:.0f} s ({rate:.0f} a second)",
        f"memory grew by {report.memory_growth_kib / 1024:.1f} MiB after the first batch",
        *("", "| Check | Notices | Share of its provider's |", "|---|---:|---:|"),
        *(f"| {n} | {c} | {_share(report, n):.1f} % |" for n, c in report.families.items()),
        *("", "| End | Notices |", "|---|---:|"),
        *(f"| {end} | {count} |" for end, count in report.ends.items()),
        "",
        *(report.faults or ["Nothing was accepted, nothing moved, nothing failed."]),
    ]
    return "\n".join(lines)


def _share(report: Report, family: str) -> float:
    """Say how many of its provider's notices are of a family."""
    return 100 * report.families[family] / report.providers[family.partition(":")[0]]


if __name__ == "__main__":
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    sys.exit(main())
