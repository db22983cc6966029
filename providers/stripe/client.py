"""Calls through Stripe's SDK, and the raw answers that they bring.

1. The SDK's resources are not read: what came over the wire is, by our own words.
2. Every call has a bounded time, which its repeats share, and a bounded answer.
3. A call that may have arrived once stays one that may have, however its repeats ended.

Source: stripe-python 16.1 (its retries are 0 unless told, its errors carry whole answers, and at
DEBUG it logs them), read 2026-11.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, NoReturn, Self, TypeAlias, TypeVar

import httpx
import msgspec
import stripe

from providers.stripe import errors
from providers.stripe.settings import StripeSettings
from providers.transport import trusted

_T = TypeVar("_T")
Resource: TypeAlias = stripe.StripeObject
Call: TypeAlias = Callable[[stripe.StripeClient], Awaitable[Any]]

# Stripe's answers are some KiB; a list of a hundred refunds is a hundred KiB.
MAX_BYTES: Final = 1024 * 1024
# Anything it would say of a call at INFO is in our spans, and at DEBUG it shows client secrets.
logging.getLogger("stripe").setLevel(logging.WARNING)
# The environment may not ask for more: it writes whole answers to standard error.
stripe._util.STRIPE_LOG = None  # noqa: SLF001 - there is no other way to take it back
# It would tell Stripe about this machine and how long earlier calls took.
stripe.enable_telemetry = False


class Answer(msgspec.Struct, frozen=True):
    """What came back from one call; *replayed* when Stripe had answered the same call before."""

    operation: str
    body: bytes
    replayed: bool

    def read(self, kind: type[_T]) -> _T:
        """Read a success.

        :raises ProviderError: it cannot be read.
        """
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise errors.error_of(self.operation, errors.UNREADABLE) from None

    def told(self) -> dict[str, Any]:
        """Return the whole object, as evidence."""
        return self.read(dict[str, Any])


class Client:
    """One account's calls."""

    def __init__(self, settings: StripeSettings) -> None:
        self._timeout_seconds = settings.timeout_seconds
        self._wire = _Wire(settings)
        self._stripe = stripe.StripeClient(
            settings.secret_key,
            http_client=self._wire,
            base_addresses={"api": settings.gateway},
            max_network_retries=settings.max_network_retries,
            stripe_version=settings.api_version,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._wire.close_async()

    async def send(self, operation: str, call: Call) -> Answer:
        """Make one call within the time allowed.

        :raises ProviderError: it brought no success.
        """
        _arrived.set(False)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                resource = await call(self._stripe)
            response = resource.last_response
            body = response.body.encode()
            return Answer(operation, body, response.headers.get(errors.REPLAYED) == "true")
        except Exception as error:  # noqa: BLE001 - an SDK may raise anything over a hostile answer
            failure = errors.error_of_failure(operation, error, arrived=_arrived.get())
        # Out here the SDK's error, which carries the whole answer, is not behind it.
        raise failure


_arrived: ContextVar[bool] = ContextVar("guichet_stripe_arrived", default=False)


class _TooLong(Exception):
    """An answer longer than any of Stripe's."""


class _Wire(stripe.HTTPXClient):
    """The SDK's transport with pool, limits and a memory of what may have arrived."""

    def __init__(self, settings: StripeSettings) -> None:
        # Its own client calls nobody; without this it would load every authority there is.
        super().__init__(timeout=settings.timeout_seconds, verify_ssl_certs=False)
        self._bounded = httpx.AsyncClient(
            verify=trusted(),
            timeout=httpx.Timeout(
                settings.timeout_seconds,
                connect=settings.connect_timeout_seconds,
                pool=settings.connect_timeout_seconds,
            ),
            limits=httpx.Limits(
                max_connections=settings.max_connections,
                max_keepalive_connections=settings.max_connections,
            ),
            # A simulator is on this machine; proxy variables are not for it.
            trust_env=not settings.is_loopback,
            follow_redirects=False,
        )

    async def request_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: str | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            async with self._bounded.stream(
                method, url, headers=dict(headers), content=post_data
            ) as reply:
                _arrived.set(True)
                return await _whole(reply), reply.status_code, reply.headers
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not errors.never_left(error):
                _arrived.set(True)
            _give_up(error)

    async def close_async(self) -> None:
        await self._bounded.aclose()
        await self._client_async.aclose()


def _give_up(error: Exception) -> NoReturn:
    # The SDK repeats what is raised like this, as often as it was told to.
    told: Callable[..., stripe.APIConnectionError] = stripe.APIConnectionError
    raise told(type(error).__name__, should_retry=True) from error


async def _whole(reply: httpx.Response) -> bytes:
    body = bytearray()
    async for part in reply.aiter_bytes():
        body += part
        if len(body) > MAX_BYTES:
            raise _TooLong
    return bytes(body)
