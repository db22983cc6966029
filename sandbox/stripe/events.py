"""What Stripe tells its merchant: snapshot events, signed, repeated for three days.

Every event goes to the one endpoint of the settings, which is subscribed to the types below.
Source: Stripe, "Webhooks", delivery behaviours; "Types of events", read 2026-11.
"""

import secrets
import time
from typing import Annotated, Any

import msgspec

from sandbox.provider import Envelope
from sandbox.records import Notice, Trade, Wish
from sandbox.settings import StripeSettings
from sandbox.store import Store
from sandbox.stripe import words
from sandbox.stripe.signing import Keys, Which

# Exponential backoff for up to three days; Stripe tells no exact steps.
RESEND_SECONDS = (60, 300, 1800, 7200, 14400, 28800, 57600, 72000, 76000)
API_VERSION = "2026-10-28.endive"
PAID, COMPLETED = "payment_intent.succeeded", "checkout.session.completed"


class Overrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a crafted event differs from an honest one; what is in *object* takes the place of ours.

    *body* is sent word for word, *header* stands for the signature, *omit_headers* goes by name,
    *bytes_appended* follow the signature. *key* is ``old`` or ``new`` once secrets were rotated.
    """

    event_id: str | None = None
    object: dict[str, Any] = {}
    omit_object: tuple[str, ...] = ()
    livemode: bool = False
    account: str | None = None
    body: str | None = None
    header: str | None = None
    key: Which = "all"
    timestamp_offset_seconds: int = 0
    forged: bool = False
    omit_headers: tuple[str, ...] = ()
    bytes_appended: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0


class Events:
    """Makes events, owes them to the merchant and signs their copies."""

    def __init__(self, *, store: Store, own: StripeSettings, keys: Keys) -> None:
        self._store = store
        self._url = own.webhook_url
        self._keys = keys

    def tell(
        self,
        trade: Trade,
        event_type: str,
        told: dict[str, Any],
        *,
        due_at_ms: int,
        wish: Wish | None = None,
    ) -> None:
        """Owe an event, unless nobody is to hear of it."""
        wish = wish or Wish()
        if wish.drop:
            return
        event_id = new_event_id()
        notice = Notice(
            notice_id=event_id,
            provider=words.NAME,
            out_trade_no=trade.out_trade_no,
            url=self._url,
            event_type=event_type,
            content=_event(event_id, event_type, told, at=_at_of(trade, event_type)),
            signing="foreign" if wish.forged else "genuine",
            copies=wish.duplicate,
            attempt_max=1 if wish.forged else 1 + len(RESEND_SECONDS),
            due_at_ms=due_at_ms,
        )
        self._store.add_notice(notice)

    def tell_again(self, trade: Trade, event_type: str, *, due_at_ms: int, wish: Wish) -> bool:
        """Send an event once more under its id; False when it was never told."""
        told = self._store.notice_of(trade.out_trade_no, event_type)
        if told is None or wish.drop:
            return wish.drop
        again = msgspec.structs.replace(told, attempt=0, due_at_ms=due_at_ms, copies=wish.duplicate)
        self._store.reschedule(again)
        return True

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh."""
        spoilt = notice.signing == "foreign" or flaw in {"bad_signature", "signtest"}
        header = self._keys.header(notice.content, int(time.time()), is_spoilt=spoilt)
        return _envelope(notice.content, header)

    def crafted(
        self, kind: str, told: dict[str, Any], wanted: Overrides
    ) -> tuple[str, str, Envelope]:
        """Make one event with chosen faults; return its id, address and copy."""
        event_id = wanted.event_id or new_event_id()
        named = {n: v for n, v in (told | wanted.object).items() if n not in wanted.omit_object}
        more = {} if wanted.account is None else {"account": wanted.account}
        body = _event(event_id, kind, named, livemode=wanted.livemode, more=more)
        if wanted.body is not None:
            body = wanted.body.encode()
        at = int(time.time()) + wanted.timestamp_offset_seconds
        header = self._keys.header(body, at, is_spoilt=wanted.forged, which=wanted.key)
        sealed = _envelope(body, wanted.header if wanted.header is not None else header)
        omitted = {name.lower() for name in wanted.omit_headers}
        headers = {n: v for n, v in sealed.headers.items() if n.lower() not in omitted}
        copy = Envelope(headers=headers, body=sealed.body + b" " * wanted.bytes_appended)
        return event_id, self._url, copy


def new_event_id() -> str:
    """Make an event's id that nobody has."""
    return f"evt_3Sim{secrets.token_hex(10)}"


def _envelope(body: bytes, header: str) -> Envelope:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": header,
    }
    return Envelope(headers=headers, body=body)


def _at_of(trade: Trade, event_type: str) -> int | None:
    return words.detail_of(trade).paid_at if event_type in {PAID, COMPLETED} else None


def _event(
    event_id: str,
    event_type: str,
    told: dict[str, Any],
    *,
    at: int | None = None,
    livemode: bool = False,
    more: dict[str, Any] | None = None,
) -> bytes:
    event = {
        "id": event_id,
        "object": "event",
        **(more or {}),
        "api_version": API_VERSION,
        "created": int(time.time()) if at is None else at,
        "data": {"object": told},
        "livemode": livemode,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }
    return msgspec.json.encode(event)
