"""The command line: run the house, migrate, replay notices, check bills, promises and counts."""

import argparse
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path


def main() -> int:
    """Run the command that the arguments name and return its exit status."""
    said = vars(_parser().parse_args())
    command: Callable[..., int] = said.pop("command")
    return command(**said)


def run() -> int:
    """Run the whole house on this machine until it is told to stop."""
    from sandbox.supervisor.run import run_checkout  # noqa: PLC0415  # no other command needs it

    return run_checkout(Path(__file__).resolve().parent)


def migrate() -> int:
    """Bring the database's schema up to date, and fill a new sandbox with demo data."""
    from runtime.chores import migrate as migrate_database  # noqa: PLC0415  # slow to import

    return migrate_database()


def replay() -> int:
    """Process every stored notice again that is not processed."""
    from runtime.chores import replay as replay_notices  # noqa: PLC0415  # slow to import
    from runtime.wiring import open_house  # noqa: PLC0415  # slow to import

    return replay_notices(open_house)


def bill(*, day: date) -> int:
    """Check one day's bill at each provider for refunds made past us, and record them."""
    from runtime.chores import bill as check_bill  # noqa: PLC0415  # slow to import
    from runtime.wiring import open_house  # noqa: PLC0415  # slow to import

    return check_bill(open_house, day)


def invariants() -> int:
    """Check what must hold in every snapshot of the database."""
    from runtime.chores import invariants as check_invariants  # noqa: PLC0415  # slow to import

    return check_invariants()


def preflight(*, provider: str | None) -> int:
    """Check settings and database before payments are opened, or opened further."""
    from runtime.preflight import preflight as check_before  # noqa: PLC0415  # slow to import
    from runtime.tills import provider_problems  # noqa: PLC0415  # slow to import

    return check_before(provider_problems, provider=provider)


def backfill(*, apply: bool) -> int:
    """Compare the counts of seats with what orders and registrations hold."""
    from runtime.chores import backfill as backfill_seats  # noqa: PLC0415  # slow to import

    return backfill_seats(is_applied=apply)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guichet.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (run, migrate, replay, bill, invariants, preflight, backfill):
        said = command.__doc__
        named = commands.add_parser(command.__name__, help=said, description=said)
        named.set_defaults(command=command)
        if command is bill:
            named.add_argument("day", type=date.fromisoformat, help="a past day, as 2026-11-20")
        if command is preflight:
            named.add_argument("--provider", help="look as if this one took new orders")
        if command is backfill:
            named.add_argument("--apply", action="store_true", help="correct what is wrong, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
