"""Removes every guard of the table, one at a time, and sees whether its test notices.

``python -m scripts.guards [ID ...] [--lanes N] [--markdown]``; ids may be beginnings ("seats.").
Exits 1 when a removal goes unnoticed, a patch fits no longer, or a named test fails as it is.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from scripts.guards.guard import Guard
from scripts.guards.run import Outcome, Verdict, copies, run_all
from scripts.guards.table import GUARDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the table and print it."""
    asked = _read(arguments)
    guards = [g for g in GUARDS if not asked.ids or g.id.startswith(tuple(asked.ids))]
    began = time.monotonic()
    with copies(asked.lanes) as places:
        unpatched, verdicts = run_all(guards, lanes=asked.lanes, copies=places)
        tell = _tell_as_markdown if asked.markdown else _tell
        told = [_told(verdict, unpatched[verdict.guard.test], tell) for verdict in verdicts]
    print(f"\n{len(told)} guards, {told.count(True)} removals noticed, ", end="")
    print(f"{time.monotonic() - began:.0f} s in {asked.lanes} lanes")
    return 0 if told and all(told) else 1


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.guards")
    parser.add_argument("ids", nargs="*", help="only guards whose id begins so")
    parser.add_argument("--lanes", type=int, default=2, help="how many run at once")
    parser.add_argument("--markdown", action="store_true", help="print the table for the document")
    return parser.parse_args(arguments)


def _told(verdict: Verdict, unpatched: Outcome, tell: "type[_Line]") -> bool:
    is_sound = unpatched.word == "passed"
    print(tell(verdict, is_sound, unpatched.fault), flush=True)
    return is_sound and verdict.noticed
