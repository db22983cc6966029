"""Payments at Stripe: made, asked about, ended, and what a payer does to them.

1. An intent is one payment; a session is a page of Stripe's that pays one.
2. What was declined can be paid with another card. What is canceled or expired never is.
3. A search sees what is older than a minute.

Source: Stripe, "PaymentIntents lifecycle"; "Checkout Sessions"; "Testing", read 2026-11.
"""

import re
import secrets
from typing import Any

import msgspec

from sandbox.provider import Conflict
from sandbox.records import Trade, Wish
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.stripe import words
from sandbox.stripe.call import Call, Reply
from sandbox.stripe.events import COMPLETED, PAID, Events
from sandbox.stripe.forms import convert
from sandbox.stripe.refusal import Refusal, bad_parameter, missing, unauthorized, wrong_state

_SEARCH_LAG_SECONDS = 60
_SHORTEST_SECONDS, _LONGEST_SECONDS = 30 * 60, 24 * 3600
_QUERY = re.compile(r'metadata\["attempt_no"\]:"([0-9A-Za-z_\-]{1,64})"')
_DECLINED = {"pm_card_chargeDeclined", "4000000000000002"}
_GOOD = {"pm_card_visa", "4242424242424242"}


class Payments:
    """The payments of one account."""

    def __init__(self, *, store: Store, settings: SandboxSettings, events: Events) -> None:
        self._store = store
        self._settings = settings
        self._events = events

    def open_intent(self, call: Call) -> Reply:
        """Make a payment intent."""
        wanted = convert(call.words, words.WantedIntent)
        detail = words.Detail(
            tail=words.new_tail(),
            secret=secrets.token_hex(12),
            metadata=wanted.metadata,
            description=wanted.description,
        )
        trade = self._made(
            detail, (wanted.amount, wanted.currency), words.INTENT_CHANNEL, call.now_ms
        )
        return Reply(body=words.intent(trade))

    def open_session(self, call: Call) -> Reply:
        """Make a checkout session."""
        wanted = convert(call.words, words.WantedSession)
        ends_at = _end_of(wanted, call.now_ms)
        detail = words.Detail(
            tail=words.new_tail(),
            secret=secrets.token_hex(12),
            metadata=wanted.payment_intent_data.metadata,
            description=wanted.payment_intent_data.description,
            session=wanted,
            session_expires_at=ends_at,
        )
        prices = [line.price_data for line in wanted.line_items]
        total = sum(
            p.unit_amount * n.quantity for p, n in zip(prices, wanted.line_items, strict=True)
        )
        lives_ms = self._settings.scaled_ms(ends_at - call.now_ms / 1000)
        trade = self._made(
            detail,
            (total, prices[0].currency),
            words.SESSION_CHANNEL,
            call.now_ms,
            expires_at_ms=call.now_ms + lives_ms,
        )
        return Reply(body=words.session(trade, call.base_url))

    def intent(self, call: Call) -> Reply:
        """Tell of a payment intent."""
        trade = self.of_intent(call.number)
        _require_secret(call, trade)
        return Reply(body=self.told_intent(trade, whole=call.whole))

    def session(self, call: Call) -> Reply:
        """Tell of a checkout session."""
        trade = self._current(self.of_session(call.number), call.now_ms)
        return Reply(body=self._told_session(trade, call))

    def search(self, call: Call) -> Reply:
        """Search payment intents by our number: behind, as searches are."""
        found = _QUERY.fullmatch(str(call.words.get("query", "")))
        if found is None:
            raise bad_parameter("parameter_invalid_integer", "query", "Unsupported query")
        trade = self._store.trade(words.NAME, found.group(1))
        seen_ms = call.now_ms - self._settings.scaled_ms(_SEARCH_LAG_SECONDS)
        is_there = trade is not None and _has_intent(trade) and trade.created_at_ms <= seen_ms
        things = [self.told_intent(trade)] if trade is not None and is_there else []
        body = words.page("/v1/payment_intents/search", things)
        return Reply(body=body | {"object": "search_result"})

    def sessions(self, call: Call) -> Reply:
        """List the sessions of a payment intent."""
        trade = self.of_intent(str(call.words.get("payment_intent", "")))
        things = [self._told_session(trade, call)] if words.is_session(trade) else []
        return Reply(body=words.page("/v1/checkout/sessions", things))

    def cancel(self, call: Call) -> Reply:
        """Cancel a payment intent."""
        trade = self.of_intent(call.number)
        if words.is_session(trade) and trade.status == words.WAITING:
            raise wrong_state("You cannot cancel the intent of a Checkout Session. Expire it.")
        if trade.status != words.WAITING:
            told = self.told_intent(trade)
            message = f"You cannot cancel this PaymentIntent: it has a status of {trade.status}."
            raise wrong_state(message, payment_intent=told)
        return Reply(body=words.intent(self._ended(trade, call.now_ms)))

    def expire(self, call: Call) -> Reply:
        """Expire a checkout session."""
        trade = self._current(self.of_session(call.number), call.now_ms)
        if trade.status != words.WAITING:
            message = "Only Checkout Sessions with a status in ['open'] can be expired."
            raise Refusal(400, None, message, is_kept=True)
        return Reply(body=self._told_session(self._ended(trade, call.now_ms), call))

    def confirm(self, call: Call) -> Reply:
        """Pay an intent with a card, as Stripe.js does."""
        trade = self.of_intent(call.number)
        _require_secret(call, trade)
        card = _card_of(call.words)
        if trade.status != words.WAITING:
            raise wrong_state("This PaymentIntent's status is final.")
        if card in _DECLINED:
            self.fail(trade, Wish(), call.now_ms)
            told = self.told_intent(self.of_intent(call.number))
            raise Refusal(
                402,
                "card_declined",
                "Your card was declined.",
                kind="card_error",
                is_kept=True,
                more={"decline_code": "generic_decline", "payment_intent": told},
            )
        self.pay(trade, Wish(), call.now_ms)
        return Reply(body=self.told_intent(self.of_intent(call.number)))

    def pay(self, trade: Trade, wish: Wish, now_ms: int) -> str:
        """Take the payer's money; what is paid is told of again under the same id.

        :raises Conflict: canceled, or too late.
        """
        trade, due_at_ms = self._current(trade, now_ms), now_ms + wish.delay_ms
        if wish.forged:
            self._tell_paid(_as_paid(trade, now_ms, wish), due_at_ms, wish)
            return trade.status
        if trade.status == words.SUCCEEDED:
            if not self._events.tell_again(trade, PAID, due_at_ms=due_at_ms, wish=wish):
                self._tell_paid(trade, due_at_ms, wish)
            return trade.status
        if trade.status != words.WAITING:
            raise Conflict("the payment is canceled or its session expired")
        paid = _as_paid(trade, now_ms, wish)
        self._store.save_trade(paid)
        self._tell_paid(paid, due_at_ms, wish)
        return paid.status

    def fail(self, trade: Trade, wish: Wish, now_ms: int) -> str:
        """Decline a card; another one may still pay.

        :raises Conflict: paid or canceled.
        """
        trade = self._current(trade, now_ms)
        if trade.status != words.WAITING:
            raise Conflict("the payment is over")
        failed = words.with_detail(trade, failure="generic_decline")
        self._store.save_trade(failed)
        self._events.tell(
            failed,
            "payment_intent.payment_failed",
            words.intent(failed),
            due_at_ms=now_ms + wish.delay_ms,
            wish=wish,
        )
        return failed.status

    def end(self, trade: Trade, now_ms: int) -> str:
        """Cancel or expire a payment from Stripe's side.

        :raises Conflict: paid.
        """
        if trade.status == words.SUCCEEDED:
            raise Conflict("the payment is paid")
        return self._ended(trade, now_ms).status if trade.status == words.WAITING else trade.status

    def of_intent(self, number: str) -> Trade:
        """Find a payment by its intent."""
        trade = self._store.trade_of_txn(words.NAME, number)
        if trade is None:
            raise missing("payment_intent", number)
        return trade

    def of_session(self, number: str) -> Trade:
        """Find a payment by its session."""
        trade = self._store.trade_of_txn(words.NAME, number.replace("cs_test_", "pi_", 1))
        if trade is None or not words.is_session(trade):
            raise missing("checkout.session", number)
        return trade

    def told_intent(self, trade: Trade, *, whole: bool = False) -> dict[str, Any]:
        """Return a payment intent as it is told now."""
        return words.intent(trade, self.gone_minor(trade), whole=whole)

    def gone_minor(self, trade: Trade) -> int:
        """Return how much went back, or is on its way."""
        parts = self._store.refunds_of(words.NAME, trade.out_trade_no)
        return sum(part.amount_minor for part in parts if part.status not in {"failed", "canceled"})

    def page_of(self, number: str, now_ms: int) -> Trade:
        """Find what a payer's page is about."""
        return self._current(self.of_session(number), now_ms)

    def _told_session(self, trade: Trade, call: Call) -> dict[str, Any]:
        return words.session(trade, call.base_url, whole=call.whole)

    def _made(
        self,
        detail: words.Detail,
        price: tuple[int, str],
        channel: str,
        now_ms: int,
        expires_at_ms: int | None = None,
    ) -> Trade:
        number = detail.metadata.get("attempt_no") or f"pi_{detail.tail}"
        if self._store.trade(words.NAME, number) is not None:
            # Stripe does not read metadata: two payments may carry one number.
            number = f"{number}.{detail.tail}"
        trade = Trade(
            provider=words.NAME,
            out_trade_no=number,
            channel=channel,
            amount_minor=price[0],
            currency=price[1].upper(),
            status=words.WAITING,
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
            provider_txn_id=f"pi_{detail.tail}",
            detail=msgspec.json.encode(detail),
        )
        self._store.add_trade(trade)
        return trade

    def _current(self, trade: Trade, now_ms: int) -> Trade:
        """Expire a session whose time is over: the first who looks finds it so."""
        is_over = trade.expires_at_ms is not None and trade.expires_at_ms <= now_ms
        return self._ended(trade, now_ms) if is_over and trade.status == words.WAITING else trade

    def _ended(self, trade: Trade, now_ms: int) -> Trade:
        ended = words.with_detail(trade, status=words.CANCELED)
        self._store.save_trade(ended)
        if words.is_session(ended):
            told = words.session(ended, "")
            self._events.tell(ended, "checkout.session.expired", told, due_at_ms=now_ms)
        else:
            told = words.intent(ended)
            self._events.tell(ended, "payment_intent.canceled", told, due_at_ms=now_ms)
        return ended

    def _tell_paid(self, paid: Trade, due_at_ms: int, wish: Wish) -> None:
        told = words.intent(paid)
        self._events.tell(paid, PAID, told, due_at_ms=due_at_ms, wish=wish)
        if words.is_session(paid):
            session = words.session(paid, "")
            self._events.tell(paid, COMPLETED, session, due_at_ms=due_at_ms, wish=wish)


