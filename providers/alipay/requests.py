"""What we write to Alipay: checked before it leaves, signed as a whole.

1. An amount, a number or a currency that Alipay could not take is refused here.
2. Nobody may pay after *payable_until*: the trade ends then, and a code to scan no later.

Source: Alipay Open Platform, trade precreate, wap pay, page pay and common parameters, read
2026-11.
"""

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from contracts.attempt import AttemptRequest, BilledRefund, RefundRequest
from contracts.states import Channel
from providers.alipay import signature
from providers.alipay.settings import AlipaySettings
from providers.alipay.words import CURRENCY, NUMBER_PATTERN, PROVIDER, china_time, yuan_of
from providers.provider import ProviderRefused

PRECREATE: Final = "alipay.trade.precreate"
QUERY: Final = "alipay.trade.query"
CLOSE: Final = "alipay.trade.close"
REFUND: Final = "alipay.trade.refund"
QUERY_REFUND: Final = "alipay.trade.fastpay.refund.query"
_PAGES: Final = {
    Channel.ALIPAY_WAP: ("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
    Channel.ALIPAY_PC_DIRECT: ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
}
CHANNELS: Final = frozenset({Channel.ALIPAY_QR, *_PAGES})
# One hundred million yuan, the most that one trade may be about.
_AMOUNT_MAX_MINOR: Final = 10_000_000_000
_SUBJECT_LENGTH: Final = 128
_REASON_LENGTH: Final = 128
# A code lives as long as it is told to, in whole minutes, but not above these.
_CODE_MINUTES_MAX: Final = 120
_NUMBER = re.compile(NUMBER_PATTERN)
# Alipay's own pages forbid these in a subject; what is not printable has no business anywhere.
_FORBIDDEN = re.compile(r"[/=&\x00-\x1f\x7f\ud800-\udfff]+")


class AppKey(msgspec.Struct, frozen=True):
    """Who calls, and what proves it."""

    app_id: str
    key: RSAPrivateKey

    def __repr__(self) -> str:
        """Say which app, and nothing secret."""
        return f"AppKey(app_id={self.app_id!r})"


def signed_form(
    app: AppKey,
    method: str,
    words: dict[str, Any],
    now: datetime,
    *,
    notify_url: str | None = None,
    return_url: str | None = None,
) -> dict[str, str]:
    """Make all parameters of a call."""
    form = {
        "app_id": app.app_id,
        "method": method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": signature.RSA2,
        "timestamp": china_time(now),
        "version": "1.0",
        "biz_content": msgspec.json.encode(words).decode(),
    }
    form |= {} if notify_url is None else {"notify_url": notify_url}
    form |= {} if return_url is None else {"return_url": return_url}
    return form | {"sign": signature.sign(app.key, form)}


def page_url(gateway: str, app: AppKey, request: AttemptRequest, now: datetime) -> str:
    """Make the address where a payer goes on; nobody is called."""
    method, product = _PAGES[request.channel]
    words = _trade_words(request) | {"product_code": product}
    back = request.cancel_url or request.return_url
    if request.channel is Channel.ALIPAY_WAP and back is not None:
        words |= {"quit_url": back}
    form = signed_form(
        app, method, words, now, notify_url=request.notify_url, return_url=request.return_url
    )
    return f"{gateway}?{urlencode(form)}"


def code_words(request: AttemptRequest, now: datetime) -> dict[str, Any]:
    """Say what a code to scan is about."""
    minutes = int((request.payable_until - now).total_seconds() // 60)
    lives = f"{min(max(minutes, 1), _CODE_MINUTES_MAX)}m"
    return _trade_words(request) | {"qr_code_timeout_express": lives}


def refund_words(request: RefundRequest) -> dict[str, Any]:
    """Say what goes back, under a number that moves money once.

    :raises ProviderRefused: the code is ``not_sent``.
    """
    require_refund_no(request, "refund")
    _require(
        "refund",
        request.amount.currency == request.paid.currency == CURRENCY
        and 0 < request.amount.amount_minor <= request.paid.amount_minor,
    )
    return {
        "out_trade_no": request.attempt_no,
        "out_request_no": request.refund_no,
        "refund_amount": yuan_of(request.amount.amount_minor),
        "refund_reason": _plain(request.reason, _REASON_LENGTH),
    }


def require_payable(request: AttemptRequest, settings: AlipaySettings, now: datetime) -> None:
    """Refuse what cannot be opened.

    :raises ProviderRefused: the code is ``not_sent``, or ``unsupported`` for a foreign channel.
    """
    if request.channel not in CHANNELS:
        raise ProviderRefused(PROVIDER, "open", "unsupported")
    require_own(request, settings, "open")
    _require("open", request.amount.currency == CURRENCY)
    _require("open", 0 < request.amount.amount_minor <= _AMOUNT_MAX_MINOR)
    _require("open", bool(request.notify_url) and request.payable_until > now)


def require_own(request: AttemptRequest, settings: AlipaySettings, operation: str) -> None:
    """Refuse an attempt of another merchant or app, and a number that none can have."""
    is_own = (request.merchant_id, request.appid) == (settings.merchant_id, settings.app_id)
    _require(operation, is_own and _NUMBER.fullmatch(request.attempt_no) is not None)


def require_refund_no(refund: RefundRequest | BilledRefund, operation: str) -> None:
    """Refuse numbers that none can have."""
    numbers = (refund.attempt_no, refund.refund_no)
    _require(operation, all(_NUMBER.fullmatch(number) for number in numbers))


def answer_name(method: str) -> str:
    """Name the value of an answer that is signed."""
    return f"{method.replace('.', '_')}_response"


def _trade_words(request: AttemptRequest) -> dict[str, Any]:
    return {
        "out_trade_no": request.attempt_no,
        "total_amount": yuan_of(request.amount.amount_minor),
        "subject": _plain(request.description, _SUBJECT_LENGTH) or request.attempt_no,
        "time_expire": china_time(request.payable_until),
    }


def _plain(text: str, length: int) -> str:
    return _FORBIDDEN.sub(" ", text)[:length].strip()


def _require(operation: str, holds: bool) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ProviderRefused(PROVIDER, operation, "not_sent")
