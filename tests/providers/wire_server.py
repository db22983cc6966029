"""A web server that answers the very bytes a test tells it to, and remembers what it was sent."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Self


class Sent(NamedTuple):
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[Sent], Awaitable[bytes | None]]


def an_answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    head = {"content-type": "application/json", "content-length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in (head | dict(headers or {})).items()]
    return (
        f"HTTP/1.1 {status} Scripted\r\n".encode() + "\r\n".join([*lines, "\r\n"]).encode() + body
    )


def a_refusal(status: int, code: str) -> bytes:
    return an_answer(status, json.dumps({"code": code, "message": "from the script"}).encode())


class WireServer:
    """Answers by *script*; None hangs up without an answer."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.sent: asyncio.Queue[Sent] = asyncio.Queue()
        self.connections = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)
        await self._server.wait_closed()

    def stop_listening(self) -> None:
        """Let nobody in any more; who is in stays."""
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            # The request first: the script may be changed while a connection waits for it.
            while (sent := await self._request(reader)) and (answer := await self.script(sent)):
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the caller hung up, or the test is over
        finally:
            self._serving.discard(task)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> Sent:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        pairs = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        sent = Sent(method, target, headers, body)
        self.sent.put_nowait(sent)
        return sent
