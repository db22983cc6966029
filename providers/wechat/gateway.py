"""wechatpayv3's asynchronous client, aimed and guarded.

The one file that touches the library's private parts, and why:

1. The gateway's address is fixed in the library; a simulator or the backup host needs another.
2. The library makes an HTTP client of its own without limits, that obeys proxy variables on
   loopback too; ours is bounded and lives as long as the adapter.
3. The library checks an answer's signature but not its age, and meets an unknown serial number by
   forgetting its certificates and downloading new ones. Our own check replaces that one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self, TypeAlias

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from wechatpayv3.async_ import AsyncWeChatPay, WeChatPayType
from wechatpayv3.async_.core import AsyncCore

from providers.wechat.settings import WeChatSettings

# The largest answer we ask for, a page of certificates, is some 10 KiB.
MAX_ANSWER_BYTES = 1024 * 1024
# Below the idle limit of common load balancers (60 s), so that we rarely write into a closed one.
_KEEPALIVE_SECONDS = 30.0

LibraryCall: TypeAlias = Coroutine[Any, Any, tuple[int, str | bytes]]
CheckAnswer: TypeAlias = Callable[[Mapping[str, object], bytes], None]


class NoSlot(Exception):
    """Every connection was in use for as long as a connection may take."""


class AnswerTooLarge(Exception):
    """An answer was longer than any genuine one, or packed so that its length is unknown."""


class Gateway:
    """Where calls go out, signed, and answers come back, checked."""

    def __init__(self, settings: WeChatSettings) -> None:
        self._settings = settings
        self._private_key_pem = _pkcs8(settings.merchant_private_key_pem)
        self._resources = AsyncExitStack()
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._client = await self._resources.enter_async_context(_client(self._settings))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    def library(self, check: CheckAnswer) -> Any:  # noqa: ANN401 - the library has no types
        """Make the library's client; *check* raises for a 2xx answer that is not to be trusted."""
        assert self._client is not None, "enter the gateway first"
        settings = self._settings
        library = AsyncWeChatPay(
            wechatpay_type=WeChatPayType.NATIVE,
            mchid=settings.merchant_id,
            private_key=self._private_key_pem,
            cert_serial_no=settings.merchant_serial_no,
            appid=settings.app_ids[0],
            apiv3_key=settings.api_v3_key,
            public_key=settings.platform_public_key_pem,
            public_key_id=settings.platform_public_key_id,
        )
        library._core = _guarded(library._core, settings, self._client, check)  # noqa: SLF001
        return library

    async def send(self, call: LibraryCall) -> tuple[int, bytes]:
        """Make one call and return status and body, within the time allowed.

        :raises NoSlot: too many calls are in flight, and this one was not made.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_seconds), self._slot():
                status, body = await call
        finally:
            call.close()  # it may never have begun
        return status, body.encode() if isinstance(body, str) else body

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        # The pool looks through everyone who waits whenever a connection falls free, so a long
        # queue is kept out of it.
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise NoSlot from None
        try:
            yield
        finally:
            self._slots.release()


def public_key(pem: str) -> RSAPublicKey:
    """Load the platform's public key.

    :raises ValueError: not an RSA public key in PEM.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise ValueError("platform_public_key is not a PEM public key") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("platform_public_key is not an RSA key")  # noqa: TRY004 - outside data
    return key


def _pkcs8(pem: str) -> str:
    # The library reads only this one of the two usual labels.
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("merchant_private_key is not an unencrypted PEM private key") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("merchant_private_key is not an RSA key")  # noqa: TRY004 - outside data
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _client(settings: WeChatSettings) -> httpx.AsyncClient:
    connections = settings.max_connections
    return httpx.AsyncClient(
        timeout=httpx.Timeout(settings.timeout_seconds, connect=settings.connect_timeout_seconds),
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
        ),
        trust_env=not settings.is_loopback,
        follow_redirects=False,
        # Without packing, an answer's length on the wire is its length in memory.
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_bound]},
    )


def _guarded(
    core: AsyncCore, settings: WeChatSettings, client: httpx.AsyncClient, check: CheckAnswer
) -> AsyncCore:
    async def verify(headers: Mapping[str, object], body: str) -> bool:
        check(headers, body.encode())
        return True

    core._gate_way = settings.gateway.rstrip("/")  # noqa: SLF001
    core._client = client  # noqa: SLF001
    core._verify_signature_async = verify  # noqa: SLF001
    return core


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
