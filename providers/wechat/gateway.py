"""wechatpayv3's asynchronous client, aimed and guarded.

The one file that touches the library's private parts, and why:

1. The gateway's address is fixed in the library; a simulator or the backup host needs another.
2. The library makes an HTTP client of its own without limits, that obeys proxy variables on
   loopback too; ours are bounded and live as long as the adapter.
3. The library checks an answer's signature but not its age, and meets an unknown serial number by
   forgetting its certificates and downloading new ones. Our own check replaces that one.

Calls travel in lanes, each with one connection. One pool of many connections would look through
all of them, and through everyone who waits, at each step of each call: measured with 32 calls at
once, a lane costs 1.2 ms of CPU per call where the pool costs 3.2 ms.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
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

from providers.wechat.client import MAX_ANSWER_BYTES, MAX_BILL_BYTES, bounded_client
from providers.wechat.settings import WeChatSettings

# A call of one of the library's methods; the library is handed in when there is a free lane.
LibraryCall: TypeAlias = Callable[[Any], Awaitable[tuple[int, str | bytes]]]
CheckAnswer: TypeAlias = Callable[[Mapping[str, object], bytes], None]


class NoSlot(Exception):
    """Every connection was in use for as long as a connection may take."""


class Gateway:
    """Where calls go out, signed, and answers come back, checked."""

    def __init__(self, settings: WeChatSettings, check: CheckAnswer) -> None:
        """*check* raises for a 2xx answer that is not to be trusted."""
        self._settings = settings
        self._library = _library(settings, check)
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._idle: list[Any] = []
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._idle.clear()
        await self._resources.aclose()

    async def send(self, call: LibraryCall) -> tuple[int, bytes]:
        """Make one call of the library and return status and body, within the time allowed.

        :raises NoSlot: too many calls are in flight, and this one was not made.
        """
        async with asyncio.timeout(self._settings.timeout_seconds), self._lane() as library:
            return _in_bytes(await call(library))

    async def download(self, path: str) -> tuple[int, bytes]:
        """Fetch a bill from the gateway; nobody signs one, so its hash is for the caller to check.

        It has a connection of its own: no lane's other calls wait for it, or may be as long.
        """
        client = self._client(most_bytes=MAX_BILL_BYTES)
        async with asyncio.timeout(self._settings.timeout_seconds), client as own:
            core = copy.copy(self._library._core)  # noqa: SLF001
            core._client = own  # noqa: SLF001
            return _in_bytes(await core.request(path, skip_verify=True))

    @asynccontextmanager
    async def _lane(self) -> AsyncIterator[Any]:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise NoSlot from None
        try:
            # The lane used last comes first, so that few connections are kept warm.
            library = self._idle.pop() if self._idle else await self._new_lane()
            try:
                yield library
            finally:
                self._idle.append(library)
        finally:
            self._slots.release()

    async def _new_lane(self) -> Any:  # noqa: ANN401 - the library has no types
        client = self._client(most_bytes=MAX_ANSWER_BYTES)
        library = copy.copy(self._library)
        library._core = copy.copy(library._core)  # noqa: SLF001
        library._core._client = await self._resources.enter_async_context(client)  # noqa: SLF001
        return library

    def _client(self, *, most_bytes: int) -> httpx.AsyncClient:
        return bounded_client(
            timeout_seconds=self._settings.timeout_seconds,
            connect_timeout_seconds=self._settings.connect_timeout_seconds,
            connections=1,
            most_bytes=most_bytes,
            on_loopback=self._settings.is_loopback,
        )


def certificates_call(check: CheckAnswer) -> LibraryCall:
    """Make the call for the platform's certificates, whose answer *check* judges instead."""
    return lambda library: _guarded(library._core, check).request("/v3/certificates")  # noqa: SLF001


def refund_bill_call(day: date) -> LibraryCall:
    """Make the call for a day's refund bill, unpacked: its hash is then that of what we read."""
    # The library's own method always names a packing.
    path = f"/v3/bill/tradebill?bill_date={day.isoformat()}&bill_type=REFUND"
    return lambda library: library._core.request(path)  # noqa: SLF001


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


def private_key(pem: str) -> RSAPrivateKey:
    """Load the merchant's private key.

    :raises ValueError: not an unencrypted RSA private key in PEM.
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("merchant_private_key is not an unencrypted PEM private key") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("merchant_private_key is not an RSA key")  # noqa: TRY004 - outside data
    return key


def _in_bytes(answer: tuple[int, str | bytes]) -> tuple[int, bytes]:
    status, body = answer
    return status, body.encode() if isinstance(body, str) else body


def _pkcs8(pem: str) -> str:
    # The library reads only this one of the two usual labels.
    return (
        private_key(pem).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    )


def _library(settings: WeChatSettings, check: CheckAnswer) -> AsyncWeChatPay:
    # The platform signs its answer with the key that the call names.
    key_id, key = next(iter(settings.platform_public_keys_pem.items()), (None, None))
    library = AsyncWeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=settings.merchant_id,
        private_key=_pkcs8(settings.merchant_private_key_pem),
        cert_serial_no=settings.merchant_serial_no,
        appid=settings.app_ids[0],
        apiv3_key=settings.api_v3_key,
        public_key=key,
        public_key_id=key_id,
    )
    library._core._gate_way = settings.gateway.rstrip("/")  # noqa: SLF001
    library._core = _guarded(library._core, check)  # noqa: SLF001
    return library


def _guarded(core: AsyncCore, check: CheckAnswer) -> AsyncCore:
    async def verify(headers: Mapping[str, object], body: str) -> bool:
        check(headers, body.encode())
        return True

    core = copy.copy(core)
    core._verify_signature_async = verify  # noqa: SLF001
    return core
