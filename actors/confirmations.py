"""Confirmations: how a buyer pays by an intent, and what a key is told again.

1. A key starts one attempt, and what it was answered first is remembered, whatever that was.
2. What a payer needs beside that answer is signed anew each time, while the attempt waits for them.
3. Nothing here moves an order's money: what a provider says takes the turn of all facts.
"""

from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog
from msgspec import structs

from actors.actor import Actor
from actors.attempt_calls import AttemptCalls
from actors.channels import channel_of
from actors.confirming import Confirmed, Confirming
from actors.decide_attempt import is_stranded, refuse_unless_payable
from actors.failpoints import Reach, nowhere
from actors.intent_status import result_of
from actors.pay_channels import Way, choose_way, provider_in
from actors.payers import Payers, known_payer
from contracts import errors
from contracts.attempt import Confirmation, PayerParameters
from contracts.commands import AttemptWords, StartAttempt
from contracts.intents import Intent
from contracts.order import Attempt, Order
from contracts.states import AttemptResult, Channel, OrderStatus
from models.attempts import attempt_id_of
from models.engine import Database
from models.intents import Known, known_intent
from models.payment_keys import Key, Remembered, recall, remember

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


class Confirm(msgspec.Struct, frozen=True, kw_only=True):
    """A buyer's wish to pay by an intent, which holds the *key*; *method* names a channel."""

    user_id: int
    key: Key
    method: str | None = None
    simulate: str | None = None

    @property
    def intent_id(self) -> int:
        """The intent to pay by."""
        return self.key.holder_id


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a confirmation is told; *order* where it was looked at, *parameters* for who pays."""

    intent_id: int
    attempt_id: int
    status: AttemptResult
    is_new: bool = False
    order: Order | None = None
    channel: Channel | None = None
    parameters: PayerParameters | None = None
    paid_at: datetime | None = None


class Confirmations:
    """Confirms intents, for one process.

    Without *webhook_only* the provider is asked at once what became of it.
    """

    def __init__(
        self,
        *,
        database: Database,
        actor: Actor,
        attempts: AttemptCalls,
        payers: Payers,
        webhook_only: bool = True,
        reach: Reach = nowhere,
    ) -> None:
        self._database = database
        self._actor = actor
        self._attempts = attempts
        self._confirming = Confirming(actor=actor, attempts=attempts, payers=payers)
        self._payers = payers
        self._webhook_only = webhook_only
        self._reach = reach

    async def confirm(self, wish: Confirm) -> Answer:
        """Start an attempt to pay by an intent, or find what the key has started.

        :raises contracts.errors.NotFound: the intent is absent, or someone else's.
        :raises contracts.errors.IdempotencyMismatch: the key was used with another body.
        :raises contracts.errors.InvalidRequest: the method is none of the provider's.
        :raises contracts.errors.PayChannelNotSupported: nor of the provider that it names.
        :raises contracts.errors.Conflict: nobody can pay by it now; the class says why.
        :raises contracts.errors.WechatOpenidRequired: nobody knows the payer there; extra names
            the order.
        """
        known = await known_intent(self._database, wish.intent_id, user_id=wish.user_id)
        if known is None:
            raise errors.NotFound
        earlier = await recall(self._database, wish.key)
        order = await self._actor.load(known.intent.order_id)
        if earlier is not None:
            order = await self._opened_again(order, _target(known, order, earlier))
            return self._again(known, order, earlier)
        if known.paid_attempt_id is not None and _started(order, wish) is None:
            first = await self._first(wish, known.paid_attempt_id, AttemptResult.SUCCEEDED)
            return self._again(known, order, first)
        command = await self._command(known, order, wish)
        try:
            confirmed = await self._confirming.confirm(command)
        except (errors.OrderExpired, errors.OrderCancelled, errors.OrderAlreadyPaid) as ended:
            raise errors.InvalidState from ended
        await self._reach("confirm.opened")
        return await self._answer(known, wish, await self._finalized(confirmed))

    async def _command(self, known: Known, order: Order, wish: Confirm) -> StartAttempt:
        words = _words_again(order, wish)
        if words is None:
            _refuse_unless_payable(known.intent, order)
            words = await self._words(known.intent, order, wish)
        else:
            way = self._way(known.intent, wish)
            started = (words.provider, words.channel, words.confirmation)
            if started != (way.provider, way.channel, _confirmation(order, wish, way)):
                raise errors.IdempotencyMismatch
        return StartAttempt(order_id=order.id, **structs.asdict(words))

    async def _words(self, intent: Intent, order: Order, wish: Confirm) -> AttemptWords:
        way = self._way(intent, wish)
        payer = await self._payers.find(way.provider, way.channel, order.user_id)
        payer = known_payer(payer, order, way.channel)
        words = self._payers.words(way.provider, way.channel, payer)
        confirmation = _confirmation(order, wish, way)
        return structs.replace(words, confirmation=confirmation, agreed=intent.amount)

    def _way(self, intent: Intent, wish: Confirm) -> Way:
        """Say how to pay: where the method says, else at the provider that the intent is for."""
        offers, method = self._payers.offers, wish.method
        if method is not None and provider_in(method) in offers:
            return choose_way(None, method, stored=intent.provider, offers=offers)
        channel = channel_of(method, self._payers.channels_of(intent.provider))
        return Way(provider=intent.provider, channel=channel)

    async def _finalized(self, confirmed: Confirmed) -> Confirmed:
        """Ask what became of an attempt that needs nobody any more, where answers may wait."""
        attempt = confirmed.attempt
        if self._webhook_only or result_of(attempt) is not AttemptResult.PROCESSING:
            return confirmed
        order = await self._attempts.look_briefly(confirmed.order.id, attempt.attempt_no)
        after = order.attempt(attempt.attempt_no) or attempt
        return structs.replace(confirmed, order=order, attempt=after)

    async def _answer(self, known: Known, wish: Confirm, confirmed: Confirmed) -> Answer:
        attempt, status = confirmed.attempt, self._status(confirmed.attempt, wish)
        attempt_id = await attempt_id_of(self._database, attempt.attempt_no)
        log.info(
            "payments.confirm",
            order_id=confirmed.order.id,
            attempt_no=attempt.attempt_no,
            channel=attempt.request.channel.value,
            status=status.value,
        )
        first = await self._first(wish, attempt_id, status)
        await self._reach("confirm.remembered")
        return self._told(
            Answer(
                intent_id=known.intent.id,
                attempt_id=first.target_id,
                status=AttemptResult(first.status),
                is_new=confirmed.is_new,
            ),
            confirmed.order,
            attempt,
        )

    def _status(self, attempt: Attempt, wish: Confirm) -> AttemptResult:
        """Say how an attempt goes; where answers do not wait, its own key is not told of money."""
        status = result_of(attempt)
        is_told = status is AttemptResult.SUCCEEDED and self._webhook_only
        return AttemptResult.PROCESSING if is_told and _is_own(attempt, wish) else status

    async def _first(self, wish: Confirm, attempt_id: int, status: AttemptResult) -> Remembered:
        first = await remember(self._database, wish.key, target_id=attempt_id, status=status.value)
        return first or Remembered(target_id=attempt_id, status=status.value)

    async def _opened_again(self, order: Order, attempt: Attempt | None) -> Order:
        """Open what nobody knows to be open; whatever comes of it, its key has an answer."""
        if attempt is None or not is_stranded(order, attempt, datetime.now(UTC)):
            return order
        words = _words_of(attempt)
        if words.confirmation is None:
            return order
        command = StartAttempt(order_id=order.id, **structs.asdict(words))
        with suppress(errors.Conflict):
            return (await self._finalized(await self._confirming.confirm(command))).order
        return await self._actor.load(order.id)

    def _again(self, known: Known, order: Order, earlier: Remembered) -> Answer:
        attempt = _target(known, order, earlier)
        answer = Answer(
            intent_id=known.intent.id,
            attempt_id=earlier.target_id,
            status=AttemptResult(earlier.status),
        )
        return self._told(answer, order, attempt)

    def _told(self, answer: Answer, order: Order, attempt: Attempt | None) -> Answer:
        """Add what the payer needs while the attempt waits for them, and when they paid."""
        answer = structs.replace(answer, order=order)
        if attempt is None:
            return answer
        if answer.status is AttemptResult.SUCCEEDED:
            return structs.replace(answer, paid_at=_paid_at(order, attempt))
        is_waiting = attempt is order.current_attempt and order.status is OrderStatus.PENDING
        if answer.status is not AttemptResult.REQUIRES_ACTION or not is_waiting:
            return answer
        parameters = self._payers.parameters_of(attempt, datetime.now(UTC))
        return structs.replace(answer, channel=attempt.request.channel, parameters=parameters)


def _confirmation(order: Order, wish: Confirm, way: Way) -> Confirmation:
    return Confirmation(
        order_id=order.id,
        intent_id=wish.intent_id,
        idempotency_key=wish.key.key,
        # Who moves real money has nothing to pretend.
        simulate=wish.simulate if way.channel is Channel.MOCK else None,
    )


def _refuse_unless_payable(intent: Intent, order: Order) -> None:
    try:
        refuse_unless_payable(order, datetime.now(UTC))
    except errors.Conflict as ended:
        raise errors.InvalidState(orderStatus=order.status.value) from ended
    if intent.amount != order.total:
        raise errors.PriceMismatch(orderAmount=order.total.amount_minor)
    if intent.ended_at is not None:
        raise errors.InvalidState("The intent has ended; ask for another.")


def _started(order: Order, wish: Confirm) -> Attempt | None:
    return order.confirmed_by(
        Confirmation(order_id=order.id, intent_id=wish.intent_id, idempotency_key=wish.key.key)
    )


def _is_own(attempt: Attempt, wish: Confirm) -> bool:
    confirmation = attempt.request.confirmation
    return confirmation is not None and (
        (confirmation.intent_id, confirmation.idempotency_key) == (wish.intent_id, wish.key.key)
    )


def _target(known: Known, order: Order, earlier: Remembered) -> Attempt | None:
    numbers = (no for no, id_ in known.attempt_ids.items() if id_ == earlier.target_id)
    return order.attempt(next(numbers, ""))


def _words_again(order: Order, wish: Confirm) -> AttemptWords | None:
    """Word what the key has started as it was then, whatever a payer is called by now."""
    started = _started(order, wish)
    return None if started is None else _words_of(started)


def _words_of(attempt: Attempt) -> AttemptWords:
    request = attempt.request
    return AttemptWords(
        provider=request.provider,
        channel=request.channel,
        merchant_id=request.merchant_id,
        appid=request.appid,
        notify_url=request.notify_url,
        openid=request.openid,
        confirmation=request.confirmation,
        return_url=request.return_url,
        cancel_url=request.cancel_url,
    )


def _paid_at(order: Order, attempt: Attempt) -> datetime | None:
    return next((p.paid_at for p in order.payments if p.attempt_no == attempt.attempt_no), None)
