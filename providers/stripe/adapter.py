"""Stripe behind the provider interface: PaymentIntents and Checkout Sessions.

1. No state of ours; what the SDK repeats goes under our own number as idempotency key.
2. Stripe's answers are not signed: they count by TLS, and when they are about what was asked.
3. Its objects stay payable until they are closed, so "not paid" says nothing about later.

Source: Stripe API, "PaymentIntents", "Checkout Sessions", "Refunds", read 2026-11.
"""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Self

from contracts.attempt import (
    AttemptRequest,
    BilledRefund,
    ClientSecret,
    Opened,
    PayerParameters,
    Redirect,
    RefundRequest,
)
from contracts.evidence import Evidence, EvidenceKind
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    Fact,
    QueryFact,
    RefundMoved,
)
from contracts.states import Channel
from providers.provider import (
    Capability,
    Keep,
    NoticeRefused,
    ProviderRefused,
    RefusalReason,
    VerifiedNotice,
    unkept,
)
from providers.stripe import answers, errors, requests
from providers.stripe.client import Answer, Client
from providers.stripe.errors import PROVIDER
from providers.stripe.lookup import Found, Lookup
from providers.stripe.notice import MAX_BYTES, event_id, read_event
from providers.stripe.scrub import scrubbed
from providers.stripe.settings import StripeSettings
from providers.stripe.signature import check_signature
from providers.watch import watched_call

_FAULTS: Final = errors.CONFIGURATION_FAULTS
_KINDS: Final = {
    Channel.STRIPE: EvidenceKind.PAYMENT_INTENT,
    Channel.STRIPE_CHECKOUT: EvidenceKind.CHECKOUT_SESSION,
}


