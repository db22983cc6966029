"""What a prepay or refund body may say, checked field by field.

Source: WeChat Pay v3, Native order, JSAPI order and refund application, read 2026-11.
"""

import hashlib
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sandbox.settings import SandboxSettings
from sandbox.wechatpay.refusal import Refusal, bad_parameter, unlawful

_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# The pages disagree whether texts are counted in characters or bytes; bytes are the safe reading.
_DESCRIPTION_BYTES, _ATTACH_BYTES, _REASON_BYTES, _URL_LENGTH = 127, 128, 80, 255
_EXPIRE_MIN_SECONDS = 60
# Upper caps differ from page to page (7, 15, 90 days); a client within 7 is right on all.
_EXPIRE_MAX_SECONDS = 7 * 86_400
_AMOUNT_MAX = 10**11


class Prepay(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed order. Equal digests mean identical parameters."""

    appid: str
    description: str
    out_trade_no: str
    notify_url: str
    total: int
    attach: str | None
    expires_at_ms: int | None
    openid: str | None
    digest: str


class RefundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed wish for money back, by exactly one of the two trade numbers."""

    out_trade_no: str | None
    transaction_id: str | None
    out_refund_no: str
    refund: int
    total: int
    reason: str | None
    notify_url: str | None


def read_prepay(payload: object, *, settings: SandboxSettings, jsapi: bool) -> Prepay:
    """Read the body of an order.

    :raises Refusal: PARAM_ERROR with the field, INVALID_REQUEST or APPID_MCHID_NOT_MATCH.
    """
    body = _object(payload)
    appid = _text(body, "/appid", 32)
    check_mchid(body, settings.wechat.mch_id)
    if appid not in settings.wechat.app_ids:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    out_trade_no = _text(body, "/out_trade_no", 32)
    if not _OUT_TRADE_NO.fullmatch(out_trade_no):
        raise bad_parameter("/out_trade_no", "not 6 to 32 of the allowed characters", out_trade_no)
    return Prepay(
        appid=appid,
        description=_text(body, "/description", _DESCRIPTION_BYTES),
        out_trade_no=out_trade_no,
        notify_url=_url(_text(body, "/notify_url", _URL_LENGTH)),
        total=_amount(body, "total"),
        attach=_optional_text(body, "/attach", _ATTACH_BYTES),
        expires_at_ms=_instant_ms(_optional_text(body, "/time_expire", 64)),
        openid=_text(_member(body, "payer"), "/payer/openid", 128) if jsapi else None,
        digest=hashlib.sha256(_canonical(body)).hexdigest(),
    )


def check_time_expire(expires_at_ms: int | None, *, now_ms: int, settings: SandboxSettings) -> None:
    """Refuse an order that ends too soon or too late.

    :raises Refusal: PARAM_ERROR.
    """
    if expires_at_ms is None:
        return
    lead_ms = expires_at_ms - now_ms
    if lead_ms < settings.scaled_ms(_EXPIRE_MIN_SECONDS):
        raise bad_parameter("/time_expire", "less than one minute ahead")
    if lead_ms > _EXPIRE_MAX_SECONDS * 1000:
        raise bad_parameter("/time_expire", "more than seven days ahead")


def read_refund(payload: object) -> RefundRequest:
    """Read the body of a refund application.

    :raises Refusal: PARAM_ERROR with the field.
    """
    body = _object(payload)
    out_trade_no = _optional_text(body, "/out_trade_no", 32)
    transaction_id = _optional_text(body, "/transaction_id", 32)
    if (out_trade_no is None) == (transaction_id is None):
        raise bad_parameter("/out_trade_no", "give out_trade_no or transaction_id, not both")
    out_refund_no = _text(body, "/out_refund_no", 64)
    if not _OUT_REFUND_NO.fullmatch(out_refund_no):
        raise bad_parameter("/out_refund_no", "characters not allowed", out_refund_no)
    notify_url = _optional_text(body, "/notify_url", _URL_LENGTH)
    return RefundRequest(
        out_trade_no=out_trade_no,
        transaction_id=transaction_id,
        out_refund_no=out_refund_no,
        refund=_amount(body, "refund"),
        total=_amount(body, "total"),
        reason=_optional_text(body, "/reason", _REASON_BYTES),
        notify_url=None if notify_url is None else _url(notify_url),
    )


def check_mchid(payload: object, mch_id: str) -> None:
    """Insist that the body names the merchant who signed it.

    :raises Refusal: PARAM_ERROR or INVALID_REQUEST.
    """
    if _text(_object(payload), "/mchid", 32) != mch_id:
        raise unlawful("Http头Authorization中的mchid与post payload中的mchid不匹配")


def _canonical(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body, order="deterministic")


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise unlawful("http body is not a JSON object")
    return value


def _member(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise bad_parameter(f"/{name}", "missing or not an object")
    return value


def _text(body: dict[str, Any], pointer: str, bytes_max: int) -> str:
    value = _optional_text(body, pointer, bytes_max)
    if value is None:
        raise bad_parameter(pointer, "missing")
    return value


def _optional_text(body: dict[str, Any], pointer: str, bytes_max: int) -> str | None:
    value = body.get(pointer.rpartition("/")[2])
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= bytes_max:
        raise bad_parameter(pointer, f"not a text of 1 to {bytes_max} bytes")
    return value


def _amount(body: dict[str, Any], name: str) -> int:
    amount = _member(body, "amount")
    value = amount.get(name)
    if type(value) is not int or not 1 <= value <= _AMOUNT_MAX:
        raise bad_parameter(f"/amount/{name}", "not a whole number of fen, at least 1", value)
    if amount.get("currency", "CNY" if name == "total" else None) != "CNY":
        raise bad_parameter("/amount/currency", "only CNY", amount.get("currency"))
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        if parts.scheme in {"http", "https"} and parts.hostname and not parts.query:
            return value
    except ValueError:
        pass
    raise bad_parameter("/notify_url", "not an http address without a query", value)


def _instant_ms(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        if _RFC_3339.fullmatch(value):
            return round(datetime.fromisoformat(value).timestamp() * 1000)
    except ValueError:
        pass
    raise bad_parameter("/time_expire", "not RFC 3339 with an offset", value)
