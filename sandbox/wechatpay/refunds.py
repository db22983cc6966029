"""Refunds at WeChat Pay: accepted, settled a little later, never above what was paid.

Rules:

1. Accepted is PROCESSING. The end is SUCCESS, CLOSED or ABNORMAL; ABNORMAL can still succeed,
   the other two are final.
2. Refunds that are not CLOSED together stay within what was paid, in at most 50 parts.
3. A trade with such a refund, however small, is in state REFUND.

Source: WeChat Pay v3, refund application, query and notice, read 2026-11.
"""

import secrets
import time

import msgspec

from sandbox.alarm import Alarm
from sandbox.provider import Conflict, RefundOutcome
from sandbox.records import Refund, Trade
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.wechatpay import wire
from sandbox.wechatpay.call import Call, Reply
from sandbox.wechatpay.notices import Notices
from sandbox.wechatpay.parameters import RefundRequest, read_refund
from sandbox.wechatpay.refusal import Refusal, bad_parameter, unlawful

# Small change goes back within seconds; cards take days, which no test wants to wait for.
_SETTLE_SECONDS = 3.0
_PARTS_MAX = 50
_DAY_MS = 86_400_000
_STATUS: dict[RefundOutcome, str] = {
    "success": wire.SUCCESS,
    "close": wire.CLOSED,
    "abnormal": wire.ABNORMAL,
}
_MAY_FOLLOW = {
    wire.PROCESSING: frozenset({wire.SUCCESS, wire.CLOSED, wire.ABNORMAL}),
    wire.ABNORMAL: frozenset({wire.SUCCESS}),
    wire.SUCCESS: frozenset[str](),
    wire.CLOSED: frozenset[str](),
}


