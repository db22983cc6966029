"""Finds an attempt again whose opening was never heard of: by our number, as Stripe lets us.

1. Up to ``payable_until`` the same words are sent again under the same idempotency key: Stripe
   answers what it answered before, or opens now what it never heard of. Nobody but us gets the
   secret of it, so nobody can pay it.
2. From then on nothing is opened any more, for Stripe forgets keys once they are a day old and
   would open a second one. Our number is searched for instead. A search may lag by an hour, so
   until then "not found" is not said.
3. A search finds intents, and a session has none before its payer goes on: one that is not found
   after its time is one that took no money, and whose address nobody was ever given.
4. Where Stripe keeps a failure of its own under our number, what it may have made is void: nobody
   was ever given its secret or its address, and nobody will be.

Source: Stripe API, "Idempotent requests"; "Search", read 2026-11.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from contracts.attempt import AttemptRequest
from contracts.states import Channel
from providers.provider import ProviderError
from providers.stripe import errors, requests
from providers.stripe.client import Answer, Call, Client
from providers.stripe.words import Named, Page

_MANY: Final = 100


class Found(msgspec.Struct, frozen=True):
    """Stripe's number of an attempt; *answer* is what opening it brought, just now or before.

    What *is_void* can be paid by nobody, and its number is not known.
    """

    reference: str = ""
    answer: Answer | None = None
    is_void: bool = False

    @property
    def is_new(self) -> bool:
        """Whether Stripe had never heard of the attempt until we asked."""
        return self.answer is not None and not self.answer.replayed


class Lookup:
    """Opens attempts, and finds them again."""

    def __init__(self, client: Client, *, search_lag_seconds: float) -> None:
        self._client = client
        self._lag = timedelta(seconds=search_lag_seconds)

    async def create(self, request: AttemptRequest, operation: str) -> Answer:
        """Open an attempt, or hear again what opening it brought."""
        requests.require_open(request)
        if datetime.now(UTC) > request.payable_until:
            raise errors.error_of(operation, "too_late")
        return await self._client.send(operation, _creation(request))

    async def find(self, request: AttemptRequest, operation: str) -> Found | None:
        """Find an attempt by our number; None when Stripe does not know it.

        :raises ProviderError: nothing was learnt, or not yet.
        """
        if datetime.now(UTC) <= request.payable_until:
            try:
                answer = await self.create(request, operation)
            except ProviderError as failure:
                if failure.code != errors.KEPT_FAILURE:
                    raise
                return Found(is_void=True)
            return Found(answer.read(Named).id, answer)
        intent = await self._searched(request, operation)
        if intent is None or request.channel is Channel.STRIPE:
            return None if intent is None else Found(intent)
        return Found(await self._session_of(intent, operation))

    async def _searched(self, request: AttemptRequest, operation: str) -> str | None:
        # Our numbers are letters and digits, so none of them ends the quotation.
        query = f'metadata["attempt_no"]:"{request.attempt_no}"'
        asked_at = datetime.now(UTC)
        answer = await self._client.send(
            operation,
            lambda stripe: stripe.v1.payment_intents.search_async({"query": query, "limit": 2}),
        )
        found = answer.read(Page).data
        if not found and asked_at < request.payable_until + self._lag:
            raise errors.error_of(operation, "not_searchable_yet")
        if len(found) > 1:
            raise errors.error_of(operation, "too_many")
        return _named(found[0], operation) if found else None

    async def _session_of(self, intent: str, operation: str) -> str:
        answer = await self._client.send(
            operation,
            lambda stripe: stripe.v1.checkout.sessions.list_async({"payment_intent": intent}),
        )
        found = answer.read(Page).data
        if len(found) != 1:
            raise errors.error_of(operation, "foreign_answer")
        return _named(found[0], operation)


def _creation(request: AttemptRequest) -> Call:
    key = request.attempt_no
    if request.channel is Channel.STRIPE_CHECKOUT:
        session = requests.session_words(request)
        return lambda stripe: stripe.v1.checkout.sessions.create_async(
            session,  # type: ignore[arg-type] # a plain dict of what the SDK types word for word
            {"idempotency_key": key},
        )
    intent = requests.intent_words(request)
    return lambda stripe: stripe.v1.payment_intents.create_async(
        intent,  # type: ignore[arg-type] # as above
        {"idempotency_key": key},
    )


def _named(raw: msgspec.Raw, operation: str) -> str:
    return Answer(operation, bytes(raw), replayed=False).read(Named).id
