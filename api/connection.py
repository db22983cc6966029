"""One connection to a client: what it may send before it is served, and how long it may take.

The server underneath reads heads of any length, for as long as it takes, takes up requests behind
one that is not answered yet, and waits for ever for a client to read. Here:

1. A head has so many bytes and seconds, and a body so many seconds, each counted from its first.
2. One request at a time: what comes before the answer to the last request closes the connection
   behind that answer, and is not served (RFC 9112, 9.3.2 has the client send it again).
3. Fields behind a body are refused, for the server would take them for headers; so is a body under
   a wish for another protocol, for it would be taken for the next request.
4. What cannot be read as a request is answered with a problem, and with nothing in the log: who
   sends it is a stranger.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.bare_problem import bare_problem

# Far above what proxies let through. It is counted from the second read on; the first may bring
# 256 KiB, with the end of another request among them.
HEAD_BYTES_MAX: Final = 64 * 1024
# Either is on its way when its first byte is here; who sends one now and then keeps no place.
HEAD_SECONDS_MAX: Final = 15.0
BODY_SECONDS_MAX: Final = 15.0
# A client that reads nothing for so long has gone, or wants to keep our memory.
READ_SECONDS_MAX: Final = 30.0
# Some megabytes when all of them are idle. A proxy needs hundreds.
CONNECTIONS_MAX: Final = 4096


class _NotRead(Exception):
    """What comes now is not for us to read."""


class Connection(HttpToolsProtocol):
    """Reads requests and answers them, one after the other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the server's own
        super().__init__(*args, **kwargs)
        self._is_in_head = False
        self._is_last = False
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._reading_deadline: asyncio.TimerHandle | None = None

    @property
    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the first head its time."""
        super().connection_made(cast("asyncio.Transport", transport))
        if len(self.connections) > CONNECTIONS_MAX:
            self._turn_away(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._wait(HEAD_SECONDS_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what leaves a request unfinished counts against its limits."""
        if not self._is_last:
            was_in_head = self._is_in_head
            super().data_received(data)
            self._limit(len(data), was_in_head=was_in_head)

    def on_message_begin(self) -> None:
        """Begin a head, unless a request is under way."""
        if self._is_serving:
            raise _NotRead
        self._is_in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, but nothing behind the body."""
        if not self._is_in_head:
            raise _NotRead
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head; it is the last one if it asks for another protocol, which we do not speak."""
        self._end_head()
        if self.parser.should_upgrade():
            self._is_last = True
            if any(name in _OF_A_BODY for name, _ in self.headers):
                raise _NotRead
        super().on_headers_complete()
        if self._is_last:
            self.cycle.keep_alive = False
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Wait for the next request, if there may be one."""
        super().on_response_complete()
        if self._is_last:
            self.transport.close()

    def pause_writing(self) -> None:
        """Give the client time to read."""
        super().pause_writing()
        self._reading_deadline = self.loop.call_later(READ_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """Write on."""
        if self._reading_deadline is not None:
            self._reading_deadline.cancel()
            self._reading_deadline = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - of no use to a client
        """Answer what is no request; a whole request before it keeps its own answer."""
        if not self._is_serving:
            self._turn_away(HTTPStatus.BAD_REQUEST)
        elif self.cycle.more_body:
            self._abandon(HTTPStatus.BAD_REQUEST)
        else:
            self._is_last = True
            self.cycle.keep_alive = False

    def _limit(self, size: int, *, was_in_head: bool) -> None:
        if self._is_last:
            return
        if self._is_serving and not self._is_in_head and not self.cycle.more_body:
            self._wait_no_longer()
            return
        # A head, a body, blank lines, or the rest of a body that was answered unread.
        if self._deadline is None:
            self._wait(HEAD_SECONDS_MAX if self._is_in_head else BODY_SECONDS_MAX)
        if was_in_head and self._is_in_head:
            self._head_bytes += size
            if self._head_bytes > HEAD_BYTES_MAX:
                self._turn_away(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _end_head(self) -> None:
        self._is_in_head = False
        self._head_bytes = 0
        self._wait_no_longer()

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._is_serving:
            self._abandon(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _abandon(self, status: HTTPStatus) -> None:
        """Turn away a request whose body does not come; nobody waits for it any more."""
        self._turn_away(status)
        self.cycle.disconnected = True
        self.cycle.message_event.set()

    def _turn_away(self, status: HTTPStatus) -> None:
        self._is_last = True
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            headers, body = bare_problem(status)
            lines = [b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode())]
            lines += [b"%b: %b" % header for header in headers]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()


_OF_A_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})
