"""Doors beside the framework's, for what is posted thousands of times a second.

A side door takes the request itself. What it cannot take is raised, and the framework's handler
of the same path raises it again: how a failure is told stays in one place.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from litestar.types import HTTPScope

SideDoor: TypeAlias = Callable[[HTTPScope, bytes], Awaitable[None]]

_FAILURE: Final = "guichet.failure"


async def taken_by(door: SideDoor, scope: HTTPScope, body: bytes) -> bool:
    """Offer a request to a side door; a failure is kept for the framework's handler."""
    try:
        await door(scope, body)
    except Exception as failure:  # noqa: BLE001 - raised again where failures are told
        _extra(scope)[_FAILURE] = failure
        return False
    return True


def raise_failure(scope: HTTPScope) -> None:
    """Raise what the side door could not take, if it was asked."""
    failure = _extra(scope).get(_FAILURE)
    if failure is not None:
        raise failure


def _extra(scope: HTTPScope) -> dict[str, Any]:
    # A scope may carry more than its type says (ASGI, "Connection scope").
    return scope  # type: ignore[return-value]
