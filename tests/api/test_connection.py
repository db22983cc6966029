"""Connections whose requests do not come as they should: real sockets, the server's own loop."""

import asyncio
import contextlib
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any, cast

import pytest
import uvloop
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send
from uvicorn.server import ServerState

from api import connection
from api.connection import HEAD_BYTES_MAX, Connection
from api.server import settings_for

SOON_SECONDS = 0.3
PATIENCE_SECONDS = 20.0
LARGE = b"x" * 8 * 1024 * 1024


def request(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked; /slow after a while, /large at length, /early unread."""
    assert scope["type"] == ScopeType.HTTP
    path, body, more = scope["path"], b"", scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        more = message["more_body"]
    if path == "/slow":
        await asyncio.sleep(3 * SOON_SECONDS)
    told: dict[str, Any] = {"path": path, "size": len(body), "names": []}
    told["names"] = [name.decode() for name, _ in scope["headers"]]
    answer = LARGE if path == "/large" else json.dumps(told).encode()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer, "more_body": False})


class Server:
    """The server's connections in a loop of their own."""

    def __init__(self) -> None:
        self.state = ServerState()
        self._loop = uvloop.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    async def _listen(self) -> int:
        settings = settings_for(application)
        settings.load()
        self._server = await self._loop.create_server(
            lambda: Connection(config=settings, server_state=self.state, app_state={}),
            "127.0.0.1",
            0,
        )
        # Every kind of server has them; their common type does not say so.
        number: int = cast("asyncio.Server", self._server).sockets[0].getsockname()[1]
        return number

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS_MAX", SOON_SECONDS)
    monkeypatch.setattr(connection, "BODY_SECONDS_MAX", SOON_SECONDS)


class Line:
    """A client's end."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def send(self, *pieces: bytes, pause_seconds: float = 0.0) -> None:
        for piece in pieces:
            self._line.sendall(piece)
            time.sleep(pause_seconds)

    def answer(self) -> dict[str, Any]:
        """Read one answer."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._line.recv(1)
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = b""
        while len(body) < size:
            body += self._line.recv(size - len(body))
        told: dict[str, Any] = json.loads(body)
        return told

    def hears(self, *, within_seconds: float) -> bool:
        return bool(select.select([self._line], [], [], within_seconds)[0])

    def rest(self) -> bytes:
        """Read until the server hangs up."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while part := self._line.recv(65536):
                received += part
        return received


@pytest.fixture
def dial(server: Server) -> Iterator[Callable[[], Line]]:
    with contextlib.ExitStack() as stack:

        def dialled() -> Line:
            line = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
            return Line(stack.enter_context(line))

        yield dialled


@pytest.fixture
def line(dial: Callable[[], Line]) -> Line:
    return dial()


def problem_in(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    told = json.loads(body)
    assert int(head.split()[1]) == told["status"]
    return told["status"], told["code"]


class TestAHead:
    def test_may_come_in_pieces(self, line: Line) -> None:
        whole = request("/here")
        line.send(whole[:9], whole[9:20], whole[20:], pause_seconds=0.02)

        assert line.answer()["path"] == "/here"

    def test_may_not_grow_for_ever(self, line: Line) -> None:
        line.send(request("/")[:-2] + b"x: ", pause_seconds=0.1)
        # All of it but one byte is read before it is too much, so the answer is not lost; the
        # first read is not counted, whatever it takes.
        for _ in range(10):
            line.send(b"y" * HEAD_BYTES_MAX, pause_seconds=0.1)
            line.send(b"y")
            if line.hears(within_seconds=1.0):
                break

        assert problem_in(line.rest()) == (431, "HEADERS_TOO_LARGE")

    @pytest.mark.usefixtures("hurried")
    def test_must_begin_soon(self, line: Line) -> None:
        assert line.rest() == b""

    @pytest.mark.usefixtures("hurried")
    def test_must_end_soon(self, line: Line) -> None:
        line.send(request("/")[:-2])

        assert line.rest() == b""

    @pytest.mark.usefixtures("hurried")
    def test_must_end_soon_although_something_comes_now_and_then(self, line: Line) -> None:
        line.send(request("/")[:-2])
        with pytest.raises(ConnectionError):
            line.send(*[b"x: y\r\n"] * 1000, pause_seconds=0.02)

    @pytest.mark.usefixtures("hurried")
    def test_must_end_soon_after_another_request_too(self, line: Line) -> None:
        line.send(request("/"))
        line.answer()
        line.send(request("/")[:-2])

        assert line.rest() == b""

    @pytest.mark.usefixtures("hurried")
    def test_is_not_begun_by_blank_lines(self, line: Line) -> None:
        line.send(request("/"))
        line.answer()
        line.send(b"\r\n\r\n")

        assert line.rest() == b""

    @pytest.mark.usefixtures("hurried")
    def test_is_over_for_a_request_that_is_being_answered(self, line: Line) -> None:
        for _ in range(2):
            line.send(request("/slow"))

            assert line.answer()["path"] == "/slow"


class TestABody:
    def test_must_end_soon(self, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "BODY_SECONDS_MAX", SOON_SECONDS)
        line.send(request("/", "Content-Length: 9", method="POST", body=b"1"))
        line.send(b"2")

        assert problem_in(line.rest()) == (408, "REQUEST_TIMEOUT")

    def test_may_come_in_pieces(self, line: Line) -> None:
        whole = request("/", "Content-Length: 4", method="POST", body=b"1234")
        line.send(*(whole[at : at + 1] for at in range(len(whole))))

        assert line.answer()["size"] == 4


class TestAnotherRequest:
    def test_is_served_after_the_answer(self, line: Line) -> None:
        for body in (b"", b"1" * 200_000, b"12"):
            size = f"Content-Length: {len(body)}"
            line.send(request("/", size, method="POST", body=body))

            assert line.answer()["size"] == len(body)

    def test_is_not_served_before_the_answer(self, line: Line) -> None:
        line.send(request("/slow") + request("/") * 100_000)

        assert line.answer()["path"] == "/slow"
        assert line.rest() == b""

    @pytest.mark.parametrize("sent", [b"GET /ha", b"\x00\x16", b"x" * 2 * HEAD_BYTES_MAX])
    @pytest.mark.usefixtures("hurried")
    def test_leaves_the_answer_alone_whatever_it_is(self, line: Line, sent: bytes) -> None:
        line.send(request("/slow"), sent, pause_seconds=0.02)

        assert line.answer()["path"] == "/slow"
        assert line.rest() == b""

    def test_is_not_looked_for_in_a_body_that_was_not_read(self, line: Line) -> None:
        inner = request("/smuggled")
        line.send(request("/early", f"Content-Length: {len(inner)}"), inner, pause_seconds=0.1)
        line.send(request("/second"))

        assert [line.answer()["path"] for _ in range(2)] == ["/early", "/second"]

    def test_is_served_after_a_large_body_that_was_not_read(self, line: Line) -> None:
        body = b"x" * 4 * HEAD_BYTES_MAX
        line.send(request("/early", f"Content-Length: {len(body)}"))
        line.answer()
        line.send(body + request("/second")[:9], request("/second")[9:])

        assert line.answer()["path"] == "/second"

    @pytest.mark.parametrize("protocol", ["h2c", "websocket", "x"])
    def test_is_not_looked_for_in_a_body_under_another_protocol(
        self, line: Line, protocol: str
    ) -> None:
        inner = request("/smuggled")
        headers = ("Connection: Upgrade", f"Upgrade: {protocol}", f"Content-Length: {len(inner)}")
        line.send(request("/", *headers, method="POST"), inner, pause_seconds=0.1)

        assert problem_in(line.rest()) == (400, "INVALID_REQUEST")

    def test_is_not_served_after_a_wish_for_another_protocol(self, line: Line) -> None:
        wish = request("/wish", "Connection: Upgrade", "Upgrade: h2c")
        line.send(wish)

        assert line.answer()["path"] == "/wish"
        assert line.rest() == b""

    def test_is_served_after_fields_that_a_proxy_added(self, line: Line) -> None:
        chunked = b"2\r\nhi\r\n0\r\n\r\n"
        line.send(request("/", "Transfer-Encoding: chunked", method="POST", body=chunked))
        line.answer()
        line.send(request("/second"))

        assert line.answer()["path"] == "/second"


class TestFieldsBehindABody:
    def test_are_refused(self, line: Line) -> None:
        body = b"2\r\nhi\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
        line.send(request("/", "Transfer-Encoding: chunked", method="POST", body=body))

        assert problem_in(line.rest()) == (400, "INVALID_REQUEST")


class TestAClient:
    def test_that_reads_nothing_is_left(
        self, server: Server, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "READ_SECONDS_MAX", SOON_SECONDS)
        line.send(request("/large"))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not server.state.total_requests or server.state.connections:
            assert time.monotonic() < deadline
            time.sleep(0.02)

        assert len(line.rest()) < len(LARGE)

    def test_that_reads_slowly_gets_everything(self, line: Line) -> None:
        line.send(request("/large", "Connection: close"))
        time.sleep(SOON_SECONDS)

        assert len(line.rest()) > len(LARGE)

    def test_too_many_is_turned_away(
        self, dial: Callable[[], Line], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "CONNECTIONS_MAX", 1)
        first = dial()
        first.send(request("/"))
        first.answer()

        assert problem_in(dial().rest()) == (503, "OVERLOADED")
        first.send(request("/"))
        assert first.answer()["path"] == "/"


class TestWhatIsNoRequest:
    @pytest.mark.parametrize(
        "sent",
        [
            b"\x16\x03\x01\x02\x00",
            b"G@T / HTTP/1.1\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            request("/", "Transfer-Encoding: chunked", method="POST", body=b"zz\r\n"),
        ],
    )
    def test_is_answered_with_a_problem_and_not_logged(
        self, line: Line, sent: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        line.send(sent)

        assert problem_in(line.rest()) == (400, "INVALID_REQUEST")
        assert not caplog.records
