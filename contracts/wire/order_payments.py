"""The door to everything that was tried, paid and sent back for an order."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class IntentView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Leave to collect the order's price; *amount* in minor units."""

    intent_id: int
    status: str
    provider: str
    amount: int
    currency: str
    created_at: datetime
    ended_at: Annotated[datetime | None, Meta(description="null: it is the order's own")]
    end_reason: str | None


class AttemptView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One try to collect it, by whichever door it was started; *amount* in minor units."""

    attempt_id: int
    intent_id: int | None
    attempt_no: str
    provider: str
    channel: str
    status: str
    amount: int
    currency: str
    created_at: datetime


class PaymentView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Verified money; without *isHonoured* the order cannot keep it and it goes back."""

    payment_id: int
    intent_id: int | None
    attempt_id: int | None
    status: str
    provider: str
    provider_txn_id: str
    amount: int
    currency: str
    is_honoured: bool
    source: str
    paid_at: datetime


class RefundOfOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Money on its way back; *kind* says who moved it."""

    refund_id: int
    payment_id: int
    refund_no: str
    status: str
    amount: int
    currency: str
    reason: str
    kind: str
    created_at: datetime


class OrderPayments(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything of one order, newest first."""

    attempts: tuple[AttemptView, ...]
    payments: tuple[PaymentView, ...]
    refunds: tuple[RefundOfOrder, ...]
    intents: tuple[IntentView, ...]
