"""What Ping++ tells the merchant unasked: signed over its bytes, and repeated until it is heard.

Source: Ping++, Webhooks guide and the Event object, read 2026-11.
"""

import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from sandbox.pingxx import words
from sandbox.pingxx.keys import Keys
from sandbox.provider import Envelope
from sandbox.records import Notice, Refund, Trade, Wish
from sandbox.settings import PingxxSettings
from sandbox.store import Store

# 2m/10m/10m/1h/2h/6h/15h: eight sends within 24 h 22 min, then silence.
RESEND_SECONDS = (120, 600, 600, 3600, 7200, 21600, 54000)
PAID, REFUNDED = "charge.succeeded", "refund.succeeded"


class Overrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from an honest event. Everything is signed as it stands unless said.

    *object* takes the place of fields of the charge, *omit* takes some out, *body* is sent word
    for word, *padding_bytes* are blanks under the signature, *bytes_appended* behind it.
    """

    id: str | None = None
    livemode: bool | None = None
    created_offset_seconds: int = 0
    object: dict[str, Any] = {}
    omit: tuple[str, ...] = ()
    body: str | None = None
    padding_bytes: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0
    key: Literal["new", "old"] = "new"
    forged: bool = False
    omit_headers: tuple[str, ...] = ()
    signature_prefix: str = ""
    bytes_appended: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0


class Events:
    """Makes events, owes them to the merchant and signs their copies."""

    def __init__(self, *, store: Store, own: PingxxSettings, keys: Keys) -> None:
        self._store = store
        self._own = own
        self._keys = keys

    def tell_payment(
        self, trade: Trade, charge: dict[str, Any], due_at_ms: int, wish: Wish
    ) -> None:
        """Owe the event of a payment, unless nobody is to hear of it."""
        if not wish.drop:
            self._owe(trade.out_trade_no, PAID, charge, due_at_ms, wish)

    def tell_again(self, told: Notice, due_at_ms: int, wish: Wish) -> None:
        """Send an event once more, under the same id."""
        if not wish.drop:
            again = msgspec.structs.replace(
                told, attempt=0, due_at_ms=due_at_ms, copies=wish.duplicate
            )
            self._store.reschedule(again)

    def tell_refund(self, refund: Refund, due_at_ms: int) -> None:
        """Owe the event of a refund that succeeded; nothing else of refunds is told."""
        if refund.status == words.SUCCEEDED:
            told = words.refund_object(refund)
            self._owe(refund.out_trade_no, REFUNDED, told, due_at_ms, Wish())

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy with the key of now."""
        is_foreign = notice.signing == "foreign" or flaw in {"bad_signature", "signtest"}
        return self._sealed(notice.content, is_foreign=is_foreign)

    def crafted(
        self, kind: str, charge: dict[str, Any], wanted: Overrides
    ) -> tuple[str, str, Envelope]:
        """Make one event of a charge with chosen faults; return its id, address and copy."""
        told = {n: v for n, v in (charge | wanted.object).items() if n not in wanted.omit}
        livemode = self._own.is_live if wanted.livemode is None else wanted.livemode
        event = _event(PAID if kind == "success" else kind, told, is_live=livemode)
        event |= {"created": event["created"] + wanted.created_offset_seconds}
        event |= {} if wanted.id is None else {"id": wanted.id}
        body = msgspec.json.encode(event) if wanted.body is None else wanted.body.encode()
        envelope = self._sealed(
            body + b" " * wanted.padding_bytes,
            is_foreign=wanted.forged,
            is_old=wanted.key == "old",
            prefix=wanted.signature_prefix,
        )
        omitted = {name.lower() for name in wanted.omit_headers}
        headers = {n: v for n, v in envelope.headers.items() if n.lower() not in omitted}
        copy = Envelope(headers=headers, body=envelope.body + b" " * wanted.bytes_appended)
        return event["id"], self._own.webhook_url, copy

    def _owe(
        self,
        out_trade_no: str,
        event_type: str,
        told: Mapping[str, Any],
        due_at_ms: int,
        wish: Wish,
    ) -> None:
        event = _event(event_type, told, is_live=self._own.is_live)
        notice = Notice(
            notice_id=event["id"],
            provider=words.NAME,
            out_trade_no=out_trade_no,
            url=self._own.webhook_url,
            event_type=event_type,
            content=msgspec.json.encode(event),
            signing="foreign" if wish.forged else "genuine",
            copies=wish.duplicate,
            attempt_max=1 if wish.forged else 1 + len(RESEND_SECONDS),
            due_at_ms=due_at_ms,
        )
        self._store.add_notice(notice)

    def _sealed(
        self, body: bytes, *, is_foreign: bool, is_old: bool = False, prefix: str = ""
    ) -> Envelope:
        signature = prefix + self._keys.sign(body, is_foreign=is_foreign, is_old=is_old)
        headers = {
            "Content-Type": "application/json;charset=UTF-8",
            "User-Agent": "Pingplusplus-Webhooks",
            "X-Pingplusplus-Signature": signature,
        }
        return Envelope(headers=headers, body=body)


def _event(event_type: str, told: Mapping[str, Any], *, is_live: bool) -> dict[str, Any]:
    return {
        "id": words.new_id("evt"),
        "created": int(time.time()),
        "livemode": is_live,
        "type": event_type,
        "data": {"object": dict(told)},
        "object": "event",
        "request": f"iar_{secrets.token_hex(12)}",
        "pending_webhooks": 0,
    }
