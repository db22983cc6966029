"""Notices of Alipay: forms whose signature stands among their own fields.

1. Verified are the bytes of the fields as they were sent, whatever their charset.
2. A trade's notice is signed without ``sign_type``, a platform service's with it. Whether empty
   fields are signed is written nowhere and Alipay's own libraries disagree: both are tried, and
   an empty field means here what a missing one does, so nobody gains by adding one.
3. Names and values are joined as they are, so a value with a field's name in it would read the
   same as two fields: none is taken.
4. ``notify_time`` is when a notice was sent, but nothing promises a new one for what is sent
   again, up to 25 hours later. What is older by an hour more is stale; replays within it fall on
   the notice's id, which stays the same.
5. Whether merchant, app and amount are the right ones is for the order to judge: a fact carries
   what the notice said.

Source: Alipay Open Platform, "Asynchronous notices" and "Verifying them", read 2026-11.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote_to_bytes

from contracts.facts import (
    AttemptClosedAtProvider,
    Fact,
    FactSource,
    PaymentSucceeded,
    RefundSpotted,
)
from contracts.money import Money
from providers.alipay import words
from providers.alipay.settings import AlipaySettings
from providers.alipay.signature import RSA2, KeyRing
from providers.alipay.words import PROVIDER
from providers.provider import NoticeRefused, NoticeUnreadable, RefusalReason, VerifiedNotice

# Genuine notices are about 1.5 KiB in some thirty fields.
MAX_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 256
MAX_AGE: Final = timedelta(hours=26)
MAX_LEAD: Final = timedelta(minutes=5)
_CHARSETS: Final = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gbk", "gb2312": "gb18030"}
_EVENT_ID = re.compile(r"[0-9A-Za-z_.:\-]{1,128}")
_NUMBER = re.compile(words.NUMBER_PATTERN)
_NAME = re.compile(rb"[0-9A-Za-z_]{1,64}")
_NAME_INSIDE = re.compile(rb"&[0-9A-Za-z_]{1,64}=")
_TRADE_NOTICE: Final = "trade_status_sync"
_NOBODY: Final = "unnamed"


def verify_notice(ring: KeyRing, body: bytes, now: datetime | None) -> VerifiedNotice:
    """Check a notice's signature, and its age unless *now* is None.

    :raises NoticeRefused: whatever is wrong, however malformed the input.
    """
    fields = _fields(body)
    # Without the field it can only be RSA2: that is all we check.
    if fields.get(b"sign_type", b"RSA2") != RSA2.encode():
        raise NoticeRefused(RefusalReason.MALFORMED)
    if now is not None:
        _require_fresh(fields, now)
    signature = fields.get(b"sign", b"").decode("latin-1")
    if not signature:
        raise NoticeRefused(RefusalReason.MALFORMED)
    for signed in _texts(fields):
        name = ring.signer_of(signed, signature)
        if name is not None:
            return VerifiedNotice(provider=PROVIDER, event_id=_event_id(fields, body), serial=name)
    raise NoticeRefused(RefusalReason.BAD_SIGNATURE)


def parameters_of(body: bytes) -> dict[str, str]:
    """Read what a verified notice says; fields that say nothing are left out.

    :raises NoticeUnreadable: it is in no charset that we know, or no text.
    """
    try:
        fields = _fields(body)
        # No row takes this character.
        if any(b"\0" in value for value in fields.values()):
            raise NoticeUnreadable("form")
        named = fields.get(b"charset", b"utf-8").decode("ascii").lower()
        charset = _CHARSETS[named]
        return {k.decode(charset): v.decode(charset) for k, v in fields.items() if v}
    except NoticeRefused:
        raise NoticeUnreadable("form") from None
    except (KeyError, UnicodeDecodeError):
        raise NoticeUnreadable("charset") from None


def facts_of(told: Mapping[str, str], settings: AlipaySettings) -> list[Fact]:
    """Turn what a notice says into facts; empty for what is not about money.

    :raises NoticeUnreadable: the reason is from a closed set.
    """
    if told.get("notify_type", _TRADE_NOTICE) != _TRADE_NOTICE or "trade_status" not in told:
        return []
    status = told["trade_status"]
    number, trade_no = _number(told, "out_trade_no"), _number(told, "trade_no")
    if status == words.WAITING:
        return []
    if status not in words.PAID_STATES | {words.CLOSED}:
        raise NoticeUnreadable("trade_status")
    if status in words.PAID_STATES or _was_paid(told):
        payment = _payment(told, number, trade_no, settings)
        return [payment, *_refund(told, number, trade_no, payment, settings)]
    # Another merchant's word that there is no money must not give seats back.
    if _merchant_and_app(told, settings) != (settings.merchant_id, settings.app_id):
        return []
    return [AttemptClosedAtProvider(provider=PROVIDER, attempt_no=number)]


def _fields(body: bytes) -> dict[bytes, bytes]:
    if not isinstance(body, bytes) or len(body) > MAX_BYTES:
        raise NoticeRefused(RefusalReason.MALFORMED)
    pairs = [part.partition(b"=") for part in body.split(b"&", MAX_FIELDS) if part]
    fields = {_unquoted(name): _unquoted(value) for name, _, value in pairs}
    # Two readers may take different ones of two equal names: there is no telling what was meant.
    if len(fields) != len(pairs) or len(pairs) >= MAX_FIELDS:
        raise NoticeRefused(RefusalReason.MALFORMED)
    if not all(map(_NAME.fullmatch, fields)) or any(map(_NAME_INSIDE.search, fields.values())):
        raise NoticeRefused(RefusalReason.MALFORMED)
    return fields


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _require_fresh(fields: Mapping[bytes, bytes], now: datetime) -> None:
    sent_at = words.instant_of(fields.get(b"notify_time", b"").decode("latin-1"))
    if sent_at is None:
        raise NoticeRefused(RefusalReason.MALFORMED)
    if not -MAX_LEAD <= now - sent_at <= MAX_AGE:
        raise NoticeRefused(RefusalReason.STALE)


def _texts(fields: Mapping[bytes, bytes]) -> list[bytes]:
    """List what may have been signed, the usual first."""
    found: list[bytes] = []
    fields = {b"sign_type": RSA2.encode()} | dict(fields)
    for left_out in ({b"sign", b"sign_type"}, {b"sign"}):
        for least in (0, 1):
            names = sorted(k for k, v in fields.items() if k not in left_out and len(v) >= least)
            text = b"&".join(b"%b=%b" % (name, fields[name]) for name in names)
            if text not in found:
                found.append(text)
    return found


def _event_id(fields: Mapping[bytes, bytes], body: bytes) -> str:
    notify_id = fields.get(b"notify_id", b"").decode("latin-1")
    if _EVENT_ID.fullmatch(notify_id):
        return notify_id
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _payment(
    told: Mapping[str, str], number: str, trade_no: str, settings: AlipaySettings
) -> PaymentSucceeded:
    amount = words.minor_of(told.get("total_amount", ""))
    paid_at = words.instant_of(told.get("gmt_payment", told.get("notify_time", "")))
    if not amount or paid_at is None:
        raise NoticeUnreadable("payment")
    merchant_id, app_id = _merchant_and_app(told, settings)
    return PaymentSucceeded(
        provider=PROVIDER,
        attempt_no=number,
        provider_txn_id=trade_no,
        paid=Money(amount_minor=amount, currency=told.get("trans_currency", words.CURRENCY)[:8]),
        merchant_id=merchant_id,
        appid=app_id,
        paid_at=paid_at,
        source=FactSource.NOTICE,
    )


def _refund(
    told: Mapping[str, str],
    number: str,
    trade_no: str,
    payment: PaymentSucceeded,
    settings: AlipaySettings,
) -> list[Fact]:
    """Spot the refund that a notice is about: it tells only the sum of all of them."""
    refund_no = told.get("out_biz_no", "")
    is_own = (payment.merchant_id, payment.appid) == (settings.merchant_id, settings.app_id)
    if not is_own or not words.minor_of(told.get("refund_fee", "")):
        return []
    if _NUMBER.fullmatch(refund_no) is None:
        raise NoticeUnreadable("out_biz_no")
    return [
        RefundSpotted(
            provider=PROVIDER, attempt_no=number, refund_no=refund_no, provider_txn_id=trade_no
        )
    ]


def _was_paid(told: Mapping[str, str]) -> bool:
    """Tell a trade that ended by its full refund from one that nobody paid."""
    amounts = (told.get(name, "") for name in ("buyer_pay_amount", "receipt_amount", "refund_fee"))
    return "gmt_payment" in told or any(map(words.minor_of, amounts))


def _merchant_and_app(told: Mapping[str, str], settings: AlipaySettings) -> tuple[str, str]:
    app_id = told.get("app_id", _NOBODY)[:32]
    seller_id = told.get("seller_id", _NOBODY)[:32]
    return (seller_id if settings.seller_id else app_id, app_id)


def _number(told: Mapping[str, str], name: str) -> str:
    number = told.get(name, "")
    if _NUMBER.fullmatch(number) is None:
        raise NoticeUnreadable(name)
    return number
