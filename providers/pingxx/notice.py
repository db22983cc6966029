"""Reads notices: who sent them, how old they are, and what they say about money.

1. A genuine signature makes a notice ours to keep, even one that cannot be read.
2. No time is signed but the one at which the event was made, which all its copies share. So a
   notice is fresh as long as Ping++ may still send it: eight times within some 25 hours. Older
   copies, and those from ahead, are replays. Within that time the event's id tells twins.
3. Whether merchant, app and amount are the right ones is for the order to judge: a fact carries
   what the notice said.

Source: Ping++, Webhooks guide and the Event object, read 2026-11.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec

from contracts.facts import Fact, FactSource
from providers.pingxx.errors import PROVIDER
from providers.pingxx.evidence import Keeper
from providers.pingxx.signature import NoticeKeys
from providers.pingxx.words import Charge, Refund, Seconds
from providers.provider import NoticeRefused, NoticeUnreadable, RefusalReason, VerifiedNotice

# Genuine notices are about 1 KiB.
MAX_BYTES = 64 * 1024
# 2m, 10m, 10m, 1h, 2h, 6h and 15h after each other, and an hour for clocks and queues.
OLD_SECONDS = 26 * 3600
EARLY_SECONDS = 300
_PAID, _REFUNDED = "charge.succeeded", "refund.succeeded"
# What a decoder can raise over bytes that a stranger chose.
_JSON_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)
_T = TypeVar("_T")


class _Identified(msgspec.Struct, frozen=True, kw_only=True):
    id: Annotated[str, msgspec.Meta(pattern=r"\Aevt_[0-9A-Za-z]{1,64}\Z")]


class _Dated(msgspec.Struct, frozen=True, kw_only=True):
    created: Seconds


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    object: dict[str, Any]


class _Event(_Dated, frozen=True, kw_only=True):
    type: str
    livemode: bool
    data: _Data


class _Typed(msgspec.Struct, frozen=True, kw_only=True):
    type: str


class Notices:
    """What one app is told by Ping++."""

    def __init__(self, keys: NoticeKeys, *, is_live: bool, keeper: Keeper) -> None:
        self._keys = keys
        self._is_live = is_live
        self._keeper = keeper

    def verify(
        self, headers: Mapping[str, object], body: bytes, now: datetime | None
    ) -> VerifiedNotice:
        """Check a notice's signature, and its age unless *now* is None.

        :raises NoticeRefused: whatever is wrong, however malformed the input.
        """
        if not isinstance(body, bytes) or len(body) > MAX_BYTES:
            raise NoticeRefused(RefusalReason.MALFORMED)
        serial = self._keys.check(headers, body)
        if now is not None:
            _require_fresh(body, now)
        return VerifiedNotice(provider=PROVIDER, event_id=_event_id(body), serial=serial)

    def read(self, body: bytes) -> list[Fact]:
        """Turn a verified notice into facts; empty for events that are not about money.

        :raises NoticeUnreadable: the reason is from a closed set.
        """
        _require_one_meaning(body)
        if _decode(body, _Typed, "envelope").type not in {_PAID, _REFUNDED}:
            return []
        event = _decode(body, _Event, "envelope")
        return [self._payment(event) if event.type == _PAID else self._refund(event)]

    def _payment(self, event: _Event) -> Fact:
        charge = _convert(event.data.object, Charge, "charge")
        if not charge.paid or charge.reversed:
            raise NoticeUnreadable("not_paid")
        if charge.livemode != event.livemode:
            raise NoticeUnreadable("livemode")
        self._keeper.charge(charge.order_no, "notice", event.data.object)
        told_at = datetime.fromtimestamp(event.created, UTC)
        return charge.fact(FactSource.NOTICE, is_live=self._is_live, told_at=told_at)

    def _refund(self, event: _Event) -> Fact:
        refund = _convert(event.data.object, Refund, "refund")
        if refund.status != "succeeded":
            raise NoticeUnreadable("not_refunded")
        # A refund names no app, so nothing later could tell play money from ours.
        if event.livemode != self._is_live:
            raise NoticeUnreadable("livemode")
        self._keeper.refund(refund.charge_order_no, "notice", event.data.object)
        return refund.fact(FactSource.NOTICE)


def _require_fresh(body: bytes, now: datetime) -> None:
    try:
        created = msgspec.json.decode(body, type=_Dated).created
    except _JSON_FAULTS:
        # Genuine, and told of no time: it will be stored once and looked at by a person.
        return
    age_seconds = now.timestamp() - created
    if not -EARLY_SECONDS <= age_seconds <= OLD_SECONDS:
        raise NoticeRefused(RefusalReason.STALE)


def _event_id(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Identified).id
    except _JSON_FAULTS:
        return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _decode(body: bytes, kind: type[_T], reason: str) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except _JSON_FAULTS:
        raise NoticeUnreadable(reason) from None


def _convert(value: dict[str, Any], kind: type[_T], reason: str) -> _T:
    try:
        return msgspec.convert(value, kind)
    except _JSON_FAULTS:
        raise NoticeUnreadable(reason) from None


def _require_one_meaning(body: bytes) -> None:
    # Two readers may take different ones of two equal keys, so there is no telling what was meant.
    try:
        json.loads(body.decode(), object_pairs_hook=_without_twins)
    except _JSON_FAULTS:
        raise NoticeUnreadable("envelope") from None


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoticeUnreadable("duplicate_key")
    return found
