"""Reads notices: who sent them, and what they say about money.

1. A genuine signature makes a notice ours to keep, even one that cannot be read.
2. Whether merchant, app and amount are the right ones is for the order to judge: a fact carries
   what the notice said.

The library's own callback() is not used: it takes notices of any age.
Source: WeChat Pay v3, "Payment notice" and "Refund notice", read 2026-11.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from contracts.facts import Fact, FactSource
from providers.provider import NoticeRefused, NoticeUnreadable, RefusalReason, VerifiedNotice
from providers.wechat.sealed import SealBroken, Sealed, open_sealed
from providers.wechat.signature import KeyRing, check_signature
from providers.wechat.words import PAID_STATES, PROVIDER, RefundNotice, State, Transaction

# Genuine notices are about 1 KiB.
MAX_BYTES = 64 * 1024
_PAYMENT = "TRANSACTION.SUCCESS"
_REFUND_PREFIX = "REFUND."
_REFUNDS = frozenset({"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"})
# What a decoder can raise over bytes that a stranger chose.
_KEY_END = re.compile(rb'"\s*:')
_JSON_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)

_T = TypeVar("_T")


class _Identified(msgspec.Struct, frozen=True, kw_only=True):
    id: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_.:\-]{1,64}\Z")]


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    event_type: str
    resource_type: str | None = None
    resource: msgspec.Raw = msgspec.Raw(b"null")


def verify_notice(
    ring: KeyRing, headers: Mapping[str, object], body: bytes, now: datetime | None
) -> VerifiedNotice:
    """Check a notice's signature, and its age unless *now* is None.

    :raises NoticeRefused: whatever is wrong, however malformed the input.
    """
    if not isinstance(body, bytes) or len(body) > MAX_BYTES:
        raise NoticeRefused(RefusalReason.MALFORMED)
    serial = check_signature(ring, headers, body, now)
    return VerifiedNotice(provider=PROVIDER, event_id=_event_id(body), serial=serial)


def read_notice(body: bytes, api_v3_key: str) -> list[Fact]:
    """Turn a verified notice into facts; empty for events that are not about money.

    :raises NoticeUnreadable: the reason is from a closed set.
    """
    envelope = _decode(_plain(body, "envelope"), _Envelope, "envelope")
    if envelope.event_type == _PAYMENT:
        return [_payment(_opened(envelope, api_v3_key))]
    if envelope.event_type in _REFUNDS:
        return [_refund(_opened(envelope, api_v3_key), envelope.event_type)]
    return []


def _event_id(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Identified).id
    except _JSON_FAULTS:
        return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _opened(envelope: _Envelope, api_v3_key: str) -> bytes:
    if envelope.resource_type != "encrypt-resource":
        raise NoticeUnreadable("resource_type")
    sealed = _decode(bytes(envelope.resource), Sealed, "resource")
    try:
        return _plain(open_sealed(sealed, api_v3_key), "plaintext")
    except SealBroken as broken:
        raise NoticeUnreadable(broken.reason) from None


def _payment(plaintext: bytes) -> Fact:
    if _decode(plaintext, State, "plaintext").trade_state not in PAID_STATES:
        raise NoticeUnreadable("trade_state")
    transaction = _decode(plaintext, Transaction, "plaintext")
    try:
        return transaction.fact(FactSource.NOTICE)
    except OverflowError:  # the last hours of the year 9999, in another time zone
        raise NoticeUnreadable("plaintext") from None


def _refund(plaintext: bytes, event_type: str) -> Fact:
    refund = _decode(plaintext, RefundNotice, "plaintext")
    if event_type != _REFUND_PREFIX + refund.refund_status:
        raise NoticeUnreadable("refund_status")
    return refund.fact()


def _decode(text: bytes, kind: type[_T], reason: str) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except _JSON_FAULTS:
        raise NoticeUnreadable(reason) from None


def _plain(text: bytes, reason: str) -> bytes:
    """Return JSON that names no key twice.

    A key and its colon may also stand inside a string, so only a surplus of them is looked into.
    """
    try:
        if len(_KEY_END.findall(text)) != _keys_in(msgspec.json.decode(text)):
            json.loads(text.decode(), object_pairs_hook=_without_twins)
    except _JSON_FAULTS:
        raise NoticeUnreadable(reason) from None
    return text


def _keys_in(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys_in, value.values()))
    if isinstance(value, list):
        return sum(map(_keys_in, value))
    return 0


def _without_twins(pairs: list[tuple[str, object]]) -> None:
    # Two readers may take different ones of two equal keys, so there is no telling what was meant.
    if len({key for key, _ in pairs}) != len(pairs):
        raise NoticeUnreadable("duplicate_key")
