"""Signed calls to Alipay's gateway, and what their answers let us believe.

1. An answer's signature covers the bytes of its ``*_response`` value exactly as they were sent.
   A JSON reader cuts them out: braces may stand in strings.
2. What is believed is what was verified, letter for letter.

Source: Alipay Open Platform, "Verifying synchronous answers", read 2026-11.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import httpx
import msgspec

from providers.alipay import errors, requests
from providers.alipay.requests import AppKey
from providers.alipay.settings import AlipaySettings
from providers.alipay.signature import KeyRing
from providers.alipay.words import PROVIDER
from providers.transport import error_without_answer, trusted

# The largest answer we ask for is some 4 KiB.
MAX_ANSWER_BYTES = 256 * 1024
_KEEPALIVE_SECONDS = 30.0
_JSON_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)
_T = TypeVar("_T")


class AnswerTooLarge(Exception):
    """An answer was longer than any genuine one, or packed so that its length is unknown."""


class Answer(msgspec.Struct, frozen=True):
    """What came back from one call; *content* is what Alipay signed, where it signed anything."""

    operation: str
    code: str
    content: bytes

    def require_success(self) -> None:
        """Raise what the code means for the caller, unless it is a success."""
        if self.code != errors.OK:
            raise errors.error_of(self.operation, self.code)

    def read(self, kind: type[_T]) -> _T:
        """Read a success.

        :raises ProviderError: it is none, or it cannot be read.
        """
        self.require_success()
        try:
            return msgspec.json.decode(self.content, type=kind)
        except _JSON_FAULTS:
            raise errors.error_of(self.operation, errors.UNREADABLE) from None


class Client:
    """The calls; bounded in time and in length."""

    def __init__(self, settings: AlipaySettings, app: AppKey, ring: KeyRing) -> None:
        self._settings = settings
        self._app = app
        self._ring = ring
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(
                settings.timeout_seconds,
                connect=settings.connect_timeout_seconds,
                pool=settings.connect_timeout_seconds,
            ),
            limits=httpx.Limits(
                max_connections=settings.max_connections,
                max_keepalive_connections=settings.max_connections,
                keepalive_expiry=_KEEPALIVE_SECONDS,
            ),
            verify=trusted(),
            # A simulator is on this machine; proxy variables are not for it.
            trust_env=not settings.is_loopback,
            follow_redirects=False,
            # Without packing, an answer's length on the wire is its length in memory.
            headers={"Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(
        self,
        operation: str,
        method: str,
        words: dict[str, Any],
        *,
        notify_url: str | None = None,
        until: float | None = None,
    ) -> Answer:
        """Make one call and return what it brought, within the time allowed.

        *until* is an instant of the event loop's clock, for a call that is half of another.

        :raises ProviderError: it brought no answer that can be read.
        """
        form = requests.signed_form(
            self._app, method, words, datetime.now(UTC), notify_url=notify_url
        )
        if until is None:
            until = asyncio.get_running_loop().time() + self._settings.timeout_seconds
        try:
            async with asyncio.timeout_at(until):
                status, body = await self._post(form)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, AnswerTooLarge) as error:
            raise error_without_answer(PROVIDER, operation, error) from error
        code = errors.code_of_status(status)
        if code != errors.OK:
            return Answer(operation, code, b"")
        return self._judged(operation, method, body)

    async def _post(self, form: dict[str, str]) -> tuple[int, bytes]:
        async with self._http.stream("POST", self._settings.gateway, data=form) as reply:
            if reply.headers.get("content-encoding", "identity") != "identity":
                raise AnswerTooLarge
            body = bytearray()
            async for chunk in reply.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise AnswerTooLarge
            return reply.status_code, bytes(body)

    def _judged(self, operation: str, method: str, body: bytes) -> Answer:
        try:
            parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            named = parts.get(requests.answer_name(method), parts.get("error_response"))
            signature = msgspec.json.decode(parts.get("sign", b'""'), type=str)
        except _JSON_FAULTS:
            return Answer(operation, errors.UNREADABLE, b"")
        if named is None:
            return Answer(operation, errors.UNREADABLE, b"")
        content = self._verified(bytes(named), signature)
        if content is None:
            return Answer(operation, errors.code_unsigned(bytes(named)), b"")
        return Answer(operation, errors.code_in(content), content)

    def _verified(self, content: bytes, signature: str) -> bytes | None:
        # The gateway may have escaped slashes after it signed: Alipay's own SDKs try both.
        for signed in (content, content.replace(rb"\/", b"/")):
            if self._ring.signer_of(signed, signature) is not None:
                return signed
        return None
