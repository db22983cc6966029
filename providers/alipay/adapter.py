"""Alipay behind the provider interface.

1. One method is one call, and closing two at most: no state of ours, no repeats.
2. An answer counts only when it is signed and about the number that was asked.
3. What can be judged before a call is refused before it, with the code ``not_sent``.
4. A page to pay on needs no call to open; Alipay hears of its trade when the payer arrives, and of
   a code's trade when somebody scans it.

Source: Alipay Open Platform, trade precreate, wap pay, page pay, query, close, refund and refund
query, read 2026-11.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Self

from contracts.attempt import (
    AttemptRequest,
    BilledRefund,
    CodeToScan,
    Opened,
    PayerParameters,
    Redirect,
    RefundRequest,
)
from contracts.evidence import EvidenceKind
from contracts.facts import AttemptClosedAtProvider, Fact, QueryFact, RefundMoved
from contracts.states import Channel
from providers.alipay import answers, errors, evidence, notice, requests
from providers.alipay.client import Answer, Client
from providers.alipay.requests import AppKey
from providers.alipay.settings import AlipaySettings
from providers.alipay.signature import KeyRing, private_key
from providers.alipay.words import PROVIDER
from providers.provider import Capability, Keep, ProviderRefused, VerifiedNotice, unkept
from providers.watch import watched_call


class Alipay:
    """The adapter. Use it as an asynchronous context manager, in one event loop."""

    name = PROVIDER
    channels = requests.CHANNELS
    capabilities = frozenset(Capability) - {Capability.BILLS}

    def __init__(self, settings: AlipaySettings, keep: Keep = unkept) -> None:
        self._settings = settings
        self._keep = keep
        self._ring = KeyRing(settings.alipay_public_keys_pem)
        self._app = AppKey(settings.app_id, private_key(settings.private_key_pem))
        self._client = Client(settings, self._app, self._ring)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    @property
    def merchant_id(self) -> str:
        """Whom attempts are made for, and what the facts of their payments say."""
        return self._settings.merchant_id

    @property
    def appid(self) -> str:
        """The app by which attempts are made."""
        return self._settings.app_id

    async def open(self, request: AttemptRequest) -> Opened:
        """See Provider.open."""
        now = datetime.now(UTC)
        requests.require_payable(request, self._settings, now)
        if request.channel is not Channel.ALIPAY_QR:
            return Opened()
        with watched_call(
            PROVIDER, "open", request.channel, faults=errors.CONFIGURATION_FAULTS
        ) as outcome:
            answer = await self._client.send(
                "open",
                requests.PRECREATE,
                requests.code_words(request, now),
                notify_url=request.notify_url,
            )
            outcome.code = answer.code
            opened = answers.opened(answer, request)
        self._remember(answer, request.attempt_no)
        return opened

    def payer_parameters(
        self, request: AttemptRequest, opened: Opened, now: datetime
    ) -> PayerParameters:
        """See Provider.payer_parameters."""
        if request.channel not in self.channels:
            raise ProviderRefused(PROVIDER, "payer_parameters", "unsupported")
        if request.channel is not Channel.ALIPAY_QR:
            url = requests.page_url(self._settings.gateway, self._app, request, now)
            return Redirect(url=url)
        if opened.code_url is None:
            raise ProviderRefused(PROVIDER, "payer_parameters", "not_sent")
        return CodeToScan(code_url=opened.code_url)

    async def query(
        self,
        request: AttemptRequest,
        opened: Opened | None = None,  # noqa: ARG002 - our own number is enough
    ) -> QueryFact:
        """See Provider.query."""
        requests.require_own(request, self._settings, "query")
        return await self._asked("query", request)

    async def close(
        self,
        request: AttemptRequest,
        opened: Opened | None = None,  # noqa: ARG002 - our own number is enough
    ) -> AttemptClosedAtProvider | None:
        """See Provider.close.

        None also before the code was scanned: it can still be paid until *payable_until*.
        """
        requests.require_own(request, self._settings, "close")
        until = asyncio.get_running_loop().time() + self._settings.timeout_seconds
        with watched_call(
            PROVIDER, "close", request.channel, faults=errors.CONFIGURATION_FAULTS
        ) as outcome:
            words = {"out_trade_no": request.attempt_no}
            answer = await self._client.send("close", requests.CLOSE, words, until=until)
            outcome.code = answer.code
            if answer.code == errors.NOT_EXIST:
                return None
            if answer.code not in errors.NOT_WAITING:
                closed = answers.closed(answer, request)
                self._remember(answer, request.attempt_no)
                return closed
        # Paid or closed before: the refusal is the same.
        fact = await self._asked("close_query", request, until=until)
        return fact if isinstance(fact, AttemptClosedAtProvider) else None

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """See Provider.refund."""
        words = requests.refund_words(request)
        with watched_call(PROVIDER, "refund", None, faults=errors.CONFIGURATION_FAULTS) as outcome:
            answer = await self._client.send("refund", requests.REFUND, words)
            outcome.code = answer.code
            moved = answers.refunded(answer, request)
        self._remember(answer, request.attempt_no, EvidenceKind.REFUND)
        return moved

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """See Provider.query_refund."""
        requests.require_refund_no(refund, "query_refund")
        words = {"out_trade_no": refund.attempt_no, "out_request_no": refund.refund_no}
        with watched_call(
            PROVIDER, "query_refund", None, faults=errors.CONFIGURATION_FAULTS
        ) as outcome:
            answer = await self._client.send("query_refund", requests.QUERY_REFUND, words)
            outcome.code = answer.code
            moved = answers.refund_asked(answer, refund)
        if moved is not None:
            self._remember(answer, refund.attempt_no, EvidenceKind.REFUND)
        return moved

    def verify(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - the signature stands in the body
        body: bytes,
        now: datetime,
    ) -> VerifiedNotice:
        """See Provider.verify."""
        return notice.verify_notice(self._ring, body, now)

    def verify_stored(self, headers: Mapping[str, str], body: bytes) -> None:  # noqa: ARG002
        """See Provider.verify_stored."""
        notice.verify_notice(self._ring, body, None)

    def read(self, body: bytes) -> list[Fact]:
        """See Provider.read."""
        told = notice.parameters_of(body)
        facts = notice.facts_of(told, self._settings)
        if facts:
            self._keep(evidence.told(told["out_trade_no"], told))
        return facts

    async def _asked(
        self, operation: str, request: AttemptRequest, until: float | None = None
    ) -> QueryFact:
        # Taken before the call: what is true then may not be when the answer arrives.
        asked_at = datetime.now(UTC)
        with watched_call(
            PROVIDER, operation, request.channel, faults=errors.CONFIGURATION_FAULTS
        ) as outcome:
            words = {"out_trade_no": request.attempt_no}
            answer = await self._client.send(operation, requests.QUERY, words, until=until)
            outcome.code = answer.code
            fact = answers.asked(answer, request, self._settings, asked_at)
        if answer.code == errors.OK:
            self._remember(answer, request.attempt_no)
        return fact

    def _remember(
        self, answer: Answer, attempt_no: str, kind: EvidenceKind = EvidenceKind.TRADE
    ) -> None:
        self._keep(evidence.answered(answer.operation, attempt_no, kind, answer.content))
