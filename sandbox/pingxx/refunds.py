"""Refunds at Ping++: made as often as asked for, settled a little later, never above what was paid.

1. There is no idempotency: the same words make another refund.
2. A refund is pending, then succeeded or failed; it ends once. Only a success is told of.
3. The control API knows a refund by the merchant's ``metadata[refund_no]`` where it is the first
   of that number, else by Ping++'s id.

Source: Ping++ API, creating and querying Refunds, the Refund object, read 2026-11.
"""

import time
from typing import Any

import msgspec

from sandbox.alarm import Alarm
from sandbox.pingxx import words
from sandbox.pingxx.charges import Charges
from sandbox.pingxx.events import Events
from sandbox.pingxx.paging import page_of, read_wanted
from sandbox.pingxx.refusal import invalid, not_found
from sandbox.pingxx.words import RefundDetail, WantedRefund
from sandbox.provider import Conflict, RefundOutcome
from sandbox.records import Refund, Trade
from sandbox.settings import SandboxSettings
from sandbox.store import Store

_SETTLE_SECONDS = 3.0
_ENDS: dict[RefundOutcome, tuple[str, str | None]] = {
    "success": (words.SUCCEEDED, None),
    "close": (words.FAILED, "refund_refused"),
    "abnormal": (words.FAILED, "refund_manual_intervention"),
}


class Refunds:
    """The refunds of one app."""

    def __init__(
        self,
        *,
        store: Store,
        settings: SandboxSettings,
        charges: Charges,
        events: Events,
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._settings = settings
        self._charges = charges
        self._events = events
        self._alarm = alarm

    def create(self, charge_id: str, body: bytes, now_ms: int, *, is_held: bool) -> dict[str, Any]:
        """Make a refund; held, it settles only when the control API says so."""
        wanted = msgspec.json.decode(body, type=WantedRefund)
        trade, made = self._charges.existing(charge_id)
        if not words.is_paid_by(trade, made.id):
            raise invalid("the charge is not paid")
        left = self._left_of(trade)
        amount = left if wanted.amount is None else wanted.amount
        if not 0 < amount <= left:
            raise invalid("amount: more than is left")
        settle_at_ms = None if is_held else now_ms + self._settings.scaled_ms(_SETTLE_SECONDS)
        refund = self._new(trade, wanted, amount, now_ms, settle_at_ms)
        self._store.add_refund(refund)
        self._alarm.ring()
        return words.refund_object(refund)

    def show(self, charge_id: str, refund_id: str) -> dict[str, Any]:
        """Tell of one refund."""
        found = [one for one in self._of(charge_id) if one["id"] == refund_id]
        if not found:
            raise not_found("refund")
        return found[0]

    def show_many(self, charge_id: str, query: dict[str, str]) -> dict[str, Any]:
        """Tell of a charge's refunds, newest first."""
        return page_of(self._of(charge_id), read_wanted(query), f"/v1/charges/{charge_id}/refunds")

    def settle(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end, and owe the event of a success.

        :raises Conflict: it has ended otherwise.
        """
        status, failure_code = _ENDS[outcome]
        detail = words.refund_detail(refund)
        if (refund.status, detail.failure_code) == (status, failure_code):
            return status
        if refund.status != words.PENDING:
            raise Conflict(f"a refund cannot go from {refund.status} to {status}")
        ended = _ended(refund, status, failure_code, _now_ms())
        self._store.save_refund(ended)
        self._events.tell_refund(ended, _now_ms())
        return status

    def console(self, trade: Trade, amount_minor: int, made_at_ms: int, *, signed: bool) -> Refund:
        """Refund in the console; with *signed* it is told like one of the merchant's own.

        :raises Conflict: unpaid, or not that much left.
        """
        if trade.status != words.PAID or amount_minor > self._left_of(trade):
            raise Conflict("there is not that much to refund")
        wanted = WantedRefund(description="console")
        made = self._new(trade, wanted, amount_minor, made_at_ms, None)
        refund = _ended(made, words.SUCCEEDED, None, made_at_ms)
        self._store.add_refund(refund)
        if signed:
            self._events.tell_refund(refund, _now_ms())
        return refund

    def _of(self, charge_id: str) -> list[dict[str, Any]]:
        trade, _ = self._charges.existing(charge_id)
        newest_first = self._store.refunds_of(words.NAME, trade.out_trade_no)[::-1]
        found = [words.refund_object(refund) for refund in newest_first]
        return [one for one in found if one["charge"] == charge_id]

    def _left_of(self, trade: Trade) -> int:
        parts = self._store.refunds_of(words.NAME, trade.out_trade_no)
        gone = sum(part.amount_minor for part in parts if part.status != words.FAILED)
        return (words.trade_detail(trade).paid_minor or 0) - gone

    def _new(
        self,
        trade: Trade,
        wanted: WantedRefund,
        amount_minor: int,
        now_ms: int,
        settle_at_ms: int | None,
    ) -> Refund:
        refund_id = words.new_id("re")
        number = wanted.metadata.get("refund_no", refund_id)
        if self._store.refund(words.NAME, number) is not None:
            number = refund_id
        charge_id = words.trade_detail(trade).charges[0].id
        detail = RefundDetail(refund_id=refund_id, charge_id=charge_id, wanted=wanted)
        return Refund(
            provider=words.NAME,
            out_refund_no=number,
            out_trade_no=trade.out_trade_no,
            amount_minor=amount_minor,
            status=words.PENDING,
            created_at_ms=now_ms,
            settle_at_ms=settle_at_ms,
            detail=msgspec.json.encode(detail),
        )


def _ended(refund: Refund, status: str, failure_code: str | None, at_ms: int) -> Refund:
    detail = msgspec.structs.replace(
        words.refund_detail(refund), failure_code=failure_code, ended_at_ms=at_ms
    )
    return msgspec.structs.replace(
        refund, status=status, settle_at_ms=None, detail=msgspec.json.encode(detail)
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
