"""The command line: run the house, migrate the database, replay notices, check the invariants."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> int:
    """Run the command that the arguments name and return its exit status."""
    arguments = _parser().parse_args()
    command: Callable[[], int] = arguments.command
    return command()


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


def invariants() -> int:
    """Check what must hold in every snapshot of the database."""
    from runtime.chores import invariants as check_invariants  # noqa: PLC0415  # slow to import

    return check_invariants()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guichet.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (run, migrate, replay, invariants):
        said = command.__doc__
        commands.add_parser(command.__name__, help=said, description=said).set_defaults(
            command=command
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
