"""One process's adapter to the stand-in WeChat Pay: calls that are slow, lost, refused, unknown."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from contracts.attempt import (
    AttemptRequest,
    BilledRefund,
    CodeToScan,
    Opened,
    PayerParameters,
    RefundRequest,
)
from contracts.facts import AttemptClosedAtProvider, Fact, QueryFact, RefundMoved
from contracts.states import Channel
from providers.provider import (
    Capability,
    NoticeUnreadable,
    OutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
    VerifiedNotice,
)
from tests.simulation.wechat import NAME, WeChat
from tests.simulation.wires import Wire

# Shorter than a claim to open, as the real adapter's limit is.
CALL_SECONDS = 3.0

_decode = msgspec.json.Decoder(Fact).decode


class Adapter:
    """Implements Provider; whatever it answers is believed."""

    name = NAME
    channels = frozenset(Channel)
    capabilities = frozenset(Capability)

    def __init__(self, wechat: WeChat, wire: Wire) -> None:
        self._wechat = wechat
        self._wire = wire

    async def open(self, request: AttemptRequest) -> Opened:
        """See Provider.open."""
        wire, known = self._wire, self._wechat.trades
        if request.attempt_no not in known and wire.happens(wire.chances.provider_refuses):
            # What it refused once it goes on refusing, so it takes no money for it either.
            self._wechat.burnt.add(request.attempt_no)
        await self._call("open", lambda: self._wechat.open(request))
        return Opened(code_url=f"weixin://{request.attempt_no}")

    def payer_parameters(
        self, _request: AttemptRequest, opened: Opened, _now: datetime
    ) -> PayerParameters:
        """See Provider.payer_parameters."""
        return CodeToScan(code_url=opened.code_url or "")

    async def query(self, request: AttemptRequest, _opened: Opened | None = None) -> QueryFact:
        """See Provider.query."""
        asked_at = self._wechat.clock()
        fact: QueryFact = await self._call("query", lambda: self._wechat.ask(request, asked_at))
        return fact

    async def close(
        self, request: AttemptRequest, _opened: Opened | None = None
    ) -> AttemptClosedAtProvider | None:
        """See Provider.close."""
        closed: AttemptClosedAtProvider | None = await self._call(
            "close", lambda: self._wechat.close(request)
        )
        return closed

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """See Provider.refund."""
        moved: RefundMoved = await self._call("refund", lambda: self._wechat.refund(request))
        return moved

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """See Provider.query_refund."""
        moved: RefundMoved | None = await self._call(
            "query_refund", lambda: self._wechat.ask_refund(refund)
        )
        return moved

    def verify(self, _headers: Mapping[str, str], body: bytes, _now: datetime) -> VerifiedNotice:
        """See Provider.verify."""
        return VerifiedNotice(provider=NAME, event_id=_event_id(body), serial="1")

    def verify_stored(self, _headers: Mapping[str, str], _body: bytes) -> None:
        """See Provider.verify_stored."""

    def read(self, body: bytes) -> list[Fact]:
        """See Provider.read."""
        words = body.partition(b"\n")[2]
        if not words:
            raise NoticeUnreadable("empty")
        return [_decode(words)]

    async def _call(self, operation: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - facts
        wire = self._wire
        if wire.is_cut:
            raise OutcomeUnknown(NAME, operation, "cut")
        wire.note(f"calls {operation}")
        if self._wechat.is_away or wire.happens(wire.chances.provider_unreachable):
            raise ProviderUnreachable(NAME, operation, "CONNECT")
        is_lost = wire.happens(wire.chances.provider_unknown)
        slow = wire.happens(wire.chances.provider_slow)
        delay = wire.random.random() * (3 * CALL_SECONDS if slow else 0.3)

        def arrive(answer: "asyncio.Future[Any]") -> None:
            try:
                result, failure = work(), None
            except ProviderRefused as refused:
                result, failure = None, refused
            if not answer.done() and not is_lost:
                answer.set_exception(failure) if failure else answer.set_result(result)

        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await wire.call(delay, arrive, cancelled=0.3)
        except TimeoutError as late:
            raise OutcomeUnknown(NAME, operation, "TIMEOUT") from late


def notice_of(event_id: str, fact: Fact) -> bytes:
    """Write a notice."""
    return event_id.encode() + b"\n" + msgspec.json.encode(fact)


def _event_id(body: bytes) -> str:
    return body.partition(b"\n")[0].decode()
