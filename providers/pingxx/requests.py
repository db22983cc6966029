"""What may be sent, and in which form: judged before a call, so that no call is wasted on it.

Source: Ping++ API, creating a Charge and a Refund, parameters, read 2026-11.
"""

import re
from typing import Any, Final

from contracts.attempt import AttemptRequest, BilledRefund, RefundRequest
from contracts.states import Channel
from providers.pingxx import errors
from providers.pingxx.settings import PingxxSettings
from providers.pingxx.words import CURRENCY

CHANNELS: Final = frozenset({Channel.WX_PUB, Channel.WX_PUB_QR, Channel.WX_LITE, Channel.ALIPAY_QR})
_KNOWN_PAYERS = frozenset({Channel.WX_PUB, Channel.WX_LITE})
_SUBJECT_LENGTH, _BODY_LENGTH, _DESCRIPTION_LENGTH = 32, 128, 255
# Each channel below has limits of its own; these hold for all of them.
_NUMBER = re.compile(r"[0-9A-Za-z]{8,20}")
_REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-]{1,64}")
_CHARGE_ID = re.compile(r"ch_[0-9A-Za-z]{1,64}")
_OPENID = re.compile(r"[0-9A-Za-z_\-]{1,128}")
# Alipay refuses some signs, JSON's readers others; none of them sells a ticket.
_ODD = re.compile(r"[\x00-\x1f\x7f/=&\ud800-\udfff]+")
# Required, but the address of whoever asked is not told to us, and none of our channels uses it.
# This is what Ping++ itself takes where it may be left out.
_CLIENT_IP = "127.0.0.1"


def charge_words(request: AttemptRequest, settings: PingxxSettings) -> dict[str, Any]:
    """Say what creating a charge wants to hear, the same words for the same request.

    :raises ProviderRefused: the code is ``not_sent``.
    """
    require_own(request, settings, "open")
    amount = request.amount
    require("open", request.channel in CHANNELS and request.appid == settings.app_id)
    require("open", amount.currency == CURRENCY.upper() and amount.amount_minor > 0)
    text = _plain(request.description) or request.attempt_no
    return {
        "order_no": request.attempt_no,
        "app": {"id": settings.app_id},
        "channel": request.channel.value,
        "amount": amount.amount_minor,
        "client_ip": _CLIENT_IP,
        "currency": CURRENCY,
        "subject": text[:_SUBJECT_LENGTH],
        "body": text[:_BODY_LENGTH],
        "extra": _extra(request),
        "time_expire": int(request.payable_until.timestamp()),
        "metadata": {"attempt_no": request.attempt_no},
    }


def refund_words(request: RefundRequest) -> dict[str, Any]:
    """Say what creating a refund wants to hear; the number in it is how it is found again.

    :raises ProviderRefused: the code is ``not_sent``.
    """
    amount, paid = request.amount, request.paid
    require_refund(request, "refund")
    require("refund", amount.currency == paid.currency == CURRENCY.upper())
    require("refund", 0 < amount.amount_minor <= paid.amount_minor)
    return {
        "amount": amount.amount_minor,
        "description": f"{request.refund_no} {_plain(request.reason)}"[
            :_DESCRIPTION_LENGTH
        ].strip(),
        "metadata": {"refund_no": request.refund_no, "attempt_no": request.attempt_no},
    }


def require_own(request: AttemptRequest, settings: PingxxSettings, operation: str) -> None:
    """Refuse a number that Ping++ would not take, and another merchant's.

    :raises ProviderRefused: the code is ``not_sent``.
    """
    is_own = request.merchant_id == settings.app_id
    require(operation, is_own and _NUMBER.fullmatch(request.attempt_no) is not None)


def require_refund(refund: RefundRequest | BilledRefund, operation: str) -> str:
    """Return the charge that a refund belongs to; without it Ping++ knows no refund.

    :raises ProviderRefused: the code is ``not_sent``.
    """
    charge_id = refund.provider_txn_id or ""
    require(operation, is_charge_id(charge_id))
    require(operation, _REFUND_NUMBER.fullmatch(refund.refund_no) is not None)
    return charge_id


def is_charge_id(text: str) -> bool:
    """Tell whether a text can stand in a path as a charge's id."""
    return _CHARGE_ID.fullmatch(text) is not None


def require(operation: str, holds: bool) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse a call that would only be refused.

    :raises ProviderRefused: the code is ``not_sent``.
    """
    if not holds:
        raise errors.error_of(operation, errors.NOT_SENT)


def _extra(request: AttemptRequest) -> dict[str, str]:
    if request.channel in _KNOWN_PAYERS:
        openid = request.openid or ""
        require("open", _OPENID.fullmatch(openid) is not None)
        return {"open_id": openid}
    if request.channel is Channel.WX_PUB_QR:
        return {"product_id": request.attempt_no}
    return {}


def _plain(text: str) -> str:
    return " ".join(_ODD.sub(" ", text).split())
