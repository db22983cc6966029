"""WeChat Pay's own half of a trade and of a refund, and how both read on the wire.

Source: WeChat Pay v3, query of an order, query of a refund, and the two notices, read 2026-11.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from sandbox.records import Refund, Trade

NAME = "wechat"
NATIVE, JSAPI = "WECHAT_NATIVE", "WECHAT_JSAPI"
NOTPAY, SUCCESS, CLOSED, REFUND = "NOTPAY", "SUCCESS", "CLOSED", "REFUND"
PROCESSING, ABNORMAL = "PROCESSING", "ABNORMAL"
CHINA = timezone(timedelta(hours=8))
_TRADE_TYPES = {NATIVE: "NATIVE", JSAPI: "JSAPI"}
_DESCRIPTIONS = {
    NOTPAY: "订单未支付",
    SUCCESS: "支付成功",
    CLOSED: "订单已关闭",
    REFUND: "转入退款",
}


class TradeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What WeChat Pay alone knows of a trade. ``handle`` is the code_url or the prepay_id."""

    appid: str
    mchid: str
    description: str
    notify_url: str
    attach: str | None
    digest: str
    handle: str
    openid: str | None
    paid_minor: int | None = None
    success_at_ms: int | None = None


class RefundDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What WeChat Pay alone knows of a refund."""

    refund_id: str
    total_minor: int
    reason: str | None
    notify_url: str | None
    success_at_ms: int | None = None


def trade_detail(trade: Trade) -> TradeDetail:
    """Read the provider's half of a trade."""
    return msgspec.json.decode(trade.detail, type=TradeDetail)


def refund_detail(refund: Refund) -> RefundDetail:
    """Read the provider's half of a refund."""
    return msgspec.json.decode(refund.detail, type=RefundDetail)


def paid_minor(trade: Trade) -> int:
    """Return what the buyer really paid, in fen."""
    paid = trade_detail(trade).paid_minor
    return trade.amount_minor if paid is None else paid


def as_paid(trade: Trade, *, now_ms: int, total_minor: int | None = None) -> Trade:
    """Return the trade as it is once the buyer paid it."""
    old = trade_detail(trade)
    detail = msgspec.structs.replace(
        old,
        openid=old.openid or _openid(trade.out_trade_no),
        paid_minor=total_minor or trade.amount_minor,
        success_at_ms=now_ms,
    )
    return msgspec.structs.replace(
        trade,
        status=SUCCESS,
        provider_txn_id=new_transaction_id(now_ms),
        detail=msgspec.json.encode(detail),
    )


def is_expired(trade: Trade, now_ms: int) -> bool:
    """Tell whether the buyer is too late; the trade state does not change by this."""
    return trade.expires_at_ms is not None and trade.expires_at_ms <= now_ms


def transaction(trade: Trade) -> dict[str, Any]:
    """Return the body of a query, which is the plaintext of a payment notice too."""
    detail = trade_detail(trade)
    amount: dict[str, Any] = {"total": paid_minor(trade), "currency": trade.currency}
    body: dict[str, Any] = {
        "appid": detail.appid,
        "mchid": detail.mchid,
        "out_trade_no": trade.out_trade_no,
        "trade_state": trade.status,
        "trade_state_desc": _DESCRIPTIONS[trade.status],
        "attach": detail.attach or "",
        "amount": amount,
        "promotion_detail": [],
        "payer": {},
    }
    if detail.success_at_ms is not None:
        amount |= {"payer_total": paid_minor(trade), "payer_currency": trade.currency}
        body |= {
            "transaction_id": trade.provider_txn_id,
            "trade_type": trade_type(trade),
            "bank_type": "OTHERS",
            "success_time": china_time(detail.success_at_ms),
            "payer": {"openid": detail.openid},
        }
    return body


def refund_answer(refund: Refund, trade: Trade) -> dict[str, Any]:
    """Return the body of a refund application and of its query."""
    detail = refund_detail(refund)
    body = _refund_common(refund, trade, detail) | {
        "channel": "ORIGINAL",
        "create_time": china_time(refund.created_at_ms),
        "status": refund.status,
        "funds_account": "AVAILABLE",
        "promotion_detail": [],
    }
    body["amount"] |= {
        "settlement_total": detail.total_minor,
        "settlement_refund": refund.amount_minor,
        "discount_refund": 0,
        "currency": trade.currency,
    }
    return body


def refund_notice(refund: Refund, trade: Trade) -> dict[str, Any]:
    """Return the plaintext of a refund notice: ``refund_status``, and no appid."""
    body = _refund_common(refund, trade, refund_detail(refund))
    return body | {"mchid": trade_detail(trade).mchid, "refund_status": refund.status}


def trade_type(trade: Trade) -> str:
    """Name how a trade is paid."""
    return _TRADE_TYPES[trade.channel]


def china_time(at_ms: int) -> str:
    """Write an instant as WeChat Pay does."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(CHINA).isoformat()


def new_transaction_id(now_ms: int) -> str:
    """Make 28 digits: a prefix, the day in China, a random tail."""
    return f"420000{_day(now_ms)}{secrets.randbelow(10**14):014d}"


def new_refund_id(now_ms: int) -> str:
    """Make 29 digits: a prefix, the day in China, a random tail."""
    return f"503000{_day(now_ms)}{secrets.randbelow(10**15):015d}"


def _day(now_ms: int) -> str:
    return china_time(now_ms)[:10].replace("-", "")


def _openid(out_trade_no: str) -> str:
    return "o" + hashlib.sha256(out_trade_no.encode()).hexdigest()[:27]


def _refund_common(refund: Refund, trade: Trade, detail: RefundDetail) -> dict[str, Any]:
    body: dict[str, Any] = {
        "refund_id": detail.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": trade.provider_txn_id,
        "out_trade_no": trade.out_trade_no,
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": detail.total_minor,
            "refund": refund.amount_minor,
            "payer_total": detail.total_minor,
            "payer_refund": refund.amount_minor,
        },
    }
    if detail.success_at_ms is not None:
        body["success_time"] = china_time(detail.success_at_ms)
    return body
