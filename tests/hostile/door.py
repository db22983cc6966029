"""The real application in this process, started and stopped as a server would, without sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from litestar.types import ASGIApp

from tests.hostile.mutants import Pairs

WEBHOOK = "/api/webhooks/wechatpay"


@contextlib.asynccontextmanager
async def opened(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """Start the application and stop it at the end."""
    said: asyncio.Queue[Any] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    scope: Any = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
    life = asyncio.ensure_future(app(scope, said.get, heard.put))
    await said.put({"type": "lifespan.startup"})
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    try:
        yield app
    finally:
        await said.put({"type": "lifespan.shutdown"})
        await life


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


async def post(app: ASGIApp, path: str, headers: Pairs, body: bytes) -> int:
    """Deliver one request and return the status of its answer."""
    return (await ask(app, path, headers, body)).status


async def ask(app: ASGIApp, path: str, headers: Pairs, body: bytes) -> Answer:
    """Deliver one request and return its answer."""
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 1),
        "extensions": {},
    }
    waiting = [{"type": "http.request", "body": body, "more_body": False}]
    started: list[Any] = []
    parts: list[bytes] = []

    async def receive() -> Any:  # noqa: ANN401  # an ASGI message
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:  # noqa: ANN401  # an ASGI message
        if message["type"] == "http.response.start":
            started.append(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    (start,) = started
    said = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], said, b"".join(parts))


async def until(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Wait until *look* finds what is wanted; nobody announces what happens behind an answer."""
    async with asyncio.timeout(60):
        while await look() != wanted:  # noqa: ASYNC110 - as it says
            await asyncio.sleep(0.005)
