"""Guards taken away, one at a time, to see that the simulation misses them."""

import pytest

import actors.decide
import actors.decide_payment
import actors.sale
import actors.sales
import actors.transitions
import actors.turns
import actors.wishes
from contracts.commands import CreateOrder
from contracts.events import AttemptCloseOwed, OrderEvent, OrderPaid
from contracts.order import Order
from contracts.states import OPEN_ORDERS, ClosingReason, OrderStatus
from models import turns
from models.sales import Standing
from tests.simulation import tables
from tests.simulation.tables import Row

_find_earlier = actors.sale.earlier_sale


def version_check(patch: pytest.MonkeyPatch) -> None:
    """Let a turn write over whatever happened since it loaded its order."""
    for name in ("_SWAP", "_SWAP_AND_NOTE"):
        unguarded = getattr(turns, name).replace("WHERE o.version = new.version", "")
        patch.setattr(turns, name, unguarded)


def unique_settlement(patch: pytest.MonkeyPatch) -> None:
    """Honour a second payment, and let the database take it."""
    patch.setattr(actors.decide_payment, "OPEN_ORDERS", OPEN_ORDERS | {OrderStatus.PAID})
    moves = actors.transitions.TRANSITIONS[OrderStatus.PAID]
    patch.setitem(moves, OrderPaid, OrderStatus.PAID)
    patch.setattr(tables, "_one_honoured", _no_key)


def allocate_bound(patch: pytest.MonkeyPatch) -> None:
    """Grant every wish for seats."""
    for module in (actors.wishes, actors.turns):
        patch.setattr(module, "allocate", lambda _left, requests: [True for _ in requests])


def allocate_bound_and_check(patch: pytest.MonkeyPatch) -> None:
    """Grant every wish for seats, and let the database count beyond the last one."""
    allocate_bound(patch)
    patch.setattr(tables, "_within", lambda _count, _most: lambda _row: True)


def close_before_return(patch: pytest.MonkeyPatch) -> None:
    """Give seats back while the provider could still take money for them."""

    def leave(order: Order, reason: ClosingReason) -> list[OrderEvent]:
        owed = [AttemptCloseOwed(attempt_no=a.attempt_no) for a in order.live_attempts]
        return [*owed, actors.decide._ended(reason)]  # noqa: SLF001 - the guard

    patch.setattr(actors.decide, "_leave", leave)


def sold_once(patch: pytest.MonkeyPatch) -> None:
    """Forget what a key made before, and let the database take it twice."""

    def forget(request: CreateOrder, held: Standing) -> actors.sale.Sale | None:
        known = Standing(user_id=held.user_id) if held.key_body_hash is not None else held
        return _find_earlier(request, known)

    for module in (actors.sale, actors.sales):
        patch.setattr(module, "earlier_sale", forget)
    patch.setattr(tables, "_columns", _columns_but_keys(tables._columns))  # noqa: SLF001


def _no_key(_row: Row) -> None:
    """Let any number of rows have it."""


def _columns_but_keys(columns: object) -> object:
    def of(*names: str) -> object:
        return _no_key if names == ("user_id", "key") else columns(*names)  # type: ignore[operator]

    return of
