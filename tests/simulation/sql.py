"""Which Python function stands for which SQL statement of ours."""

from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, TypeVar

import msgspec

from tests.simulation.server import Statement
from tests.simulation.tables import Row

Handler = TypeVar("Handler", bound=Statement)

_SUBJECTS = ("sales", "turns", "sweeps", "coupons")
_NAMED: dict[tuple[str, str], Statement] = {}
_WRITTEN: dict[str, Statement] = {}
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


def stands_for(module: str, name: str) -> Callable[[Handler], Handler]:
    """Register what the statement in a module's constant does."""

    def register(handler: Handler) -> Handler:
        _NAMED[module, name] = handler
        return handler

    return register


def stands_for_text(sql: str) -> Callable[[Handler], Handler]:
    """Register what a statement does that has no name of its own."""

    def register(handler: Handler) -> Handler:
        _WRITTEN[" ".join(sql.split())] = handler
        return handler

    return register


def statements() -> dict[str, Statement]:
    """List every known statement by its text; a constant that is gone is not known."""
    for subject in _SUBJECTS:
        import_module(f"tests.simulation.statements_{subject}")
    found = dict(_WRITTEN)
    for (module, name), handler in _NAMED.items():
        sql = getattr(import_module(module), name, None)
        if isinstance(sql, str):
            found[sql] = handler
    return found


def records(rows: str) -> list[Row]:
    """Read the JSON parameter of a statement over many rows."""
    return _decode(rows)


def at(moment: str | None) -> datetime | None:
    """Read a timestamp."""
    return None if moment is None else datetime.fromisoformat(moment)


def by_id(rows: Sequence[Row]) -> list[Row]:
    """Put rows in order of id, the order of locks."""
    return sorted(rows, key=lambda row: int(row["id"]))
