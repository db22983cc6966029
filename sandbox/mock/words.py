"""What the mock provider is asked for, what it remembers, and how both read on the wire.

A payment's status is ``requires_action``, ``succeeded``, ``failed`` or ``closed``; a refund's
``processing``, ``succeeded``, ``failed`` or ``stuck``. Amounts are integer minor units.
"""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from sandbox.records import Refund, Trade

NAME, CHANNEL = "mock", "MOCK"
REQUIRES_ACTION, SUCCEEDED, FAILED, CLOSED = "requires_action", "succeeded", "failed", "closed"
PROCESSING, STUCK = "processing", "stuck"

_Number = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_\-]{1,64}\Z")]
_Minor = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
_Currency = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
_Id = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
_Url = Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[^\s]{1,500}\Z")]


class WantedPayment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attempt of a merchant to be paid; *simulate* says how it goes, anything else well."""

    attempt_no: _Number
    order_id: _Id
    intent_id: _Id
    amount: _Minor
    currency: _Currency
    description: Annotated[str, msgspec.Meta(max_length=500)]
    notify_url: _Url
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    simulate: Annotated[str, msgspec.Meta(max_length=64)] = SUCCEEDED


class WantedRefund(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money a merchant wants to go back."""

    refund_no: _Number
    attempt_no: _Number
    amount: _Minor
    currency: _Currency
    reason: Annotated[str, msgspec.Meta(max_length=500)]
    notify_url: _Url


class PaymentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What the mock provider alone knows of a payment."""

    payment_id: str
    wanted: WantedPayment
    paid_minor: int | None = None
    paid_at_ms: int | None = None


class RefundDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What the mock provider alone knows of a refund."""

    refund_id: str
    wanted: WantedRefund


def new_id(prefix: str) -> str:
    """Make an id nobody has: ``pi_mock_``, ``txn_mock_``, ``rf_mock_`` or ``evt_mock_``."""
    return f"{prefix}_mock_{secrets.token_hex(12)}"


def payment_detail(trade: Trade) -> PaymentDetail:
    """Read the provider's half of a payment."""
    return msgspec.json.decode(trade.detail, type=PaymentDetail)


def refund_detail(refund: Refund) -> RefundDetail:
    """Read the provider's half of a refund."""
    return msgspec.json.decode(refund.detail, type=RefundDetail)


def paid_minor(trade: Trade) -> int:
    """Return what was really taken."""
    return payment_detail(trade).paid_minor or 0


def as_paid(trade: Trade, now_ms: int, amount_minor: int) -> Trade:
    """Return a payment as it is once its money was taken."""
    detail = msgspec.structs.replace(
        payment_detail(trade), paid_minor=amount_minor, paid_at_ms=now_ms
    )
    return msgspec.structs.replace(trade, status=SUCCEEDED, detail=msgspec.json.encode(detail))


def is_expired(trade: Trade, now_ms: int) -> bool:
    """Tell whether the payer is too late; the status does not change by this."""
    return trade.expires_at_ms is not None and trade.expires_at_ms <= now_ms


def payment_answer(trade: Trade) -> dict[str, Any]:
    """Return the answer about a payment."""
    detail = payment_detail(trade)
    paid_at = None if detail.paid_at_ms is None else instant(detail.paid_at_ms)
    return {
        "id": detail.payment_id,
        "attempt_no": trade.out_trade_no,
        "status": trade.status,
        "txn_id": trade.provider_txn_id,
        "amount": detail.paid_minor or trade.amount_minor,
        "currency": trade.currency,
        "paid_at": paid_at,
    }


def refund_answer(refund: Refund) -> dict[str, Any]:
    """Return the answer about a refund."""
    detail = refund_detail(refund)
    return {
        "id": detail.refund_id,
        "refund_no": refund.out_refund_no,
        "attempt_no": refund.out_trade_no,
        "status": refund.status,
        "amount": refund.amount_minor,
        "currency": detail.wanted.currency,
    }


def instant(at_ms: int) -> str:
    """Write an instant as RFC 3339 in UTC."""
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
