"""Connections whose requests do not come as they should, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import uvicorn
from litestar.types import Send
from uvicorn.server import ServerState

from api import connection
from api.connection import HEAD_BYTES_MAX, Connection

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SOON_SECONDS = 0.2
PATIENCE_SECONDS = 3.0


async def answer_slowly(_scope: object, _receive: object, send: Send) -> None:
    await asyncio.sleep(2 * SOON_SECONDS)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(connection, "HEAD_SECONDS_MAX", SOON_SECONDS)
    config = uvicorn.Config(
        answer_slowly, ws="none", timeout_keep_alive=60, log_config=None, log_level="error"
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


async def said(port: int, *pieces: bytes, pause_seconds: float = 0.02) -> bytes:
    """Send pieces one by one, never an end, and return all that came until the line was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)
        return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    finally:
        writer.close()


def problem_in(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    told = json.loads(body)
    assert int(head.split()[1]) == told["status"]
    return told["status"], told["code"]


class TestAHead:
    async def test_may_come_in_pieces(self, port: int) -> None:
        whole = REQUEST[:-2] + b"Connection: close\r\n\r\n"
        answer = await said(port, whole[:9], whole[9:20], whole[20:])

        assert answer.startswith(b"HTTP/1.1 204 ")

    async def test_may_not_grow_for_ever(self, port: int) -> None:
        pieces = [b"x%d: %b\r\n" % (n, b"y" * 8000) for n in range(HEAD_BYTES_MAX // 8000 + 1)]
        answer = await said(port, REQUEST[:-2], *pieces)

        assert problem_in(answer) == (431, "HEADERS_TOO_LARGE")

    async def test_may_not_grow_for_ever_while_another_request_is_under_way(
        self, port: int
    ) -> None:
        answer = await said(port, REQUEST + REQUEST[:-2], b"x: ", b"y" * HEAD_BYTES_MAX)

        assert problem_in(answer) == (431, "HEADERS_TOO_LARGE")

    async def test_must_begin_soon(self, port: int) -> None:
        assert await said(port) == b""

    async def test_must_end_soon(self, port: int) -> None:
        assert await said(port, REQUEST[:-2]) == b""

    async def test_must_end_soon_although_something_comes_now_and_then(self, port: int) -> None:
        began_at = asyncio.get_running_loop().time()
        pieces = [b"x: y\r\n"] * 100
        with pytest.raises(ConnectionError):
            await said(port, REQUEST[:-2], *pieces)

        assert asyncio.get_running_loop().time() - began_at < 100 * 0.02

    async def test_must_end_soon_after_another_request_too(self, port: int) -> None:
        answer = await said(port, REQUEST, REQUEST[:-2], pause_seconds=3 * SOON_SECONDS)

        assert answer.startswith(b"HTTP/1.1 204 ")
        assert answer.count(b"HTTP/1.1") == 1

    async def test_is_not_begun_by_blank_lines(self, port: int) -> None:
        answer = await said(port, REQUEST, b"\r\n\r\n", pause_seconds=3 * SOON_SECONDS)

        assert answer.count(b"HTTP/1.1") == 1


class TestWhatIsNoRequest:
    @pytest.mark.parametrize(
        "sent", [b"\x16\x03\x01\x02\x00", b"G@T / HTTP/1.1\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"]
    )
    async def test_is_answered_with_a_problem(
        self, port: int, sent: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await said(port, sent)

        assert problem_in(answer) == (400, "INVALID_REQUEST")
        assert not caplog.records
