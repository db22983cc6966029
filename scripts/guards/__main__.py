"""Removes every guard of the table, one at a time, and sees whether its test notices.

``python -m scripts.guards [ID ...] [--lanes N] [--markdown]``; an ID may be the beginning of some.
Exits 1 when a removal goes unnoticed, a patch fits no longer, or a named test fails as it is.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from scripts.guards.lanes import lanes
from scripts.guards.run import Outcome, Verdict, remove_each, run_unpatched
from scripts.guards.table import GUARDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the table and print it."""
    asked = _read(arguments)
    guards = [g for g in GUARDS if not asked.ids or g.id.startswith(tuple(asked.ids))]
    began, kept = time.monotonic(), 0
    with lanes(asked.lanes) as places:
        unpatched = run_unpatched(guards, places)
        print(_MARKDOWN_HEAD if asked.markdown else _HEAD)
        for verdict in remove_each(guards, places):
            before = unpatched[verdict.guard.test]
            tell = _markdown if asked.markdown else _line
            print(tell(verdict, before), flush=True)
            kept += verdict.noticed and before.word == "passed"
    seconds = round(time.monotonic() - began)
    print(f"\n{len(guards)} guards, {kept} removals noticed, {seconds} s on {asked.lanes} lanes")
    return 0 if guards and kept == len(guards) else 1


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.guards")
    parser.add_argument("ids", nargs="*", help="only guards whose id begins so")
    parser.add_argument("--lanes", type=int, default=2, help="how many run at once")
    parser.add_argument("--markdown", action="store_true", help="print the table for the document")
    return parser.parse_args(arguments)


_HEAD = f"{'guard':<34} {'patched':<8} {'as it is':<9} {'noticed':<8} {'s':>5}  test: how it failed"
_MARKDOWN_HEAD = """| Guard | Keeps | Noticed by | Patch applies | Fails without | s |
|---|---|---|---|---|---|"""


def _line(verdict: Verdict, before: Outcome) -> str:
    guard = verdict.guard
    marks = f"{_yes(verdict.applied):<8} {before.word:<9} {_yes(verdict.noticed):<8}"
    how = verdict.fault if before.word == "passed" else before.fault
    return f"{guard.id:<34} {marks} {verdict.seconds:>5.1f}  {guard.test}: {how}"


def _markdown(verdict: Verdict, before: Outcome) -> str:
    guard = verdict.guard
    path, _, name = guard.test.partition("::")
    named, case, _ = name.replace("::", ".").partition("[")
    test = f"[`{named}`](../{path})" + (f" {_case(guard.test)}" if case else "")
    if before.word != "passed":
        test += ", which fails as it is"
    marks = f"{_yes(verdict.applied)} | {_yes(verdict.noticed)} | {verdict.seconds:.0f}"
    return f"| `{guard.id}` | {guard.keeps} | {test} | {marks} |"


def _case(test: str) -> str:
    case = test.partition("[")[2].removesuffix("]")
    return f"`{case}`".replace("|", "\\|") if case else ""


def _yes(holds: bool) -> str:  # noqa: FBT001  # reads as a sentence
    return "yes" if holds else "NO"


if __name__ == "__main__":
    sys.exit(main())
