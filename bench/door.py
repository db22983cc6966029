"""``python -m bench.door``: the service's own server with one more door, which does nothing.

What a request costs before anything is decided: the same processes, the same checks of size,
token and body. The service itself has no such door, so this is the only place that adds one.
"""

import sys
from typing import Final

import msgspec
from litestar import post

from api import app

PATH: Final = "/bench/nothing"


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


@post(PATH, status_code=200)
async def do_nothing(data: Nothing) -> Nothing:
    """Answer with what was sent."""
    return data


def main() -> int:
    """Serve as the service does; its processes are forked and inherit the door."""
    app.SIGNED_IN_ROUTES = (*app.SIGNED_IN_ROUTES, do_nothing)
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
