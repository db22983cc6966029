r"""Signed calls to the mock provider, and what their answers let us believe.

A call is signed over ``{METHOD} {path}\n{body}``, an answer over ``{status}\n{body}`` under the
call's own id: neither can stand for another, nor for an event.
"""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import httpx
import msgspec

from providers import webhook_signature
from providers.mock import errors
from providers.mock.settings import MockSettings
from providers.mock.words import PROVIDER
from providers.provider import NoticeRefused
from providers.transport import error_without_answer, trusted

_T = TypeVar("_T")
_OK, _CLIENT_ERRORS = 200, 4


class Answer(msgspec.Struct, frozen=True):
    """What came back from one call; a success and a refusal of ours are signed and fresh."""

    operation: str
    code: str
    body: bytes

    def read(self, kind: type[_T]) -> _T:
        """Read a success.

        :raises ProviderError: it is none, or it cannot be read.
        """
        if self.code != errors.OK:
            raise errors.error_of(self.operation, self.code)
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise errors.error_of(self.operation, errors.UNREADABLE) from None


class Client:
    """The calls; bounded in time, and to nobody but the simulator."""

    def __init__(self, settings: MockSettings) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(
            base_url=settings.gateway.rstrip("/"),
            timeout=httpx.Timeout(
                settings.timeout_seconds,
                connect=settings.connect_timeout_seconds,
                pool=settings.connect_timeout_seconds,
            ),
            limits=httpx.Limits(
                max_connections=settings.max_connections,
                max_keepalive_connections=settings.max_connections,
            ),
            verify=trusted(),
            # The simulator is on this machine; proxy variables are not for it.
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(
        self, operation: str, method: str, path: str, words: dict[str, Any] | None = None
    ) -> Answer:
        """Make one call and return what it brought, within the time allowed.

        :raises ProviderError: it brought no answer that can be trusted.
        """
        body = b"" if words is None else msgspec.json.encode(words)
        call_id = f"call_{secrets.token_hex(16)}"
        content = f"{method} {path}\n".encode() + body
        secret = self._settings.secret
        headers = webhook_signature.sign(secret, call_id, datetime.now(UTC), content)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                reply = await self._http.request(method, path, content=body, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise error_without_answer(PROVIDER, operation, error) from error
        return Answer(operation, self._code_of(call_id, reply), reply.content)

    def _code_of(self, call_id: str, reply: httpx.Response) -> str:
        if reply.status_code in errors.UNSIGNED:
            return errors.UNSIGNED[reply.status_code]
        if reply.status_code != _OK and reply.status_code // 100 != _CLIENT_ERRORS:
            return "http_status"
        if not self._is_answer_to(call_id, reply):
            return "untrusted"
        return errors.OK if reply.status_code == _OK else errors.code_in(reply.content)

    def _is_answer_to(self, call_id: str, reply: httpx.Response) -> bool:
        content = f"{reply.status_code}\n".encode() + reply.content
        secret, now = self._settings.secret, datetime.now(UTC)
        try:
            return webhook_signature.verify(secret, reply.headers, content, now) == call_id
        except NoticeRefused:
            return False
