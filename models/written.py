"""One turn as it is written: the order before and after, and what follows from it."""

from typing import TypeVar

import msgspec

from contracts.effects import Case, Effect
from contracts.events import OrderEvent
from contracts.order import Order
from models.legacy_fields import LegacyFields

Part = TypeVar("Part")


class WrittenTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One order before and after, and what follows from it; *answers* are a new place's."""

    before: Order
    after: Order
    events: tuple[OrderEvent, ...]
    effects: tuple[Effect, ...] = ()
    cases: tuple[Case, ...] = ()
    seat_cause: str | None = None
    invite_hashes: dict[int, str] = {}
    answers: dict[str, str] | None = None
    notice_id: int | None = None
    legacy_fields: LegacyFields | None = None


def changed(before: tuple[Part, ...], after: tuple[Part, ...]) -> list[Part]:
    """List the parts that are new or differ."""
    return [part for part in after if part not in before]
