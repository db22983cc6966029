"""Refunds at Alipay: mostly done at once, under a number that moves money once.

1. ``fund_change`` is Y only in the answer to the call that moved the money.
2. A refund that failed may be asked for again under its number.
3. When all of it has gone back a trade is closed, though it was paid.

Source: Alipay Open Platform, trade refund and refund query, read 2026-11.
"""

import secrets
import time
from typing import Any

import msgspec

from sandbox.alarm import Alarm
from sandbox.alipay import words
from sandbox.alipay.notices import Notices
from sandbox.alipay.parameters import WantedRefund, minor_of
from sandbox.alipay.refusal import business
from sandbox.alipay.words import RefundDetail
from sandbox.provider import Conflict, RefundOutcome
from sandbox.records import Refund, Trade
from sandbox.store import Store

_STATUS: dict[RefundOutcome, str] = {"success": words.SUCCESS, "close": words.FAIL}


class Refunds:
    """The refunds of one merchant."""

    def __init__(self, *, store: Store, notices: Notices, alarm: Alarm) -> None:
        self._store = store
        self._notices = notices
        self._alarm = alarm

    def apply(
        self, wanted: WantedRefund, trade: Trade, now_ms: int, *, is_held: bool
    ) -> dict[str, Any]:
        """Give money back, or say that it was given before; held, only the control API does."""
        amount_minor = minor_of(wanted.refund_amount)
        known = self._store.refund(words.NAME, wanted.out_request_no)
        if known is not None and known.status != words.FAIL:
            _require_same(known, trade, amount_minor)
            return self._answer(trade, is_moved=False)
        _require_paid(trade)
        if amount_minor > self._left_of(trade):
            raise business("REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
        refund = _new_refund(wanted.out_request_no, trade, amount_minor, now_ms)
        if known is None:
            self._store.add_refund(refund)
        else:
            self._store.save_refund(refund)
        if not is_held:
            trade = self._ended(refund, words.SUCCESS)
        return self._answer(trade, is_moved=not is_held)

    def query(self, out_request_no: str, trade: Trade) -> dict[str, Any]:
        """Tell what became of a refund; of one nobody asked for, nothing but the call's success."""
        refund = self._store.refund(words.NAME, out_request_no)
        if refund is None or refund.out_trade_no != trade.out_trade_no:
            return {}
        return words.refund_query_answer(refund, trade)

    def settle(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a held refund to its end, and tell a success.

        :raises Conflict: that end cannot follow, or Alipay has none like it.
        """
        status = _STATUS.get(outcome)
        if status is None:
            raise Conflict("a refund at Alipay succeeds or fails")
        if status != refund.status:
            if refund.status != words.PROCESSING:
                raise Conflict(f"a refund cannot go from {refund.status} to {status}")
            self._ended(refund, status)
        return status

    def console(self, trade: Trade, amount_minor: int, now_ms: int, *, signed: bool) -> Refund:
        """Refund past the merchant's service; with *signed* it is told like one of its own.

        :raises Conflict: unpaid, or not that much left.
        """
        if amount_minor > self._left_of(trade):
            raise Conflict("there is not that much to refund")
        number = f"console{secrets.token_hex(12)}"
        refund = _new_refund(number, trade, amount_minor, now_ms)
        self._store.add_refund(refund)
        self._ended(refund, words.SUCCESS, is_told=signed)
        return msgspec.structs.replace(refund, status=words.SUCCESS)

    def _ended(self, refund: Refund, status: str, *, is_told: bool = True) -> Trade:
        now_ms = time.time_ns() // 1_000_000
        detail = msgspec.structs.replace(words.refund_detail(refund), ended_at_ms=now_ms)
        ended = msgspec.structs.replace(
            refund, status=status, settle_at_ms=None, detail=msgspec.json.encode(detail)
        )
        self._store.save_refund(ended)
        trade = self._trade(refund)
        gone_minor = self._gone_of(trade, settled_only=True)
        if gone_minor == words.total_minor(trade):
            trade = words.changed(trade, words.CLOSED, closed_at_ms=now_ms)
            self._store.save_trade(trade)
        if status == words.SUCCESS and is_told:
            self._notices.tell_refund(ended, trade, gone_minor, now_ms)
        self._alarm.ring()
        return trade

    def _answer(self, trade: Trade, *, is_moved: bool) -> dict[str, Any]:
        return {
            "buyer_logon_id": "138****0000",
            "buyer_user_id": "2088102122524333",
            "fund_change": "Y" if is_moved else "N",
            "out_trade_no": trade.out_trade_no,
            "refund_fee": words.yuan(self._gone_of(trade, settled_only=True)),
            "trade_no": trade.provider_txn_id,
        }

    def _trade(self, refund: Refund) -> Trade:
        trade = self._store.trade(words.NAME, refund.out_trade_no)
        assert trade is not None, "a refund has a trade"
        return trade

    def _left_of(self, trade: Trade) -> int:
        if not words.was_paid(trade):
            return 0
        return words.total_minor(trade) - self._gone_of(trade, settled_only=False)

    def _gone_of(self, trade: Trade, *, settled_only: bool) -> int:
        counted = {words.SUCCESS} if settled_only else {words.SUCCESS, words.PROCESSING}
        parts = self._store.refunds_of(words.NAME, trade.out_trade_no)
        return sum(part.amount_minor for part in parts if part.status in counted)


def _require_same(known: Refund, trade: Trade, amount_minor: int) -> None:
    if (known.out_trade_no, known.amount_minor) != (trade.out_trade_no, amount_minor):
        raise business("DISCORDANT_REPEAT_REQUEST", "请求信息不一致")


def _require_paid(trade: Trade) -> None:
    if trade.status != words.PAID:
        raise business("TRADE_STATUS_ERROR", "交易状态不合法")


def _new_refund(number: str, trade: Trade, amount_minor: int, now_ms: int) -> Refund:
    return Refund(
        provider=words.NAME,
        out_refund_no=number,
        out_trade_no=trade.out_trade_no,
        amount_minor=amount_minor,
        status=words.PROCESSING,
        created_at_ms=now_ms,
        settle_at_ms=None,
        detail=msgspec.json.encode(RefundDetail()),
    )
