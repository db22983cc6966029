"""Ping++ behind the provider interface.

1. One method is one question: no state of ours, no repeats. All its calls together have the time
   of one.
2. Ping++ knows no idempotency. An opening that is repeated may make a second charge of the same
   number, of which the channel below takes money once; a query looks through all of them. A refund
   is looked for under its number before it is made: two callers at the same instant could still
   both make it, and one that was made a moment ago may not be listed yet. So one caller at a time
   may come with a number, and not again within REFUND_PAUSE_SECONDS.
3. Ping++ closes nothing: an attempt ends by the time it was given.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Self, TypeVar

from contracts.attempt import (
    AttemptRequest,
    BilledRefund,
    CodeToScan,
    Opened,
    PayerParameters,
    RefundRequest,
)
from contracts.facts import (
    AttemptClosedAtProvider,
    Fact,
    QueryFact,
    RefundMoved,
)
from contracts.states import Channel
from providers.pingxx import errors, requests
from providers.pingxx.charges import Charges
from providers.pingxx.client import Client
from providers.pingxx.errors import PROVIDER
from providers.pingxx.evidence import Keeper
from providers.pingxx.notice import Notices
from providers.pingxx.refunds import Refunds
from providers.pingxx.search import Search
from providers.pingxx.settings import PingxxSettings
from providers.pingxx.signature import NoticeKeys
from providers.provider import Capability, Keep, VerifiedNotice, unkept
from providers.watch import watched_call

_LACKS: Final = frozenset({Capability.CLOSE, Capability.BILLS})
_T = TypeVar("_T")


class PingxxPay:
    """The adapter. Use it as an asynchronous context manager, in one event loop."""

    name = PROVIDER
    channels = requests.CHANNELS
    capabilities = frozenset(Capability) - _LACKS

    def __init__(self, settings: PingxxSettings, keep: Keep = unkept) -> None:
        self._settings = settings
        self._client = Client(settings)
        keeper, search = Keeper(keep), Search(self._client, settings)
        self._charges = Charges(self._client, search, keeper, is_live=settings.is_live)
        self._refunds = Refunds(self._client, search, keeper)
        keys = NoticeKeys(settings.webhook_public_keys_pem)
        self._notices = Notices(keys, is_live=settings.is_live, keeper=keeper)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    @property
    def merchant_id(self) -> str:
        """Whose money attempts must be about."""
        return self._settings.app_id

    @property
    def appid(self) -> str:
        """The app that attempts must be made with."""
        return self._settings.app_id

    async def open(self, request: AttemptRequest) -> Opened:
        """See Provider.open."""
        wanted = requests.charge_words(request, self._settings)
        return await self._watched(
            "open", request.channel, lambda: self._charges.open(request, wanted)
        )

    def payer_parameters(
        self,
        request: AttemptRequest,
        opened: Opened,
        now: datetime,  # noqa: ARG002 - the channel below has signed already
    ) -> PayerParameters:
        """See Provider.payer_parameters."""
        if request.channel in {Channel.WX_PUB, Channel.WX_LITE}:
            if opened.signed_call is None:
                raise errors.error_of("payer_parameters", errors.NOT_SENT)
            return opened.signed_call
        if opened.code_url is None:
            raise errors.error_of("payer_parameters", errors.NOT_SENT)
        return CodeToScan(code_url=opened.code_url)

    async def query(self, request: AttemptRequest, opened: Opened | None = None) -> QueryFact:
        """See Provider.query."""
        requests.require_own(request, self._settings, "query")
        # Taken before the call: what is true then may not be when the answer arrives.
        asked_at = datetime.now(UTC)
        return await self._watched(
            "query", request.channel, lambda: self._charges.query(request, opened, asked_at)
        )

    async def close(
        self,
        request: AttemptRequest,  # noqa: ARG002
        opened: Opened | None = None,  # noqa: ARG002
    ) -> AttemptClosedAtProvider | None:
        """See Provider.close; Ping++ cannot."""
        raise errors.error_of("close", errors.UNSUPPORTED)

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """See Provider.refund."""
        wanted = requests.refund_words(request)
        return await self._watched("refund", None, lambda: self._refunds.refund(request, wanted))

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """See Provider.query_refund."""
        requests.require_refund(refund, "query_refund")
        return await self._watched("query_refund", None, lambda: self._refunds.query(refund))

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> VerifiedNotice:
        """See Provider.verify."""
        return self._notices.verify(headers, body, now)

    def verify_stored(self, headers: Mapping[str, str], body: bytes) -> None:
        """See Provider.verify_stored."""
        self._notices.verify(headers, body, None)

    def read(self, body: bytes) -> list[Fact]:
        """See Provider.read."""
        return self._notices.read(body)

    async def _watched(
        self, operation: str, channel: Channel | None, work: Callable[[], Awaitable[_T]]
    ) -> _T:
        faults = errors.CONFIGURATION_FAULTS
        with watched_call(PROVIDER, operation, channel, faults=faults) as outcome:
            try:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    result = await work()
            except TimeoutError:
                raise errors.error_of(operation, "timeout") from None
            outcome.code = errors.OK
            return result
