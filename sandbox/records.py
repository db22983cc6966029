"""What every simulated provider remembers, in words that fit all of them.

``detail`` and ``content`` are the provider's own JSON: nothing outside its folder reads them.
Times are milliseconds since the epoch.
"""

from typing import Annotated

import msgspec


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One number a merchant asked money for, at one provider, on one channel."""

    provider: str
    out_trade_no: str
    channel: str
    amount_minor: int
    currency: str
    status: str
    created_at_ms: int
    expires_at_ms: int | None
    provider_txn_id: str | None = None
    detail: bytes = b"{}"


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back. Without ``settle_at_ms`` only the control API settles it."""

    provider: str
    out_refund_no: str
    out_trade_no: str
    amount_minor: int
    status: str
    created_at_ms: int
    settle_at_ms: int | None
    detail: bytes = b"{}"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One event a merchant must hear of; the same id on every send."""

    notice_id: str
    provider: str
    out_trade_no: str
    url: str
    event_type: str
    content: bytes
    signing: str = "genuine"  # or "foreign": somebody else's key under the provider's name
    copies: int = 1
    attempt: int = 0
    attempt_max: int
    due_at_ms: int | None


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of a notice that was sent; no status means that no answer came."""

    notice_id: str
    out_trade_no: str
    event_type: str
    attempt: int
    status: int | None
    sent_at_ms: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a call under an idempotency key was answered; *fingerprint* is of its words."""

    provider: str
    key: str
    fingerprint: str
    status: int
    body: bytes
    at_ms: int


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an outcome is to be told to the merchant. ``delay_ms`` is not scaled."""

    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 0
    duplicate: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    drop: bool = False
    wrong_amount: Annotated[int, msgspec.Meta(ge=1, le=10**12)] | None = None
    forged: bool = False
