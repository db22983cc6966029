"""What a call may say, checked as strictly as Alipay checks it.

Source: Alipay Open Platform, common parameters and those of each interface, read 2026-11.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from sandbox.alipay import words
from sandbox.alipay.refusal import Refusal, bad_parameter

_Number = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_]{1,64}\Z")]
_RequestNo = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_\-]{1,64}\Z")]
_Yuan = Annotated[str, msgspec.Meta(pattern=r"\A(0|[1-9][0-9]{0,8})(\.[0-9]{1,2})?\Z")]
_Subject = Annotated[str, msgspec.Meta(pattern=r"\A[^/=&\x00-\x1f]{1,256}\Z")]
_Url = Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[^\s]{1,400}\Z")]
_Text = Annotated[str, msgspec.Meta(max_length=256)]
_LIVES = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNIT_MINUTES = {"m": 1, "h": 60, "d": 1440}
_LIVES_MINUTES_MAX = 15 * 1440
_Kind = TypeVar("_Kind")


class WantedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """Money a merchant wants for something."""

    out_trade_no: _Number
    total_amount: _Yuan
    subject: _Subject
    time_expire: _Text | None = None
    qr_code_timeout_express: _Text | None = None
    product_code: _Text | None = None
    quit_url: _Url | None = None


class NamedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade by the merchant's number or by Alipay's, which goes first."""

    out_trade_no: _Number | None = None
    trade_no: _Number | None = None


class WantedRefund(NamedTrade, frozen=True, kw_only=True):
    """Money a merchant wants to go back."""

    refund_amount: _Yuan
    out_request_no: _RequestNo
    refund_reason: _Text | None = None


class AskedRefund(NamedTrade, frozen=True, kw_only=True):
    """A refund by the merchant's number of it."""

    out_request_no: _RequestNo


def check_common(parameters: Mapping[str, str]) -> None:
    """Check what every call says.

    :raises Refusal: in Alipay's words.
    """
    expected = {"charset": "utf-8", "version": "1.0", "format": "JSON"}
    for name, value in expected.items():
        if parameters.get(name, value).lower() != value.lower():
            raise Refusal("40002", f"isv.invalid-{name}", f"{name}: {value}")
    if _instant_ms(parameters.get("timestamp", "")) is None:
        raise Refusal("40002", "isv.invalid-timestamp", "yyyy-MM-dd HH:mm:ss")
    for name in ("notify_url", "return_url"):
        if name in parameters:
            _checked(parameters[name], _Url)


def read(parameters: Mapping[str, str], kind: type[_Kind]) -> _Kind:
    """Read what one call is about."""
    try:
        return msgspec.json.decode(parameters.get("biz_content", ""), type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise bad_parameter(str(error)) from error


def require_named(named: NamedTrade) -> None:
    """Refuse a call that names no trade."""
    if named.out_trade_no is None and named.trade_no is None:
        raise bad_parameter("out_trade_no, trade_no")


def minor_of(yuan: str) -> int:
    """Read an amount, at least one fen."""
    whole, _, cents = yuan.partition(".")
    minor = int(whole) * 100 + int(cents.ljust(2, "0") or "0")
    if minor < 1:
        raise bad_parameter("amount")
    return minor


def expires_at_ms(wanted: WantedTrade, now_ms: int) -> int | None:
    """Say when a trade's time is over: of two ends, the earlier."""
    ends = []
    if wanted.time_expire is not None:
        at_ms = _instant_ms(wanted.time_expire)
        if at_ms is None or at_ms <= now_ms:
            raise bad_parameter("time_expire")
        ends.append(at_ms)
    if wanted.qr_code_timeout_express is not None:
        found = _LIVES.fullmatch(wanted.qr_code_timeout_express)
        minutes = int(found[1]) * _UNIT_MINUTES[found[2]] if found else 0
        if not 0 < minutes <= _LIVES_MINUTES_MAX:
            raise bad_parameter("qr_code_timeout_express")
        ends.append(now_ms + minutes * 60_000)
    return min(ends, default=None)


def _checked(value: str, kind: object) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise bad_parameter(str(error)) from error


def _instant_ms(text: str) -> int | None:
    try:
        at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=words.CHINA)
    except ValueError:
        return None
    return round(at.timestamp() * 1000)
