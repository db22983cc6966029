"""Alipay's own half of a trade and of a refund, and how both read on the wire.

``NOT_SCANNED`` is a word of ours: a code was made, but Alipay knows no trade before it is scanned.

Source: Alipay Open Platform, trade query, refund query and the notice of a trade, read 2026-11.
"""

import secrets
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from sandbox.records import Refund, Trade

NAME: Final = "alipay"
QR, WAP, PAGE = "alipay_qr", "alipay_wap", "alipay_pc_direct"
NOT_SCANNED: Final = "NOT_SCANNED"
WAITING, PAID, CLOSED = "WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_CLOSED"
PROCESSING, SUCCESS, FAIL = "REFUND_PROCESSING", "REFUND_SUCCESS", "REFUND_FAIL"
CHINA: Final = timezone(timedelta(hours=8))


class TradeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What Alipay alone knows of a trade; *token* leads its payer to it."""

    subject: str
    digest: str
    token: str
    notify_url: str | None
    return_url: str | None = None
    quit_url: str | None = None
    paid_minor: int | None = None
    paid_at_ms: int | None = None
    closed_at_ms: int | None = None


class RefundDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What Alipay alone knows of a refund."""

    reason: str | None = None
    ended_at_ms: int | None = None


def trade_detail(trade: Trade) -> TradeDetail:
    """Read the provider's half of a trade."""
    return msgspec.json.decode(trade.detail, type=TradeDetail)


def refund_detail(refund: Refund) -> RefundDetail:
    """Read the provider's half of a refund."""
    return msgspec.json.decode(refund.detail, type=RefundDetail)


def changed(trade: Trade, status: str, **details: Any) -> Trade:  # noqa: ANN401 - any field
    """Return a trade in another state."""
    detail = msgspec.structs.replace(trade_detail(trade), **details)
    return msgspec.structs.replace(trade, status=status, detail=msgspec.json.encode(detail))


def as_waiting(trade: Trade, now_ms: int) -> Trade:
    """Return a trade as it is once its payer has arrived."""
    if trade.status != NOT_SCANNED:
        return trade
    return msgspec.structs.replace(trade, status=WAITING, provider_txn_id=new_trade_no(now_ms))


def was_paid(trade: Trade) -> bool:
    """Tell whether money was taken, whatever went back."""
    return trade_detail(trade).paid_at_ms is not None


def is_expired(trade: Trade, now_ms: int) -> bool:
    """Tell whether the payer is too late."""
    return trade.expires_at_ms is not None and trade.expires_at_ms <= now_ms


def total_minor(trade: Trade) -> int:
    """Return what was charged."""
    return trade_detail(trade).paid_minor or trade.amount_minor


def trade_answer(trade: Trade) -> dict[str, Any]:
    """Return the answer to a query; a brace in a string has fooled readers before."""
    detail = trade_detail(trade)
    paid = yuan(total_minor(trade)) if detail.paid_at_ms is not None else "0.00"
    body = {
        "buyer_logon_id": "138****0000",
        "buyer_pay_amount": paid,
        "buyer_user_id": "2088102122524333",
        "ext_infos": '{"hall":"A} \\"{"}',
        "invoice_amount": paid,
        "out_trade_no": trade.out_trade_no,
        "point_amount": "0.00",
        "receipt_amount": paid,
        "total_amount": yuan(total_minor(trade)),
        "trade_no": trade.provider_txn_id,
        "trade_status": trade.status,
    }
    if detail.paid_at_ms is not None:
        body["send_pay_date"] = china_time(detail.paid_at_ms)
    return body


def trade_notice(trade: Trade, *, app_id: str, seller_id: str) -> dict[str, str]:
    """Return the fields of a notice but for its id, its time and its signature."""
    detail = trade_detail(trade)
    fields = {
        "app_id": app_id,
        "auth_app_id": app_id,
        "buyer_id": "2088102122524333",
        "buyer_logon_id": "138****0000",
        "charset": "utf-8",
        "gmt_create": china_time(trade.created_at_ms),
        "notify_type": "trade_status_sync",
        "out_trade_no": trade.out_trade_no,
        "seller_email": "seller@guichet.test",
        "seller_id": seller_id,
        "subject": detail.subject,
        "total_amount": yuan(total_minor(trade)),
        "trade_no": trade.provider_txn_id or "",
        "trade_status": trade.status,
        "version": "1.0",
    }
    if detail.paid_at_ms is not None:
        fields |= _paid_fields(total_minor(trade), detail.paid_at_ms)
    if detail.closed_at_ms is not None:
        fields["gmt_close"] = china_time(detail.closed_at_ms)
    return fields


def refund_query_answer(refund: Refund, trade: Trade) -> dict[str, Any]:
    """Return the answer about a refund that was asked for."""
    return {
        "out_request_no": refund.out_refund_no,
        "out_trade_no": refund.out_trade_no,
        "refund_amount": yuan(refund.amount_minor),
        "refund_status": refund.status,
        "total_amount": yuan(total_minor(trade)),
        "trade_no": trade.provider_txn_id,
    }


def new_trade_no(now_ms: int) -> str:
    """Make a number like Alipay's: the day in China and twenty digits."""
    return f"{china_time(now_ms)[:10].replace('-', '')}{_digits(20)}"


def new_notify_id(now_ms: int) -> str:
    """Make the id of a notice: the day in China and more digits."""
    return f"{china_time(now_ms)[:10].replace('-', '')}{_digits(26)}"


def yuan(minor: int) -> str:
    """Write fen as yuan."""
    return f"{minor // 100}.{minor % 100:02d}"


def china_time(at_ms: int) -> str:
    """Write an instant as a clock in China shows it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _paid_fields(paid_minor: int, paid_at_ms: int) -> dict[str, str]:
    amount = yuan(paid_minor)
    return {
        "buyer_pay_amount": amount,
        "fund_bill_list": f'[{{"amount":"{amount}","fundChannel":"ALIPAYACCOUNT"}}]',
        "gmt_payment": china_time(paid_at_ms),
        "invoice_amount": amount,
        "point_amount": "0.00",
        "receipt_amount": amount,
    }


def _digits(count: int) -> str:
    return f"{secrets.randbelow(10**count):0{count}d}"
