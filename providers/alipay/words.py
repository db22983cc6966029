"""What Alipay writes, as far as we read it: money in yuan, time as a clock in China shows it.

Fields we do not use are ignored: Alipay may add some at any time. What we use is bounded here, so
that nothing it says can break a row.

Source: Alipay Open Platform, trade precreate, query, close, refund and refund query, read 2026-11.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Final

import msgspec

PROVIDER: Final = "alipay"
CURRENCY: Final = "CNY"
WAITING: Final = "WAIT_BUYER_PAY"
CLOSED: Final = "TRADE_CLOSED"
# FINISHED is paid too: its money is the merchant's, and too old to be given back.
PAID_STATES: Final = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
CHINA: Final = timezone(timedelta(hours=8))

NUMBER_PATTERN: Final = r"\A[0-9A-Za-z_\-]{1,64}\Z"
Number = Annotated[str, msgspec.Meta(pattern=NUMBER_PATTERN)]
_Short = Annotated[str, msgspec.Meta(max_length=64)]
_YUAN = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,2}))?")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended; the messages beside it are for people, so we never look at them."""

    code: str
    sub_code: str = ""


class Precreated(msgspec.Struct, frozen=True, kw_only=True):
    """A code to scan; there is no trade before somebody does."""

    out_trade_no: Number
    qr_code: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade; *total_amount* is what the order was charged, whatever coupons the payer used."""

    out_trade_no: Number
    trade_no: Number
    trade_status: str
    total_amount: _Short = ""
    trans_currency: _Short = CURRENCY
    send_pay_date: _Short = ""
    buyer_pay_amount: _Short = ""
    receipt_amount: _Short = ""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A trade that was closed."""

    out_trade_no: Number


class Refunded(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that was taken; *refund_fee* is what went back of the trade, all in all."""

    out_trade_no: Number
    trade_no: Number
    refund_fee: _Short = ""
    fund_change: str = "N"


class RefundAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a refund: nothing but an empty status where none happened."""

    out_trade_no: _Short = ""
    trade_no: _Short = ""
    out_request_no: _Short = ""
    refund_amount: _Short = ""
    refund_status: _Short = ""


def minor_of(yuan: str) -> int | None:
    """Read an amount in yuan as fen; None where it is none."""
    found = _YUAN.fullmatch(yuan)
    if found is None:
        return None
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def yuan_of(amount_minor: int) -> str:
    """Write fen as yuan, with two decimals."""
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"


def instant_of(text: str) -> datetime | None:
    """Read an instant, in UTC; None where it is none."""
    if _INSTANT.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def china_time(at: datetime) -> str:
    """Write an instant; what is left of a second is cut, so that it is never later."""
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
