"""Refunds at the mock provider: accepted, settled a little later, never above what was paid."""

import secrets
import time

import msgspec

from sandbox.alarm import Alarm
from sandbox.mock import words
from sandbox.mock.events import Events
from sandbox.mock.refusal import Refusal, not_found, number_used
from sandbox.mock.words import RefundDetail, WantedRefund
from sandbox.provider import Conflict, RefundOutcome
from sandbox.records import Refund, Trade
from sandbox.settings import SandboxSettings
from sandbox.store import Store

_STATUS: dict[RefundOutcome, str] = {
    "success": words.SUCCEEDED,
    "close": words.FAILED,
    "abnormal": words.STUCK,
}
_MAY_FOLLOW = {
    words.PROCESSING: frozenset({words.SUCCEEDED, words.FAILED, words.STUCK}),
    words.STUCK: frozenset({words.SUCCEEDED, words.FAILED}),
    words.SUCCEEDED: frozenset[str](),
    words.FAILED: frozenset[str](),
}


class Refunds:
    """The refunds of one merchant."""

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

    def apply(self, wanted: WantedRefund, now_ms: int, *, is_held: bool) -> Refund:
        """Accept a refund, or find it; held, it settles only when the control API says so."""
        known = self._store.refund(words.NAME, wanted.refund_no)
        if known is not None:
            if words.refund_detail(known).wanted != wanted:
                raise number_used()
            return known
        trade = self._paid_trade(wanted)
        if wanted.amount > self._left_of(trade):
            raise Refusal(409, "EXCEEDS_PAID", "more would go back than is left")
        refund = _new_refund(wanted, now_ms, None if is_held else now_ms + self._delay_ms)
        self._store.add_refund(refund)
        self._alarm.ring()
        return refund

    def existing(self, number: str) -> Refund:
        """Find a refund by the merchant's number."""
        refund = self._store.refund(words.NAME, number)
        if refund is None:
            raise not_found()
        return refund

    def settle(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end and owe the event of it.

        :raises Conflict: that end cannot follow.
        """
        status = _STATUS[outcome]
        if status == refund.status:
            return status
        if status not in _MAY_FOLLOW[refund.status]:
            raise Conflict(f"a refund cannot go from {refund.status} to {status}")
        ended = msgspec.structs.replace(refund, status=status, settle_at_ms=None)
        self._store.save_refund(ended)
        self._events.tell_refund(ended, self._trade(ended), _now_ms())
        return status

    def console(self, trade: Trade, amount_minor: int, now_ms: int, *, signed: bool) -> Refund:
        """Refund past the merchant's service; with *signed* it is told like one of its own.

        :raises Conflict: unpaid, or not that much left.
        """
        if amount_minor > self._left_of(trade):
            raise Conflict("there is not that much to refund")
        detail = words.payment_detail(trade)
        wanted = WantedRefund(
            refund_no=f"console{secrets.token_hex(12)}",
            attempt_no=trade.out_trade_no,
            amount=amount_minor,
            currency=trade.currency,
            reason="console",
            notify_url=detail.wanted.notify_url,
        )
        made = _new_refund(wanted, now_ms, None)
        refund = msgspec.structs.replace(made, status=words.SUCCEEDED)
        self._store.add_refund(refund)
        if signed:
            self._events.tell_refund(refund, trade, _now_ms())
        return refund

    def _paid_trade(self, wanted: WantedRefund) -> Trade:
        trade = self._store.trade(words.NAME, wanted.attempt_no)
        if trade is None:
            raise not_found()
        if trade.status != words.SUCCEEDED or wanted.currency != trade.currency:
            raise Refusal(409, "NOT_PAID", "no such money was taken")
        return trade

    def _trade(self, refund: Refund) -> Trade:
        trade = self._store.trade(words.NAME, refund.out_trade_no)
        assert trade is not None, "a refund has a payment"
        return trade

    def _left_of(self, trade: Trade) -> int:
        parts = self._store.refunds_of(words.NAME, trade.out_trade_no)
        gone = sum(part.amount_minor for part in parts if part.status != words.FAILED)
        return words.paid_minor(trade) - gone


def _new_refund(wanted: WantedRefund, now_ms: int, settle_at_ms: int | None) -> Refund:
    detail = RefundDetail(refund_id=words.new_id("rf"), wanted=wanted)
    return Refund(
        provider=words.NAME,
        out_refund_no=wanted.refund_no,
        out_trade_no=wanted.attempt_no,
        amount_minor=wanted.amount,
        status=words.PROCESSING,
        created_at_ms=now_ms,
        settle_at_ms=settle_at_ms,
        detail=msgspec.json.encode(detail),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
