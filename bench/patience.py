"""Waiting for something that will be true."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(
    holds: Callable[[], Awaitable[bool]], *, within_seconds: float, look_seconds: float = 0.1
) -> None:
    """Wait until *holds* says so.

    :raises TimeoutError: it does not.
    """
    async with asyncio.timeout(within_seconds):
        while not await holds():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(look_seconds)
