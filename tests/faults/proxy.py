"""A wire between the service and PostgreSQL that can lose what the service is waiting for."""

import asyncio
import contextlib
from typing import Final

# Simple query "COMMIT;", as the driver sends it: type, length, text, end.
COMMIT: Final = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
# What only the one statement has with it that records what a provider opened.
AN_OPENING: Final = b'"type":"attempt_opened"'


class Wire:
    """Carries bytes both ways; loses the answers to COMMITs, or to what it is told to."""

    def __init__(self, *, port: int, server_port: int) -> None:
        self.loses = COMMIT
        self.answers_to_lose = 0
        self.answers_lost = 0
        self._port = port
        self._server_port = server_port
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)

    async def close(self) -> None:
        """Hang up on everybody and listen no more."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def cut(self) -> None:
        """Hang up on everybody."""
        for pair in list(self._pairs):
            pair.hang_up()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        try:
            server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.close()
            return
        pair = _Pair(self, (reader, writer), server)
        self._pairs.add(pair)
        try:
            await pair.run()
        finally:
            self._pairs.discard(pair)


class _Pair:
    def __init__(
        self,
        wire: Wire,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._wire = wire
        self._client_reader, self._client_writer = client
        self._server_reader, self._server_writer = server
        self._is_losing = False

    async def run(self) -> None:
        asked, answered = asyncio.create_task(self._ask()), asyncio.create_task(self._answer())
        await asyncio.wait([asked, answered], return_when=asyncio.FIRST_COMPLETED)
        self.hang_up()
        await asyncio.gather(asked, answered, return_exceptions=True)

    def hang_up(self) -> None:
        for writer in (self._client_writer, self._server_writer):
            with contextlib.suppress(OSError):
                writer.close()

    async def _ask(self) -> None:
        while data := await _read(self._client_reader):
            if self._wire.loses in data and self._wire.answers_to_lose > 0:
                self._wire.answers_to_lose -= 1
                self._is_losing = True
            self._server_writer.write(data)

    async def _answer(self) -> None:
        while data := await _read(self._server_reader):
            if self._is_losing:
                # The server has committed, and nobody will ever hear of it.
                self._wire.answers_lost += 1
                return
            self._client_writer.write(data)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except OSError:
        return b""
