"""One connection to a client: how soon a request's head must come, and how large it may be.

1. The server would read a head of any length and wait for it for ever; a connection that is in a
   head, or between requests, has so many bytes and seconds until the next head is whole.
2. What cannot be read as a request is answered with a problem, and with nothing in the log: who
   sends it is a stranger.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.bare_problem import bare_problem

# Counted as it comes, so what one read brings whole (256 KiB at most) is taken.
HEAD_BYTES_MAX: Final = 64 * 1024
HEAD_SECONDS_MAX: Final = 15.0


class Connection(HttpToolsProtocol):
    """Reads requests and answers them, one after the other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the server's own
        super().__init__(*args, **kwargs)
        self._is_in_head = False
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the server
        """Give the first head its time."""
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what leaves a head unfinished counts against its limits."""
        super().data_received(data)
        if self._is_in_head or self.cycle is None or self.cycle.response_complete:
            self._count(len(data))

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._end_head()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - of no use to a client
        """Answer what is no request."""
        self._turn_away(HTTPStatus.BAD_REQUEST)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            self._turn_away(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._deadline is None:
            self._set_deadline()

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS_MAX, self.transport.close)

    def _end_head(self) -> None:
        self._is_in_head = False
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _turn_away(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        headers, body = bare_problem(status)
        lines = [b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode())]
        lines += [b"%b: %b" % header for header in headers]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()
