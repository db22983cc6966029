"""How handlers reach what the process works with."""

from typing import Any, TypeAlias, cast

import msgspec
from litestar import Litestar, Request
from litestar.connection import ASGIConnection

from runtime.house import House

_HOUSE = "house"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking, proven by a token; *said_by_token* names what else it says of them."""

    user_id: int
    roles: frozenset[str]
    said_by_token: frozenset[str] = frozenset()


Visitor: TypeAlias = Request[Principal, Any, Any]
Anybody: TypeAlias = Request[None, Any, Any]


def house_of(connection: ASGIConnection[Any, Any, Any, Any]) -> House:
    """Reach the wired parts of this process."""
    return house_in(connection.app)


def house_in(app: Litestar) -> House:
    """Reach the wired parts of the process that *app* serves."""
    return cast("House", app.state[_HOUSE])
