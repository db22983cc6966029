"""HTTP clients with limits, for every call that goes out to WeChat.

Only what the library brings itself would be without them: its own client waits and reads for ever,
and obeys proxy variables on loopback too.
"""

from collections.abc import AsyncIterator
from functools import partial

import httpx

from providers.transport import trusted

# The largest answer we ask for, a page of certificates, is some 10 KiB.
MAX_ANSWER_BYTES = 1024 * 1024
# A row of a bill is some 400 bytes: these are 160,000 refunds of a day.
MAX_BILL_BYTES = 64 * 1024 * 1024
# Below the idle limit of common load balancers (60 s), so that we rarely write into a closed one.
_KEEPALIVE_SECONDS = 30.0


class AnswerTooLarge(Exception):
    """An answer was longer than any genuine one, or packed so that its length is unknown."""


def bounded_client(
    *,
    timeout_seconds: float,
    connect_timeout_seconds: float,
    connections: int,
    most_bytes: int = MAX_ANSWER_BYTES,
    on_loopback: bool,
) -> httpx.AsyncClient:
    """Make a client that gives up in time, follows nobody elsewhere and reads no endless answer.

    Each step of a call has *timeout_seconds*; whoever wants the whole of it bounded does so too.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout_seconds, connect=connect_timeout_seconds),
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
        ),
        verify=trusted(),
        trust_env=not on_loopback,
        follow_redirects=False,
        # Without packing, an answer's length on the wire is its length in memory.
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [partial(_bound, most_bytes)]},
    )


async def _bound(most_bytes: int, response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerTooLarge
    assert isinstance(response.stream, httpx.AsyncByteStream)
    response.stream = _Bounded(response.stream, most_bytes)


class _Bounded(httpx.AsyncByteStream):
    """A body that stops being read once it is longer than any genuine answer."""

    def __init__(self, stream: httpx.AsyncByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > self._most_bytes:
                raise AnswerTooLarge
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
