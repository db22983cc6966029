"""What Stripe is asked for, what it remembers, and how its objects read on the wire.

A trade's status is that of its payment intent. An intent, its charge and its session share the
tail of their ids.

Source: Stripe API, "PaymentIntent", "Checkout Session", "Charge", "Refund", read 2026-11.
"""

import secrets
from typing import Annotated, Any, Literal

import msgspec

from sandbox.records import Refund, Trade

NAME, INTENT_CHANNEL, SESSION_CHANNEL = "stripe", "stripe", "stripe:checkout_session"
WAITING, PROCESSING = "requires_payment_method", "processing"
SUCCEEDED, CANCELED = "succeeded", "canceled"

_Minor = Annotated[int, msgspec.Meta(ge=1, le=99_999_999)]
_Currency = Annotated[str, msgspec.Meta(pattern=r"\A[a-zA-Z]{3}\Z")]
_Metadata = dict[
    Annotated[str, msgspec.Meta(max_length=40)], Annotated[str, msgspec.Meta(max_length=500)]
]
_Url = Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[^\s]{1,5000}\Z")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class _Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words of one call; an unknown one is refused."""


class Automatic(_Words, frozen=True, kw_only=True):
    """Whether Stripe chooses the payment methods."""

    enabled: Literal["true", "false"]


class WantedIntent(_Words, frozen=True, kw_only=True):
    """A payment intent that a merchant wants."""

    amount: _Minor
    currency: _Currency
    description: _Text | None = None
    metadata: _Metadata = {}
    automatic_payment_methods: Automatic | None = None
    payment_method_types: list[str] | None = None
    expand: list[str] = []


class Product(_Words, frozen=True, kw_only=True):
    """What the payer reads."""

    name: _Text


class Price(_Words, frozen=True, kw_only=True):
    """What one costs."""

    currency: _Currency
    unit_amount: _Minor
    product_data: Product


class Line(_Words, frozen=True, kw_only=True):
    """One line of a session."""

    price_data: Price
    quantity: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1


class IntentData(_Words, frozen=True, kw_only=True):
    """What the intent of a session will carry."""

    description: _Text | None = None
    metadata: _Metadata = {}


class WantedSession(_Words, frozen=True, kw_only=True):
    """A checkout session that a merchant wants."""

    mode: Literal["payment"]
    line_items: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=100)]
    success_url: _Url
    cancel_url: _Url | None = None
    client_reference_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    metadata: _Metadata = {}
    payment_intent_data: IntentData = IntentData()
    expires_at: int | None = None
    expand: list[str] = []


class WantedRefund(_Words, frozen=True, kw_only=True):
    """Money that a merchant wants to go back."""

    payment_intent: str
    amount: _Minor | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: _Metadata = {}
    expand: list[str] = []


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """What Stripe alone knows of a payment; with *session* it is paid on a page."""

    tail: str
    secret: str
    metadata: dict[str, str]
    description: str | None = None
    session: WantedSession | None = None
    session_expires_at: int = 0
    paid_minor: int | None = None
    paid_at: int | None = None
    failure: str | None = None


class RefundDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What Stripe alone knows of a refund."""

    refund_id: str
    currency: str
    metadata: dict[str, str]


def detail_of(trade: Trade) -> Detail:
    """Read Stripe's half of a payment."""
    return msgspec.json.decode(trade.detail, type=Detail)


def with_detail(trade: Trade, *, status: str | None = None, **changes: Any) -> Trade:  # noqa: ANN401
    """Return a payment with Stripe's half changed."""
    detail = msgspec.structs.replace(detail_of(trade), **changes)
    return msgspec.structs.replace(
        trade, status=status or trade.status, detail=msgspec.json.encode(detail)
    )


def refund_detail(refund: Refund) -> RefundDetail:
    """Read Stripe's half of a refund."""
    return msgspec.json.decode(refund.detail, type=RefundDetail)


def new_tail() -> str:
    """Make the tail of ids that nobody has."""
    return f"3Sim{secrets.token_hex(10)}"


def is_session(trade: Trade) -> bool:
    """Tell whether it is paid on a page of Stripe's."""
    return trade.channel == SESSION_CHANNEL


def session_id(trade: Trade) -> str:
    """Name the session of a payment."""
    return f"cs_test_{detail_of(trade).tail}"


def paid_minor(trade: Trade) -> int:
    """Return what was really taken."""
    return detail_of(trade).paid_minor or 0


