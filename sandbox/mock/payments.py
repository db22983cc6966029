"""Payments at the mock provider: opened, asked about, closed, and what a payer does to them.

1. A number is used once: the same words bring the same payment, other words are refused.
2. What goes well takes its money at once; its event follows after MOCK_WEBHOOK_DELAY_MS.
3. Only what waits for its payer can be closed; closing again is fine.

How a payment goes, by ``simulate``:

- ``succeeded``, and whatever else is not listed: as it should.
- ``failed``: declined at once, and told so by an event too.
- ``requires_action``: waits for its payer, whom the control API plays.
- ``timeout_after_success``: the money is taken, then nothing is heard for a minute.
- ``duplicate``: three copies of its event at once.
- ``out_of_order``: an event that asks for the payer follows the one that says it is paid.
- ``delayed``: its event comes after ten times the delay.
- ``wrong_amount``: one unit too much is taken, and told.
"""

import msgspec

from sandbox.alarm import Alarm
from sandbox.mock import words
from sandbox.mock.events import PAID, Events
from sandbox.mock.refusal import Refusal, not_found, number_used
from sandbox.mock.words import PaymentDetail, WantedPayment
from sandbox.provider import Conflict
from sandbox.records import Trade, Wish
from sandbox.settings import SandboxSettings
from sandbox.store import Store

_COPIES = 3
_DELAYS = 10


class Payments:
    """The payments of one merchant."""

    def __init__(
        self,
        *,
        store: Store,
        settings: SandboxSettings,
        delay_ms: int,
        events: Events,
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._delay_ms = settings.scaled_ms(delay_ms / 1000)
        self._events = events
        self._alarm = alarm

    def open(self, wanted: WantedPayment, now_ms: int) -> tuple[Trade, bool]:
        """Open a payment, or find it; the flag says that its answer is to be lost."""
        known = self._store.trade(words.NAME, wanted.attempt_no)
        if known is not None:
            return _again(known, wanted), False
        if wanted.expires_at.timestamp() * 1000 <= now_ms:
            raise Refusal(400, "INVALID_REQUEST", "its time is over")
        trade = _new_trade(wanted, now_ms)
        self._store.add_trade(trade)
        self._tell(trade, wanted.simulate, now_ms + self._delay_ms)
        return _unless_declined(trade), wanted.simulate == "timeout_after_success"

    def existing(self, number: str) -> Trade:
        """Find a payment by the merchant's number."""
        trade = self._store.trade(words.NAME, number)
        if trade is None:
            raise not_found()
        return trade

    def close(self, number: str) -> Trade:
        """Close what waits for its payer."""
        trade = self.existing(number)
        if trade.status == words.SUCCEEDED:
            raise Refusal(409, "ALREADY_PAID", "the money has been taken")
        return self._closed(trade) if trade.status == words.REQUIRES_ACTION else trade

    def pay(self, trade: Trade, wish: Wish, now_ms: int) -> str:
        """Be the payer.

        :raises Conflict: failed, closed, or too late.
        """
        due_at_ms = now_ms + wish.delay_ms
        if wish.forged:
            self._events.tell_payment(trade, PAID, due_at_ms, wish)
            return trade.status
        if trade.status == words.SUCCEEDED:
            self._events.tell_again(trade, due_at_ms, wish)
            return trade.status
        self._require_waiting(trade, now_ms)
        paid = words.as_paid(trade, now_ms, wish.wrong_amount or trade.amount_minor)
        self._store.save_trade(paid)
        self._events.tell_payment(paid, PAID, due_at_ms, wish)
        return paid.status

    def fail(self, trade: Trade, wish: Wish, now_ms: int) -> str:
        """Be a payer whose bank says no.

        :raises Conflict: paid or closed.
        """
        if trade.status == words.FAILED:
            return trade.status
        self._require_waiting(trade, now_ms)
        failed = msgspec.structs.replace(trade, status=words.FAILED)
        self._store.save_trade(failed)
        self._events.tell_payment(failed, "payment.failed", now_ms + wish.delay_ms, wish)
        return failed.status

    def close_for_good(self, trade: Trade) -> str:
        """Close a payment from the provider's side; nobody is told.

        :raises Conflict: paid.
        """
        if trade.status == words.SUCCEEDED:
            raise Conflict("the payment is paid")
        return self._closed(trade).status

    def _closed(self, trade: Trade) -> Trade:
        closed = msgspec.structs.replace(trade, status=words.CLOSED)
        self._store.save_trade(closed)
        return closed

    def _require_waiting(self, trade: Trade, now_ms: int) -> None:
        if trade.status != words.REQUIRES_ACTION or words.is_expired(trade, now_ms):
            raise Conflict("the payment is over or its time is")

    def _tell(self, trade: Trade, simulate: str, due_at_ms: int) -> None:
        copies = _COPIES if simulate == "duplicate" else 1
        if simulate == "delayed":
            due_at_ms += (_DELAYS - 1) * self._delay_ms
        wish = Wish(duplicate=copies)
        self._events.tell_payment(trade, f"payment.{trade.status}", due_at_ms, wish)
        if simulate == "out_of_order":
            later_ms = due_at_ms + max(self._delay_ms, 1)
            self._events.tell_payment(trade, "payment.requires_action", later_ms)
        self._alarm.ring()


def _again(known: Trade, wanted: WantedPayment) -> Trade:
    if words.payment_detail(known).wanted != wanted:
        raise number_used()
    if known.status == words.CLOSED:
        raise Refusal(409, "PAYMENT_CLOSED", "the payment is closed")
    return _unless_declined(known)


def _unless_declined(trade: Trade) -> Trade:
    if trade.status == words.FAILED:
        raise Refusal(402, "MOCK_DECLINED", "the payment was declined")
    return trade


def _new_trade(wanted: WantedPayment, now_ms: int) -> Trade:
    waits = {words.REQUIRES_ACTION: words.REQUIRES_ACTION, words.FAILED: words.FAILED}
    detail = PaymentDetail(payment_id=words.new_id("pi"), wanted=wanted)
    trade = Trade(
        provider=words.NAME,
        out_trade_no=wanted.attempt_no,
        channel=words.CHANNEL,
        amount_minor=wanted.amount,
        currency=wanted.currency,
        status=waits.get(wanted.simulate, words.SUCCEEDED),
        created_at_ms=now_ms,
        expires_at_ms=round(wanted.expires_at.timestamp() * 1000),
        provider_txn_id=words.new_id("txn"),
        detail=msgspec.json.encode(detail),
    )
    if trade.status != words.SUCCEEDED:
        return trade
    too_much = 1 if wanted.simulate == "wrong_amount" else 0
    return words.as_paid(trade, now_ms, wanted.amount + too_much)
