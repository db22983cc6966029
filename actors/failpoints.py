"""Named places where a process may die, so that tests can make it die there.

1. Reaching a place says only that a flow came by; unless a test arranged otherwise nothing happens.
2. Places stand before and after every effect on the outside: a lock, a write, a commit, a call.
3. Who works through them is handed its *reach*; there is no global switch.
"""

from collections.abc import Awaitable, Callable, Iterable
from itertools import product
from typing import TypeAlias, get_args

from contracts.commands import OrderCommand

Reach: TypeAlias = Callable[[str], Awaitable[None]]


async def nowhere(_name: str) -> None:
    """Pass by: the default, and the only one outside the sandbox."""


async def reach_turns(reach: Reach, commands: Iterable[OrderCommand], step: str) -> None:
    """Reach a step of turns, once for each kind of command in their group."""
    # Groups are the hot path: without a test nobody collects names.
    if reach is not nowhere:
        for kind in sorted({_kind(type(command)) for command in commands}):
            await reach(f"{kind}.{step}")


def _kind(command: type[OrderCommand]) -> str:
    return str(command.__struct_config__.tag)


def _named(subjects: Iterable[str], steps: Iterable[str]) -> frozenset[str]:
    return frozenset(f"{subject}.{step}" for subject, step in product(subjects, steps))


SALES = _named(["create"], ["begun", "locked", "inserted", "counted", "committed"])
TURNS = _named(map(_kind, get_args(OrderCommand)), ["leased", "loaded", "written", "committed"])
# What was seen is written and committed by one statement, so there is no step between.
OPENINGS = _named(["record_opened"], ["seen", "committed"])
CALLS = _named(["open", "query", "close", "refund"], ["calling", "called"])
NOTICES = _named(["notice"], ["verified", "stored", "read", "case_opened"])
SWEEPS = _named(
    ["sweep"], ["inbox", "expire", "close", "reconcile", "refunds", "bills", "repair", "effects"]
)
INTENTS = frozenset({"intent.made", "confirm.opened", "confirm.remembered"})
EFFECTS = _named(["effect"], ["delivered"])

FAILPOINTS = SALES | TURNS | OPENINGS | CALLS | NOTICES | SWEEPS | INTENTS | EFFECTS
