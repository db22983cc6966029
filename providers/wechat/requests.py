"""What may be sent, and in which form: judged before a call, so that no call is wasted on it.

Source: WeChat Pay v3, Native and JSAPI orders, refunds, parameters, read 2026-11.
"""

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from contracts.attempt import AttemptRequest, BilledRefund, RefundRequest
from contracts.states import Channel
from providers.provider import ProviderRefused
from providers.wechat.settings import WeChatSettings
from providers.wechat.words import PROVIDER

# The interface takes 127 and 80; bytes, as the pages leave open whether characters are meant.
DESCRIPTION_BYTES = 127
REASON_BYTES = 80
# The interface takes no other currency from a domestic merchant.
CURRENCY = "CNY"
_CHINA = timezone(timedelta(hours=8))
# WeChat Pay allows more, but these go into a path unescaped, and ours are letters and digits.
_NUMBER = re.compile(r"[0-9A-Za-z_\-]{6,32}")
_REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-]{1,64}")


def order_words(request: AttemptRequest, settings: WeChatSettings) -> dict[str, Any]:
    """Say what the order interfaces want to hear, the same words for the same request.

    :raises ProviderRefused: the code is ``not_sent``.
    """
    payer = _payer(request)
    require_own(request, settings, "open")
    _require(
        "open",
        request.appid in settings.app_ids
        and request.amount.currency == CURRENCY
        and request.amount.amount_minor > 0
        and bool(request.description)
        and bool(request.notify_url),
    )
    return {
        "mchid": settings.merchant_id,
        "appid": request.appid,
        "description": _cut(request.description, DESCRIPTION_BYTES),
        "out_trade_no": request.attempt_no,
        "time_expire": _time_expire(request.payable_until),
        "notify_url": request.notify_url,
        "amount": {"total": request.amount.amount_minor, "currency": CURRENCY},
        "payer": payer,
    }


def refund_words(request: RefundRequest) -> dict[str, Any]:
    """Say what the refund interface wants to hear.

    Without an address of ours the refund would be told in an older format, to the address set in
    the merchant's console.

    :raises ProviderRefused: the code is ``not_sent``.
    """
    require_refund_no(request, "refund")
    _require(
        "refund",
        _NUMBER.fullmatch(request.attempt_no) is not None
        and request.amount.currency == request.paid.currency == CURRENCY
        and 0 < request.amount.amount_minor <= request.paid.amount_minor
        and bool(request.notify_url),
    )
    return {
        "out_refund_no": request.refund_no,
        "out_trade_no": request.attempt_no,
        "reason": _cut(request.reason, REASON_BYTES),
        "notify_url": request.notify_url,
        "amount": {
            "refund": request.amount.amount_minor,
            "total": request.paid.amount_minor,
            "currency": CURRENCY,
        },
    }


def require_own(request: AttemptRequest, settings: WeChatSettings, operation: str) -> None:
    """Refuse an attempt of another merchant, and a number that could bend a path."""
    is_own = request.merchant_id == settings.merchant_id
    _require(operation, is_own and _NUMBER.fullmatch(request.attempt_no) is not None)


def require_refund_no(refund: RefundRequest | BilledRefund, operation: str) -> None:
    """Refuse a refund number that could bend a path."""
    _require(operation, _REFUND_NUMBER.fullmatch(refund.refund_no) is not None)


def _payer(request: AttemptRequest) -> dict[str, str] | None:
    if request.channel is Channel.WECHAT_NATIVE:
        return None
    _require("open", bool(request.openid))
    return {"openid": request.openid or ""}


def _require(operation: str, holds: bool) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ProviderRefused(PROVIDER, operation, "not_sent")


def _time_expire(payable_until: datetime) -> str:
    # Cut to the second, never rounded up: no payment may come in after the moment we were told.
    return payable_until.astimezone(_CHINA).replace(microsecond=0).isoformat()


def _cut(text: str, most_bytes: int) -> str:
    return text.encode(errors="ignore")[:most_bytes].decode(errors="ignore")