class StripePay:
    """The adapter. Use it as an asynchronous context manager, in one event loop."""

    name = PROVIDER
    channels = frozenset({Channel.STRIPE, Channel.STRIPE_CHECKOUT})
    capabilities = frozenset(Capability) - {Capability.BILLS}

    def __init__(self, settings: StripeSettings, keep: Keep = unkept) -> None:
        self._settings = settings
        self._merchant_id = settings.merchant_id
        self._keep = keep
        self._client = Client(settings)
        self._lookup = Lookup(self._client, search_lag_seconds=settings.search_lag_seconds)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    @property
    def merchant_id(self) -> str:
        """Whose money its facts speak of."""
        return self._merchant_id

    @property
    def appid(self) -> str:
        """An account has no apps, so both are called alike."""
        return self._merchant_id

    async def open(self, request: AttemptRequest) -> Opened:
        """See Provider.open."""
        requests.require_own(request, self._merchant_id, "open")
        with watched_call(PROVIDER, "open", request.channel, faults=_FAULTS) as outcome:
            answer = await self._lookup.create(request, "open")
            if answer.replayed:
                # Stripe tells what it told then, whatever became of it since.
                reference = answers.own_id(answer, request)
                answer = await self._retrieve(request, reference, "open")
            self._keep_answer(request, answer)
            opened = answers.opened(answer, request)
            outcome.code = errors.OK
            return opened

    def payer_parameters(
        self,
        request: AttemptRequest,
        opened: Opened,
        now: datetime,  # noqa: ARG002 - nothing is signed
    ) -> PayerParameters:
        """See Provider.payer_parameters."""
        if request.channel is Channel.STRIPE and opened.client_secret is not None:
            return ClientSecret(client_secret=opened.client_secret)
        if request.channel is Channel.STRIPE_CHECKOUT and opened.redirect_url is not None:
            return Redirect(url=opened.redirect_url)
        raise ProviderRefused(self.name, "payer_parameters", errors.NOT_SENT)

    async def query(self, request: AttemptRequest, opened: Opened | None = None) -> QueryFact:
        """See Provider.query; without *opened* the attempt is looked up, see that module."""
        requests.require_own(request, self._merchant_id, "query")
        # Taken before the call: what is true then may not be when the answer arrives.
        asked_at = datetime.now(UTC)
        with watched_call(PROVIDER, "query", request.channel, faults=_FAULTS) as outcome:
            found = await self._found(request, opened, "query")
            if found is None or found.is_new:
                outcome.code = errors.OK
                number = request.attempt_no
                return AttemptNotFound(provider=PROVIDER, attempt_no=number, asked_at=asked_at)
            if found.is_void:
                outcome.code = errors.OK
                return _closed(request)
            answer = await self._retrieve(request, found.reference, "query")
            self._keep_answer(request, answer)
            fact = answers.asked(answer, request, asked_at)
            outcome.code = errors.OK
            return fact

    async def close(
        self, request: AttemptRequest, opened: Opened | None = None
    ) -> AttemptClosedAtProvider | None:
        """See Provider.close; what was never heard of is made and ended, and never will be."""
        requests.require_own(request, self._merchant_id, "close")
        with watched_call(PROVIDER, "close", request.channel, faults=_FAULTS) as outcome:
            found = await self._found(request, opened, "close")
            closed = None if found is None else await self._end(request, found)
            outcome.code = errors.OK
            return None if found is None or found.is_new else closed

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """See Provider.refund."""
        words = requests.refund_words(request)
        options = {"idempotency_key": request.refund_no}
        with watched_call(PROVIDER, "refund", None, faults=_FAULTS) as outcome:
            answer = await self._client.send(
                "refund",
                lambda stripe: stripe.v1.refunds.create_async(words, options),  # type: ignore[arg-type] # plain dicts of what the SDK types
            )
            if answer.replayed:
                answer = await self._retrieve_refund(answers.id_of(answer))
            moved = answers.refunded(answer, request)
            self._keep_refund(request.attempt_no, answer)
            outcome.code = errors.OK
            return moved

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """See Provider.query_refund; by our number or by Stripe's own."""
        intent = requests.intent_of(refund)
        with watched_call(PROVIDER, "query_refund", None, faults=_FAULTS) as outcome:
            answer = await self._client.send(
                "query_refund",
                lambda stripe: stripe.v1.refunds.list_async(
                    {"payment_intent": intent, "limit": 100}
                ),
            )
            found = answers.refund_among(answer, refund, intent)
            outcome.code = errors.OK
            if found is None:
                return None
            self._keep_refund(refund.attempt_no, found)
            return answers.refunded(found, refund)

    async def attempt_no_of(self, provider_txn_id: str) -> str:
        """See NamesPayments.attempt_no_of."""
        reference = requests.reference_of(provider_txn_id, "query")
        with watched_call(PROVIDER, "query", None, faults=_FAULTS) as outcome:
            answer = await self._client.send(
                "query", lambda stripe: stripe.v1.payment_intents.retrieve_async(reference)
            )
            number = answers.attempt_no_of(answer, reference)
            outcome.code = errors.OK
            return number

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> VerifiedNotice:
        """See Provider.verify."""
        return self._verified(headers, body, now)

    def verify_stored(self, headers: Mapping[str, str], body: bytes) -> None:
        """See Provider.verify_stored."""
        self._verified(headers, body, None)

    def read(self, body: bytes) -> list[Fact]:
        """See Provider.read."""
        return read_event(body, self._merchant_id, self._keep)

    def _verified(
        self, headers: Mapping[str, str], body: bytes, now: datetime | None
    ) -> VerifiedNotice:
        if not isinstance(body, bytes) or len(body) > MAX_BYTES:
            raise NoticeRefused(RefusalReason.MALFORMED)
        serial = check_signature(self._settings.webhook_secrets, headers, body, now)
        return VerifiedNotice(provider=PROVIDER, event_id=event_id(body), serial=serial)

    async def _found(
        self, request: AttemptRequest, opened: Opened | None, operation: str
    ) -> Found | None:
        if opened is not None and opened.reference is not None:
            return Found(requests.reference_of(opened.reference, operation))
        return await self._lookup.find(request, operation)

    async def _retrieve(self, request: AttemptRequest, reference: str, operation: str) -> Answer:
        if request.channel is Channel.STRIPE:
            return await self._client.send(
                operation,
                lambda stripe: stripe.v1.payment_intents.retrieve_async(
                    reference, {"expand": ["latest_charge"]}
                ),
            )
        return await self._client.send(
            operation,
            lambda stripe: stripe.v1.checkout.sessions.retrieve_async(
                reference, {"expand": ["payment_intent.latest_charge"]}
            ),
        )

    async def _end(self, request: AttemptRequest, found: Found) -> AttemptClosedAtProvider | None:
        if found.is_void:
            return _closed(request)
        reference = found.reference
        try:
            if request.channel is Channel.STRIPE:
                answer = await self._cancel(reference)
            else:
                answer = await self._expire(reference)
        except ProviderRefused as refused:
            if refused.code not in {errors.STATE, "other"}:
                raise
            # It is over already, one way or the other.
            answer = await self._retrieve(request, reference, "close")
        self._keep_answer(request, answer)
        left = answers.left_open(answer, request)
        if left is not None:
            # Stripe ends it with its session; where it will not be told twice, it is ended.
            with contextlib.suppress(ProviderRefused):
                await self._cancel(left)
        return answers.closed(answer, request)

    async def _cancel(self, reference: str) -> Answer:
        return await self._client.send(
            "close", lambda stripe: stripe.v1.payment_intents.cancel_async(reference)
        )

    async def _expire(self, reference: str) -> Answer:
        return await self._client.send(
            "close",
            lambda stripe: stripe.v1.checkout.sessions.expire_async(
                reference, {"expand": ["payment_intent.latest_charge"]}
            ),
        )

    async def _retrieve_refund(self, reference: str) -> Answer:
        return await self._client.send(
            "refund", lambda stripe: stripe.v1.refunds.retrieve_async(reference)
        )

    def _keep_answer(self, request: AttemptRequest, answer: Answer) -> None:
        kind = _KINDS[request.channel]
        self._keep_object(request.attempt_no, kind, answer)

    def _keep_refund(self, attempt_no: str, answer: Answer) -> None:
        self._keep_object(attempt_no, EvidenceKind.REFUND, answer)

    def _keep_object(self, attempt_no: str, kind: EvidenceKind, answer: Answer) -> None:
        evidence = Evidence(
            provider=PROVIDER,
            attempt_no=attempt_no,
            kind=kind,
            object_id=answers.id_of(answer),
            source=answer.operation,
            body=scrubbed(answer.told()),
        )
        self._keep(evidence)


def _closed(request: AttemptRequest) -> AttemptClosedAtProvider:
    return AttemptClosedAtProvider(provider=PROVIDER, attempt_no=request.attempt_no)
