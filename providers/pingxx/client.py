"""Signed calls to Ping++, and what their answers let us believe.

Answers carry no signature: that they come from Ping++ is for TLS to prove, so nothing but a
simulator on this machine is ever called without it.
"""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from providers.pingxx import errors
from providers.pingxx.errors import PROVIDER
from providers.pingxx.settings import PingxxSettings
from providers.pingxx.signature import CallSigner
from providers.transport import error_without_answer, trusted

_T = TypeVar("_T")
# A page of a hundred charges is some 150 KiB.
MAX_ANSWER_BYTES = 1024 * 1024
# Below the idle limit of common load balancers (60 s), so that we rarely write into a closed one.
_KEEPALIVE_SECONDS = 30.0


class Answer(msgspec.Struct, frozen=True):
    """What came back from one call."""

    operation: str
    code: str
    body: bytes

    def read(self, kind: type[_T]) -> _T:
        """Read a success.

        :raises ProviderError: it is none, or it cannot be read.
        """
        if self.code != errors.OK:
            raise errors.error_of(self.operation, self.code)
        return decoded(self.operation, self.body, kind)


class AnswerTooLarge(Exception):
    """An answer was longer than any genuine one, or packed so that its length is unknown."""


class Client:
    """The calls; each bounded in time and in what it reads."""

    def __init__(self, settings: PingxxSettings) -> None:
        self._gateway = settings.gateway.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {settings.secret_key}"}
        self._signer = CallSigner(settings.private_key_pem)
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(
                settings.timeout_seconds, connect=settings.connect_timeout_seconds
            ),
            limits=httpx.Limits(
                max_connections=settings.max_connections,
                max_keepalive_connections=settings.max_connections,
                keepalive_expiry=_KEEPALIVE_SECONDS,
            ),
            verify=trusted(),
            trust_env=not settings.is_loopback,
            follow_redirects=False,
            # Without packing, an answer's length on the wire is its length in memory.
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
            event_hooks={"response": [_bound]},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        words: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Answer:
        """Make one call and return what it brought.

        :raises ProviderError: it brought no answer.
        """
        body = b"" if words is None else msgspec.json.encode(words)
        url = self._gateway + path + (f"?{urlencode(query)}" if query else "")
        request = self._http.build_request(method, url, content=body)
        signed = self._signer.headers(body, request.url.raw_path, int(time.time()))
        request.headers.update(self._authorization | signed)
        try:
            reply = await self._http.send(request)
        except AnswerTooLarge:
            raise errors.error_of(operation, errors.UNREADABLE) from None
        except httpx.HTTPError as error:
            # Without its cause: that carries the request, and with it our key.
            raise error_without_answer(PROVIDER, operation, error) from None
        return Answer(operation, errors.code_of(reply.status_code, reply.content), reply.content)


def decoded(operation: str, text: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    """Read an object of an answer.

    :raises OutcomeUnknown: it cannot be read.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise errors.error_of(operation, errors.UNREADABLE) from None


async def _bound(response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerTooLarge
    assert isinstance(response.stream, httpx.AsyncByteStream)
    response.stream = _Bounded(response.stream)


class _Bounded(httpx.AsyncByteStream):
    """A body that stops being read once it is longer than any genuine answer."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > MAX_ANSWER_BYTES:
                raise AnswerTooLarge
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
