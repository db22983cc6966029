"""What Ping++ is asked for, what it remembers, and how both read on the wire.

A trade is what the channel below knows under the merchant's number; it may have several charges,
of which the first is the one that gets paid. A trade's status is ``unpaid``, ``paid`` or
``reversed``; a refund's ``pending``, ``succeeded`` or ``failed``. Amounts are in fen, times on the
wire in seconds.

Source: Ping++ API, Charges and Refunds, objects, parameters and examples, read 2026-11.
"""

import secrets
from typing import Annotated, Any, Literal

import msgspec

from sandbox.records import Refund, Trade

NAME = "pingxx"
UNPAID, PAID, REVERSED = "unpaid", "paid", "reversed"
PENDING, SUCCEEDED, FAILED = "pending", "succeeded", "failed"
_ID_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 24

Metadata = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=40)], Annotated[str, msgspec.Meta(max_length=500)]],
    msgspec.Meta(max_length=10),
]


class App(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The app a charge is for."""

    id: str


class WantedCharge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One charge a merchant wants."""

    order_no: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z]{8,32}\Z")]
    app: App
    channel: Literal["wx_pub", "wx_pub_qr", "wx_lite", "alipay_qr"]
    amount: Annotated[int, msgspec.Meta(ge=1, le=10**10)]
    client_ip: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-fA-F.:]{3,45}\Z")]
    currency: Literal["cny"]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    body: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    extra: dict[str, Annotated[str, msgspec.Meta(min_length=1, max_length=128)]] = {}
    time_expire: int | None = None
    metadata: Metadata = {}
    description: Annotated[str, msgspec.Meta(max_length=255)] | None = None


class WantedRefund(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money a merchant wants to go back; all that is left unless it says how much."""

    description: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    amount: Annotated[int, msgspec.Meta(ge=1, le=10**10)] | None = None
    metadata: Metadata = {}


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One charge of a trade."""

    id: str
    created_at_ms: int


class TradeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What Ping++ alone knows of a trade."""

    wanted: WantedCharge
    charges: tuple[Made, ...]
    prepay_id: str
    transaction_no: str | None = None
    paid_minor: int | None = None
    paid_at_ms: int | None = None


class RefundDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What Ping++ alone knows of a refund."""

    refund_id: str
    charge_id: str
    wanted: WantedRefund
    failure_code: str | None = None
    ended_at_ms: int | None = None


def new_id(prefix: str) -> str:
    """Make an id nobody has, 24 characters behind the prefix."""
    return f"{prefix}_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


def trade_detail(trade: Trade) -> TradeDetail:
    """Read Ping++'s half of a trade."""
    return msgspec.json.decode(trade.detail, type=TradeDetail)


def refund_detail(refund: Refund) -> RefundDetail:
    """Read Ping++'s half of a refund."""
    return msgspec.json.decode(refund.detail, type=RefundDetail)


def is_paid_by(trade: Trade, charge_id: str) -> bool:
    """Tell whether it was this charge of the trade that the channel took the money for."""
    return trade.status == PAID and trade_detail(trade).charges[0].id == charge_id


def as_paid(trade: Trade, now_ms: int, amount_minor: int) -> Trade:
    """Return a trade as it is once its money was taken."""
    detail = msgspec.structs.replace(
        trade_detail(trade),
        transaction_no=f"42000{secrets.randbelow(10**23):023d}",
        paid_minor=amount_minor,
        paid_at_ms=now_ms,
    )
    return msgspec.structs.replace(trade, status=PAID, detail=msgspec.json.encode(detail))


def is_expired(trade: Trade, now_ms: int) -> bool:
    """Tell whether the payer is too late; the status does not change by this."""
    return trade.expires_at_ms is not None and trade.expires_at_ms <= now_ms


def charge_object(
    trade: Trade,
    made: Made,
    refunds: list[Refund],
    *,
    is_live: bool,
    credential: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one charge as it reads; only its maker is shown what pays it."""
    detail = trade_detail(trade)
    wanted = detail.wanted
    is_paid = is_paid_by(trade, made.id)
    returned = [part for part in refunds if part.status == SUCCEEDED] if is_paid else []
    amount = detail.paid_minor if is_paid and detail.paid_minor else wanted.amount
    return {
        "id": made.id,
        "object": "charge",
        "created": made.created_at_ms // 1000,
        "livemode": is_live,
        "paid": is_paid,
        "refunded": is_paid and bool(refunds),
        "reversed": trade.status == REVERSED,
        "app": wanted.app.id,
        "channel": wanted.channel,
        "order_no": wanted.order_no,
        "client_ip": wanted.client_ip,
        "amount": amount,
        "amount_settle": amount,
        "currency": wanted.currency,
        "subject": wanted.subject,
        "body": wanted.body,
        "extra": wanted.extra | ({"bank_type": "OTHERS"} if is_paid else {}),
        "time_paid": _seconds(detail.paid_at_ms) if is_paid else None,
        "time_expire": _seconds(trade.expires_at_ms),
        "time_settle": None,
        "transaction_no": detail.transaction_no if is_paid else None,
        "refunds": {
            "object": "list",
            "url": f"/v1/charges/{made.id}/refunds",
            "has_more": False,
            "data": [],
        },
        "amount_refunded": sum(part.amount_minor for part in returned),
        "failure_code": None,
        "failure_msg": None,
        "metadata": wanted.metadata,
        "credential": credential or {},
        "description": wanted.description,
    }


def refund_object(refund: Refund) -> dict[str, Any]:
    """Return one refund as it reads."""
    detail = refund_detail(refund)
    return {
        "id": detail.refund_id,
        "object": "refund",
        "order_no": detail.refund_id.removeprefix("re_"),
        "amount": refund.amount_minor,
        "created": refund.created_at_ms // 1000,
        "succeed": refund.status == SUCCEEDED,
        "status": refund.status,
        "time_succeed": _seconds(detail.ended_at_ms) if refund.status == SUCCEEDED else None,
        "description": detail.wanted.description,
        "failure_code": detail.failure_code,
        "failure_msg": None if detail.failure_code is None else "退款失败",
        "metadata": detail.wanted.metadata,
        "charge": detail.charge_id,
        "charge_order_no": refund.out_trade_no,
        "transaction_no": None,
        "extra": {},
    }


def _seconds(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms // 1000
