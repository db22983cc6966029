"""WeChat Pay v3 behind the provider interface.

1. One method is one call: no state of ours, no repeats.
2. An answer counts only when it is signed, fresh and about the number that was asked.
3. What can be judged before a call is refused before it, with the code ``not_sent``.
4. Believed answers about attempts and refunds are handed on to be kept, except those to opening:
   nothing that may be kept is in them, and a payer waits for every one.

Source: WeChat Pay v3, Native and JSAPI orders, refunds, trade bills, read 2026-11.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final, Self, TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from wechatpayv3.async_ import WeChatPayType

from contracts.attempt import (
    AttemptRequest,
    BilledRefund,
    CodeToScan,
    Opened,
    PayerParameters,
    RefundRequest,
)
from contracts.evidence import Evidence
from contracts.facts import AttemptClosedAtProvider, Fact, QueryFact, RefundMoved
from contracts.states import Channel
from providers.provider import (
    Capability,
    Keep,
    NoticeRefused,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    VerifiedNotice,
    unkept,
)
from providers.wechat import answers, bills, errors, evidence, requests
from providers.wechat.answers import Answer
from providers.wechat.certificates import read_certificates
from providers.wechat.gateway import (
    Gateway,
    LibraryCall,
    certificates_call,
    private_key,
    public_key,
    refund_bill_call,
)
from providers.wechat.notice import read_notice, verify_notice
from providers.wechat.pay_sign import signed_call
from providers.wechat.settings import WeChatSettings
from providers.wechat.signature import KeyRing, check_signature
from providers.wechat.watch import watched
from providers.wechat.words import PROVIDER

_PAY_TYPES: Final = {
    Channel.WECHAT_NATIVE: WeChatPayType.NATIVE,
    Channel.WECHAT_JSAPI: WeChatPayType.JSAPI,
    Channel.MINIPROGRAM_BRIDGE: WeChatPayType.JSAPI,
}

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_T = TypeVar("_T")


class WeChatPay:
    """The adapter. Use it as an asynchronous context manager, in one event loop."""

    name = PROVIDER
    channels = frozenset(_PAY_TYPES)
    capabilities = frozenset(Capability)

    def __init__(self, settings: WeChatSettings, keep: Keep = unkept) -> None:
        self._settings = settings
        self._keep = keep
        self._ring = KeyRing(
            {number: public_key(pem) for number, pem in settings.platform_public_keys_pem.items()}
        )
        self._gateway = Gateway(settings, self._check_answer)
        self._key = private_key(settings.merchant_private_key_pem)

    async def __aenter__(self) -> Self:
        await self._gateway.__aenter__()
        if not self._ring:
            await self._first_certificates()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._gateway.__aexit__()

    @property
    def can_verify(self) -> bool:
        """Whether any platform key is known; without one every notice and answer is refused."""
        return bool(self._ring)

    async def open(self, request: AttemptRequest) -> Opened:
        """See Provider.open."""
        words = requests.order_words(request, self._settings)
        pay_type = _PAY_TYPES[request.channel]
        return await self._call(
            "open",
            request.channel,
            lambda library: library.pay(pay_type=pay_type, **words),
            lambda answer: answers.opened(answer, request),
        )

    def payer_parameters(
        self, request: AttemptRequest, opened: Opened, now: datetime
    ) -> PayerParameters:
        """See Provider.payer_parameters."""
        if request.channel is Channel.WECHAT_NATIVE:
            if opened.code_url is None:
                raise ProviderRefused(self.name, "payer_parameters", "not_sent")
            return CodeToScan(code_url=opened.code_url)
        if opened.prepay_id is None:
            raise ProviderRefused(self.name, "payer_parameters", "not_sent")
        # Of the attempt, not of today's settings: the prepay_id is bound to it.
        return signed_call(self._key, app_id=request.appid, prepay_id=opened.prepay_id, now=now)

    async def query(
        self,
        request: AttemptRequest,
        opened: Opened | None = None,  # noqa: ARG002 - our own number is enough
    ) -> QueryFact:
        """See Provider.query."""
        requests.require_own(request, self._settings, "query")
        # Taken before the call: what is true then may not be when the answer arrives.
        asked_at = datetime.now(UTC)
        number, merchant_id = request.attempt_no, request.merchant_id
        return await self._call(
            "query",
            request.channel,
            lambda library: library.query(out_trade_no=number, mchid=merchant_id),
            lambda answer: answers.asked(answer, request, asked_at),
            lambda answer: evidence.of_trade(answer, number),
        )

    async def close(
        self,
        request: AttemptRequest,
        opened: Opened | None = None,  # noqa: ARG002 - our own number is enough
    ) -> AttemptClosedAtProvider | None:
        """See Provider.close."""
        requests.require_own(request, self._settings, "close")
        number, merchant_id = request.attempt_no, request.merchant_id
        return await self._call(
            "close",
            request.channel,
            lambda library: library.close(out_trade_no=number, mchid=merchant_id),
            lambda answer: answers.closed(answer, request),
            lambda answer: evidence.of_trade(answer, number),
        )

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """See Provider.refund."""
        words = requests.refund_words(request)
        return await self._call(
            "refund",
            None,
            lambda library: library.refund(**words),
            lambda answer: answers.refunded(answer, request),
            lambda answer: evidence.of_refund(answer, request.attempt_no, request.refund_no),
        )

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """See Provider.query_refund."""
        requests.require_refund_no(refund, "query_refund")
        number = refund.refund_no

        def read(answer: Answer) -> RefundMoved | None:
            if answer.code == "RESOURCE_NOT_EXISTS":
                return None
            return answers.refunded(answer, refund)

        return await self._call(
            "query_refund",
            None,
            lambda library: library.query_refund(out_refund_no=number),
            read,
            lambda answer: evidence.of_refund(answer, refund.attempt_no, number),
        )

    async def billed_refunds(self, day: date) -> Sequence[BilledRefund]:
        """See KeepsBills.billed_refunds."""
        offer = await self._call(
            "bill",
            None,
            refund_bill_call(day),
            lambda answer: bills.offered(answer, self._settings.gateway),
        )
        if offer is None:
            return []
        with watched("bill_file") as outcome:
            answer = await self._send("bill_file", self._gateway.download(bills.path_of(offer)))
            outcome.code = answer.code
            return bills.billed(answer, offer)

    def verify(self, headers: Mapping[str, object], body: bytes, now: datetime) -> VerifiedNotice:
        """See Provider.verify."""
        return verify_notice(self._ring, headers, body, now)

    def verify_stored(self, headers: Mapping[str, object], body: bytes) -> None:
        """See Provider.verify_stored."""
        verify_notice(self._ring, headers, body, None)

    def read(self, body: bytes) -> list[Fact]:
        """See Provider.read."""
        return read_notice(body, self._settings.api_v3_key)

    async def refresh_certificates(self) -> int:
        """Download the platform certificates and trust them besides the keys known so far.

        Return how many the platform has. Never called on the way of a notice. Due a few times a
        day in certificate mode, and while a merchant moves to the public key.

        :raises ProviderError: the keys stay as they were; try again later.
        """
        now = datetime.now(UTC)

        def keys_of(body: bytes) -> dict[str, RSAPublicKey]:
            return read_certificates(body, self._settings.api_v3_key, now)

        def check(headers: Mapping[str, object], body: bytes) -> None:
            check_signature(self._ring.joined(keys_of(body)), headers, body, now)

        def read(answer: Answer) -> dict[str, RSAPublicKey]:
            answer.require_success()
            return keys_of(answer.body)

        keys = await self._call("certificates", None, certificates_call(check), read)
        self._ring.add(keys)
        return len(keys)

    async def _first_certificates(self) -> None:
        # A platform that is down at our start must not keep the doors shut: until a refresh
        # succeeds every notice is refused, and sent again later.
        try:
            await self.refresh_certificates()
        except ProviderError as error:
            _log.error("payments.provider.no_keys", provider=self.name, code=error.code)

    async def _call(
        self,
        operation: str,
        channel: Channel | None,
        call: LibraryCall,
        read: Callable[[Answer], _T],
        kept: Callable[[Answer], Evidence] | None = None,
    ) -> _T:
        with watched(operation, channel) as outcome:
            answer = await self._send(operation, self._gateway.send(call))
            outcome.code = answer.code
            told = read(answer)
        if kept is not None:
            self._keep(kept(answer))
        return told

    async def _send(self, operation: str, sent: Awaitable[tuple[int, bytes]]) -> Answer:
        try:
            status, body = await sent
        except NoticeRefused as refused:
            raise OutcomeUnknown(self.name, operation, refused.reason) from refused
        except Exception as error:
            # Whatever went wrong, the call may have arrived.
            raise errors.error_of_transport(operation, error) from error
        return Answer(operation, errors.code_of(status, body), body)

    def _check_answer(self, headers: Mapping[str, object], body: bytes) -> None:
        check_signature(self._ring, headers, body, datetime.now(UTC))