def _as_paid(trade: Trade, now_ms: int, wish: Wish) -> Trade:
    taken = wish.wrong_amount or trade.amount_minor
    return words.with_detail(
        trade, status=words.SUCCEEDED, paid_minor=taken, paid_at=now_ms // 1000
    )


def _has_intent(trade: Trade) -> bool:
    return not words.is_session(trade) or trade.status == words.SUCCEEDED


def _end_of(wanted: words.WantedSession, now_ms: int) -> int:
    now = now_ms // 1000
    ends_at = now + _LONGEST_SECONDS if wanted.expires_at is None else wanted.expires_at
    if not now + _SHORTEST_SECONDS <= ends_at <= now + _LONGEST_SECONDS:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
        raise bad_parameter("parameter_invalid_integer", "expires_at", message)
    return ends_at


def _require_secret(call: Call, trade: Trade) -> None:
    if not call.is_public:
        return
    secret = words.intent(trade)["client_secret"]
    if call.words.get("client_secret") != secret:
        raise unauthorized()


def _card_of(said: dict[str, Any]) -> str:
    method = said.get("payment_method")
    if method is None:
        data = said.get("payment_method_data")
        card = data.get("card") if isinstance(data, dict) else None
        method = card.get("number") if isinstance(card, dict) else None
    number = str(method).replace(" ", "")
    if number not in _DECLINED | _GOOD:
        raise missing("payment_method", "it")
    return number