def charge(trade: Trade, gone_minor: int) -> dict[str, Any]:
    """Return the charge of a paid payment, with the payer's data that Stripe tells of one."""
    detail = detail_of(trade)
    return {
        "id": f"ch_{detail.tail}",
        "object": "charge",
        "amount": paid_minor(trade),
        "amount_refunded": gone_minor,
        "billing_details": {"email": "payer@example.com", "name": "Jenny Rosen", "phone": None},
        "created": detail.paid_at or 0,
        "currency": trade.currency.lower(),
        "livemode": False,
        "metadata": detail.metadata,
        "paid": True,
        "payment_intent": trade.provider_txn_id,
        "payment_method": f"pm_{detail.tail}",
        "payment_method_details": {
            "type": "card",
            "card": {"brand": "visa", "last4": "4242", "fingerprint": "Xt5EWLLDS7FJjR1c"},
        },
        "receipt_email": "payer@example.com",
        "receipt_url": f"https://pay.stripe.com/receipts/{detail.tail}",
        "refunded": gone_minor >= paid_minor(trade),
        "status": SUCCEEDED,
    }


def intent(trade: Trade, gone_minor: int = 0, *, whole: bool = False) -> dict[str, Any]:
    """Return a payment intent; *whole* shows its charge instead of the charge's id."""
    detail = detail_of(trade)
    taken = charge(trade, gone_minor) if trade.status == SUCCEEDED else None
    told = {"code": "card_declined", "decline_code": detail.failure, "type": "card_error"}
    return {
        "id": trade.provider_txn_id,
        "object": "payment_intent",
        "amount": detail.paid_minor or trade.amount_minor,
        "amount_received": paid_minor(trade),
        "automatic_payment_methods": {"enabled": True},
        "capture_method": "automatic_async",
        "client_secret": f"{trade.provider_txn_id}_secret_{detail.secret}",
        "created": trade.created_at_ms // 1000,
        "currency": trade.currency.lower(),
        "description": detail.description,
        "last_payment_error": told if detail.failure and trade.status == WAITING else None,
        "latest_charge": (taken if whole else taken["id"]) if taken else None,
        "livemode": False,
        "metadata": detail.metadata,
        "next_action": None,
        "payment_method": f"pm_{detail.tail}" if taken else None,
        "receipt_email": None,
        "status": trade.status,
    }


def session(trade: Trade, base_url: str, *, whole: bool = False) -> dict[str, Any]:
    """Return a checkout session; *whole* shows its intent, once its payer went on."""
    detail = detail_of(trade)
    wanted = detail.session
    assert wanted is not None, "a session was asked for"
    status = {SUCCEEDED: "complete", PROCESSING: "complete", CANCELED: "expired"}
    is_open = trade.status == WAITING
    begun = trade.status in {SUCCEEDED, PROCESSING} or detail.failure is not None
    name = trade.provider_txn_id if begun else None
    payer = {"email": "payer@example.com", "name": "Jenny Rosen"}
    return {
        "id": session_id(trade),
        "object": "checkout.session",
        "amount_subtotal": trade.amount_minor,
        "amount_total": detail.paid_minor or trade.amount_minor,
        "cancel_url": wanted.cancel_url,
        "client_reference_id": wanted.client_reference_id,
        "client_secret": None,
        "created": trade.created_at_ms // 1000,
        "currency": trade.currency.lower(),
        "customer_details": payer if trade.status == SUCCEEDED else None,
        "expires_at": detail.session_expires_at,
        "livemode": False,
        "metadata": wanted.metadata,
        "mode": wanted.mode,
        "payment_intent": intent(trade, whole=True) if whole and begun else name,
        "payment_status": "paid" if trade.status == SUCCEEDED else "unpaid",
        "status": status.get(trade.status, "open"),
        "success_url": wanted.success_url,
        "url": f"{base_url}/stripe/checkout/{session_id(trade)}" if is_open else None,
    }


def refund(made: Refund, trade: Trade) -> dict[str, Any]:
    """Return a refund."""
    detail = refund_detail(made)
    return {
        "id": detail.refund_id,
        "object": "refund",
        "amount": made.amount_minor,
        "charge": f"ch_{detail_of(trade).tail}",
        "created": made.created_at_ms // 1000,
        "currency": detail.currency,
        "destination_details": {"type": "card", "card": {"type": "refund"}},
        "metadata": detail.metadata,
        "payment_intent": trade.provider_txn_id,
        "reason": None,
        "receipt_number": None,
        "status": made.status,
    }


def dispute(trade: Trade) -> dict[str, Any]:
    """Return a dispute of a whole payment, of which the control API may change every word."""
    return {
        "id": f"du_{detail_of(trade).tail}",
        "object": "dispute",
        "amount": paid_minor(trade) or trade.amount_minor,
        "charge": f"ch_{detail_of(trade).tail}",
        "created": trade.created_at_ms // 1000,
        "currency": trade.currency.lower(),
        "evidence": {"customer_email_address": "payer@example.com"},
        "livemode": False,
        "metadata": {},
        "payment_intent": trade.provider_txn_id,
        "reason": "fraudulent",
        "status": "needs_response",
    }


def page(path: str, things: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a list that fits on one page."""
    return {"object": "list", "url": path, "has_more": False, "data": things}