class Refunds:
    """The refund calls of one merchant, and the ends of refunds."""

    def __init__(
        self, *, store: Store, settings: SandboxSettings, notices: Notices, alarm: Alarm
    ) -> None:
        self._store = store
        self._settings = settings
        self._notices = notices
        self._alarm = alarm

    def apply(self, call: Call) -> Reply:
        """Accept a refund; the same out_refund_no brings the same refund."""
        wanted = read_refund(call.payload)
        trade = self._paid_trade(wanted)
        known = self._store.refund(wire.NAME, wanted.out_refund_no)
        if known is not None:
            return Reply(body=wire.refund_answer(_same(known, wanted, trade), trade))
        if wanted.total != wire.paid_minor(trade):
            raise bad_parameter("/amount/total", "not the total of the order", wanted.total)
        self._check_room(trade, wanted.refund)
        settle_at_ms = call.now_ms + self._settings.scaled_ms(_SETTLE_SECONDS)
        refund = _new_refund(
            wanted,
            trade,
            now_ms=call.now_ms,
            settle_at_ms=None if call.told_to("hold") else settle_at_ms,
        )
        self._accept(refund, trade)
        return Reply(body=wire.refund_answer(refund, trade))

    def query(self, call: Call) -> Reply:
        """Tell the state of a refund by the merchant's number."""
        refund = self._store.refund(wire.NAME, call.number)
        if refund is None:
            raise _not_found("退款单不存在")
        return Reply(body=wire.refund_answer(refund, self._trade(refund)))

    def settle(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end and owe the notice of it.

        :raises Conflict: that end cannot follow.
        """
        status = _STATUS[outcome]
        if status == refund.status:
            return status
        if status not in _MAY_FOLLOW[refund.status]:
            raise Conflict(f"a refund cannot go from {refund.status} to {status}")
        ended = _ended(refund, status, at_ms=time.time_ns() // 1_000_000)
        self._store.save_refund(ended)
        trade = self._back_to_success_without_refunds(self._trade(refund))
        self._tell(ended, trade)
        return status

    def console(
        self, trade: Trade, amount_minor: int, *, signed: bool, days_ago: int = 0
    ) -> Refund:
        """Refund past the merchant's service: no number of theirs, a notice in old XML.

        With *signed* another service of the same merchant asked for it: the notice is as usual.
        With *days_ago* it was made then; only its notice is new.

        :raises Conflict: unpaid, or not that much left.
        """
        if trade.status not in {wire.SUCCESS, wire.REFUND}:
            raise Conflict(f"a trade in state {trade.status} cannot be refunded")
        try:
            self._check_room(trade, amount_minor)
        except Refusal as refusal:
            raise Conflict(refusal.message) from refusal
        now_ms = time.time_ns() // 1_000_000
        wanted = RefundRequest(
            out_trade_no=trade.out_trade_no,
            transaction_id=None,
            out_refund_no=f"console{secrets.token_hex(12)}",
            refund=amount_minor,
            total=wire.paid_minor(trade),
            reason=None,
            notify_url=wire.trade_detail(trade).notify_url if signed else None,
        )
        made_at_ms = now_ms - days_ago * _DAY_MS
        refund = _new_refund(wanted, trade, now_ms=made_at_ms, settle_at_ms=None)
        refund = _ended(refund, wire.SUCCESS, at_ms=made_at_ms)
        self._accept(refund, trade)
        if signed:
            self._tell(refund, trade)
        else:
            self._store.add_notice(self._notices.of_console_refund(trade, due_at_ms=now_ms))
        return refund

    def _paid_trade(self, wanted: RefundRequest) -> Trade:
        if wanted.out_trade_no is not None:
            trade = self._store.trade(wire.NAME, wanted.out_trade_no)
        else:
            trade = self._store.trade_of_txn(wire.NAME, wanted.transaction_id or "")
        if trade is None or trade.status not in {wire.SUCCESS, wire.REFUND}:
            raise _not_found("订单不存在或未支付")
        return trade

    def _trade(self, refund: Refund) -> Trade:
        trade = self._store.trade(wire.NAME, refund.out_trade_no)
        assert trade is not None, "a refund has a trade"
        return trade

    def _check_room(self, trade: Trade, amount_minor: int) -> None:
        parts = self._live_refunds(trade)
        if sum(part.amount_minor for part in parts) + amount_minor > wire.paid_minor(trade):
            raise unlawful("申请退款金额超过订单可退金额")
        if len(parts) >= _PARTS_MAX:
            raise unlawful("部分退款次数超限")

    def _live_refunds(self, trade: Trade) -> list[Refund]:
        refunds = self._store.refunds_of(wire.NAME, trade.out_trade_no)
        return [refund for refund in refunds if refund.status != wire.CLOSED]

    def _accept(self, refund: Refund, trade: Trade) -> None:
        self._store.add_refund(refund)
        self._store.save_trade(msgspec.structs.replace(trade, status=wire.REFUND))
        self._alarm.ring()

    def _back_to_success_without_refunds(self, trade: Trade) -> Trade:
        if self._live_refunds(trade):
            return trade
        trade = msgspec.structs.replace(trade, status=wire.SUCCESS)
        self._store.save_trade(trade)
        return trade

    def _tell(self, refund: Refund, trade: Trade) -> None:
        url = wire.refund_detail(refund).notify_url
        if url is not None:
            now_ms = time.time_ns() // 1_000_000
            self._store.add_notice(
                self._notices.of_refund(refund, trade, url=url, due_at_ms=now_ms)
            )


def _same(known: Refund, wanted: RefundRequest, trade: Trade) -> Refund:
    if known.out_trade_no != trade.out_trade_no:
        raise unlawful("商户退款单号已用于其他订单")
    total = wire.refund_detail(known).total_minor
    if (known.amount_minor, total) != (wanted.refund, wanted.total):
        raise Refusal(400, "REFUND_FEE_MISMATCH", "订单金额或退款金额与之前请求不一致")
    return known


def _new_refund(
    wanted: RefundRequest, trade: Trade, *, now_ms: int, settle_at_ms: int | None
) -> Refund:
    detail = wire.RefundDetail(
        refund_id=wire.new_refund_id(now_ms),
        total_minor=wanted.total,
        reason=wanted.reason,
        notify_url=wanted.notify_url,
    )
    return Refund(
        provider=wire.NAME,
        out_refund_no=wanted.out_refund_no,
        out_trade_no=trade.out_trade_no,
        amount_minor=wanted.refund,
        status=wire.PROCESSING,
        created_at_ms=now_ms,
        settle_at_ms=settle_at_ms,
        detail=msgspec.json.encode(detail),
    )


def _ended(refund: Refund, status: str, *, at_ms: int) -> Refund:
    detail = wire.refund_detail(refund)
    if status == wire.SUCCESS:
        detail = msgspec.structs.replace(detail, success_at_ms=at_ms)
    return msgspec.structs.replace(
        refund, status=status, settle_at_ms=None, detail=msgspec.json.encode(detail)
    )


def _not_found(message: str) -> Refusal:
    return Refusal(404, "RESOURCE_NOT_EXISTS", message)
