"""What the mock provider tells its merchant: normalized events, signed, repeated until heard.

1. Events go to the address that the payment or the refund named.
2. With MOCK_WEBHOOK_AUTOFIRE=0 none goes out by itself; crafted ones do.

Source: Standard Webhooks specification 1.0, delivery and signature scheme, read 2026-11.
"""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from sandbox.mock import words
from sandbox.mock.signing import Keys
from sandbox.provider import Envelope
from sandbox.records import Notice, Refund, Trade, Wish
from sandbox.settings import MockSettings
from sandbox.store import Store

# 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h, as the specification proposes.
RESEND_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
PAID = "payment.succeeded"
_REFUND_TYPES = {words.SUCCEEDED: "refund.succeeded", words.FAILED: "refund.failed"}


class Overrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a crafted event differs from an honest one; what is in *data* takes the place of ours.

    *body* is sent word for word, *omit_headers* goes by name, *bytes_appended* follow the
    signature, and a forged event is signed by somebody else.
    """

    event_id: str | None = None
    provider: str = words.NAME
    data: dict[str, Any] = {}
    omit_data: tuple[str, ...] = ()
    body: str | None = None
    timestamp_offset_seconds: int = 0
    forged: bool = False
    omit_headers: tuple[str, ...] = ()
    bytes_appended: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0


class Events:
    """Makes events, owes them to the merchant and signs their copies."""

    def __init__(self, *, store: Store, settings: MockSettings, keys: Keys) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys

    def tell_payment(
        self, trade: Trade, event_type: str, due_at_ms: int, wish: Wish | None = None
    ) -> None:
        """Owe an event about a payment, unless nobody is to hear of it."""
        wish = wish or Wish()
        status = event_type.removeprefix("payment.")
        data = payment_data(trade, status) | {"amount": _told_minor(trade, wish)}
        url = words.payment_detail(trade).wanted.notify_url
        self._owe(trade, event_type, data, url=url, due_at_ms=due_at_ms, wish=wish)

    def tell_again(self, trade: Trade, due_at_ms: int, wish: Wish) -> None:
        """Send the event of a payment once more, under the same id."""
        told = self._store.notice_of(trade.out_trade_no, PAID)
        if told is None:
            self.tell_payment(trade, PAID, due_at_ms, wish)
        elif not wish.drop and self._settings.autofire:
            again = msgspec.structs.replace(
                told, attempt=0, due_at_ms=due_at_ms, copies=wish.duplicate
            )
            self._store.reschedule(again)

    def tell_refund(self, refund: Refund, trade: Trade, due_at_ms: int) -> None:
        """Owe an event about a refund that ended."""
        event_type = _REFUND_TYPES.get(refund.status)
        if event_type is not None:
            data = refund_data(refund, trade)
            url = words.refund_detail(refund).wanted.notify_url
            self._owe(trade, event_type, data, url=url, due_at_ms=due_at_ms, wish=Wish())

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh."""
        spoilt = notice.signing == "foreign" or flaw in {"bad_signature", "signtest"}
        return self._sealed(notice.notice_id, notice.content, is_spoilt=spoilt)

    def crafted(self, trade: Trade, kind: str, wanted: Overrides) -> tuple[str, str, Envelope]:
        """Make one event with chosen faults; return its id, address and copy."""
        event_id = wanted.event_id or words.new_id("evt")
        data = payment_data(trade, kind.rpartition(".")[2]) | wanted.data
        data = {name: value for name, value in data.items() if name not in wanted.omit_data}
        body = _event(event_id, kind, data, provider=wanted.provider)
        if wanted.body is not None:
            body = wanted.body.encode()
        envelope = self._sealed(
            event_id,
            body,
            is_spoilt=wanted.forged,
            offset_seconds=wanted.timestamp_offset_seconds,
        )
        omitted = {name.lower() for name in wanted.omit_headers}
        headers = {n: v for n, v in envelope.headers.items() if n.lower() not in omitted}
        copy = Envelope(headers=headers, body=envelope.body + b" " * wanted.bytes_appended)
        return event_id, words.payment_detail(trade).wanted.notify_url, copy

    def _owe(
        self,
        trade: Trade,
        event_type: str,
        data: Mapping[str, Any],
        *,
        url: str,
        due_at_ms: int,
        wish: Wish,
    ) -> None:
        if wish.drop or not self._settings.autofire:
            return
        event_id = words.new_id("evt")
        notice = Notice(
            notice_id=event_id,
            provider=words.NAME,
            out_trade_no=trade.out_trade_no,
            url=url,
            event_type=event_type,
            content=_event(event_id, event_type, data),
            signing="foreign" if wish.forged else "genuine",
            copies=wish.duplicate,
            attempt_max=1 if wish.forged else 1 + len(RESEND_SECONDS),
            due_at_ms=due_at_ms,
        )
        self._store.add_notice(notice)

    def _sealed(
        self, event_id: str, body: bytes, *, is_spoilt: bool, offset_seconds: int = 0
    ) -> Envelope:
        at_seconds = int(time.time()) + offset_seconds
        signed = self._keys.headers(event_id, at_seconds, body, is_spoilt=is_spoilt)
        return Envelope(headers=signed | {"Content-Type": "application/json"}, body=body)


def payment_data(trade: Trade, status: str) -> dict[str, Any]:
    """Return what an event says of a payment."""
    detail = words.payment_detail(trade)
    return {
        "order_id": detail.wanted.order_id,
        "intent_id": detail.wanted.intent_id,
        "amount": detail.paid_minor or trade.amount_minor,
        "currency": trade.currency,
        "status": status,
        "provider_txn_id": trade.provider_txn_id,
        "attempt_no": trade.out_trade_no,
    }


def refund_data(refund: Refund, trade: Trade) -> dict[str, Any]:
    """Return what an event says of a refund."""
    about = {"amount": refund.amount_minor, "refund_id": refund.out_refund_no}
    return payment_data(trade, refund.status) | about


def _told_minor(trade: Trade, wish: Wish) -> int:
    # A forger names any sum; an honest event names what was taken.
    if wish.forged and wish.wrong_amount:
        return wish.wrong_amount
    return words.payment_detail(trade).paid_minor or trade.amount_minor


def _event(
    event_id: str, event_type: str, data: Mapping[str, Any], *, provider: str = words.NAME
) -> bytes:
    event = {
        "event_id": event_id,
        "type": event_type,
        "provider": provider,
        "created_at": words.instant(time.time_ns() // 1_000_000),
        "data": data,
    }
    return msgspec.json.encode(event)
