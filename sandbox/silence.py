"""Saying nothing for a while, and noticing when nobody listens any more."""

import asyncio
from typing import Any

from litestar import Request


async def still_there_after(request: Request[Any, Any, Any], seconds: float) -> bool:
    """Wait, and return False as soon as the caller hangs up."""
    # Until the body is read, news from the caller is the body.
    await request.body()
    gone = asyncio.ensure_future(request.receive())
    await asyncio.wait({gone}, timeout=seconds)
    if gone.done():
        return False
    gone.cancel()
    return True
