"""A load generator that costs little: raw HTTP/1.1 over kept connections, requests built before.

It is a closed loop: each client sends its next request when it has the answer to the last one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from typing import Final, cast

from bench.shots import HEAD_END, OnAnswer, Shot, Volley

# What takes this long is a defect, not a figure.
_VOLLEY_SECONDS: Final = 180.0
_CONNECT_AGAIN_SECONDS: Final = 0.05
_LENGTH: Final = b"content-length: "


async def fire(
    port: int,
    requests: Iterator[bytes],
    *,
    clients: int,
    seconds: float = float("inf"),
    on_answer: OnAnswer | None = None,
    again: bool = False,
) -> Volley:
    """Send *requests* from as many *clients*, until there are none left or the time is over.

    *again* sends a request once more whose connection was lost; else that ends everything.
    """
    loop = asyncio.get_running_loop()
    volley = _Volley(requests, seconds=seconds, on_answer=on_answer, again=again)
    made = await asyncio.gather(
        *(
            loop.create_connection(lambda: Client(volley, port), "127.0.0.1", port)
            for _ in range(clients)
        )
    )
    await volley.run([client for _, client in made])
    return volley.result


async def connections(port: int, count: int) -> list["Client"]:
    """Open connections that wait for :func:`talk`; for those who must know which one they use."""
    loop = asyncio.get_running_loop()
    idle = _Volley(iter(()), seconds=0, on_answer=None, again=False)
    made = await asyncio.gather(
        *(
            loop.create_connection(lambda: Client(idle, port), "127.0.0.1", port)
            for _ in range(count)
        )
    )
    return [client for _, client in made]


async def talk(clients: list["Client"], requests: Iterator[bytes]) -> Volley:
    """Send *requests* over connections made before, and close them."""
    volley = _Volley(requests, seconds=float("inf"), on_answer=None, again=False)
    for client in clients:
        client.volley = volley
    await volley.run(clients)
    return volley.result


class _Volley:
    """The requests that clients share, and what they report."""

    def __init__(
        self, requests: Iterator[bytes], *, seconds: float, on_answer: OnAnswer | None, again: bool
    ) -> None:
        self.result = Volley()
        self.again = again
        self._requests = requests
        self._seconds = seconds
        self._on_answer = on_answer
        self._repeated: deque[bytes] = deque()
        self._ends_at = 0.0
        self._talking = 0
        self._done = asyncio.Event()
        self._broken = ""

    async def run(self, clients: list["Client"]) -> None:
        self._talking = len(clients)
        cpu = time.process_time()
        self.result.started_at = time.perf_counter()
        self._ends_at = self.result.started_at + self._seconds
        for client in clients:
            client.begin()
        try:
            async with asyncio.timeout(_VOLLEY_SECONDS):
                await self._done.wait()
        finally:
            for client in clients:
                client.hang_up()
        assert not self._broken, self._broken
        self.result.client_cpu_seconds = time.process_time() - cpu

    def next(self) -> Shot | None:
        if self._repeated:
            return Shot(self._repeated.popleft())
        if time.perf_counter() >= self._ends_at:
            return None
        raw = next(self._requests, None)
        return None if raw is None else Shot(raw)

    def record(self, shot: Shot) -> None:
        self.result.ended_at = shot.answered_at
        self.result.statuses[shot.status] += 1
        self.result.latencies_ms.append(1000 * (shot.answered_at - shot.sent_at))
        if self._on_answer is not None:
            self._on_answer(shot)

    def lose(self, shot: Shot) -> None:
        if not self.again:
            # Raised where somebody waits: an exception in a callback would only be logged.
            self._broken = "a connection was lost"
            self._done.set()
        self.result.lost += 1
        self._repeated.append(shot.raw)

    def leave(self) -> None:
        self._talking -= 1
        if not self._talking:
            self._done.set()


class Client(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, volley: _Volley, port: int) -> None:
        self.volley = volley
        self._port = port
        self._buffer = b""
        self._shot: Shot | None = None
        self._left = False
        self._transport: asyncio.Transport | None = None

    @property
    def local_port(self) -> int:
        """Our end of the connection."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def begin(self) -> None:
        """Send the first request."""
        self._next()

    def hang_up(self) -> None:
        """Leave without a word, and for good."""
        assert self._transport is not None
        self._left = True
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Put the answer together; when it is whole, send the next request."""
        self._buffer = buffer = self._buffer + data if self._buffer else data
        head = buffer.find(HEAD_END)
        if head < 0:
            return
        end = head + len(HEAD_END) + _length_of(buffer, head)
        if len(buffer) < end:
            return
        shot, self._shot, self._buffer = self._shot, None, b""
        assert shot is not None
        shot.answered_at = time.perf_counter()
        shot.status, shot.body = int(buffer[9:12]), buffer[head + len(HEAD_END) : end]
        self.volley.record(shot)
        self._next()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Send what was not answered again, over a new connection."""
        if self._shot is None or self._left:
            return
        self.volley.lose(self._shot)
        self._shot, self._buffer = None, b""
        self._connect_later()

    def _next(self) -> None:
        assert self._transport is not None
        shot = self.volley.next()
        if shot is None:
            self._transport.close()
            self.volley.leave()
            return
        if self._transport.is_closing():
            self.volley.lose(shot)
            self._connect_later()
            return
        self._shot = shot
        shot.sent_at = time.perf_counter()
        self._transport.write(shot.raw)

    def _connect_later(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(
            _CONNECT_AGAIN_SECONDS, lambda: _tasks.add(loop.create_task(self._connect_again()))
        )

    async def _connect_again(self) -> None:
        if self._left:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        except OSError:
            self._connect_later()
        else:
            self._next()


# The loop itself holds tasks only weakly.
_tasks: set[asyncio.Task[None]] = set()


def _length_of(buffer: bytes, head: int) -> int:
    at = buffer.lower().find(_LENGTH, 0, head)
    if at < 0:
        return 0
    return int(buffer[at + len(_LENGTH) : buffer.find(b"\r", at)])
