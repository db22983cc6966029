"""What the doors for events answer."""

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The event is stored; what follows from it may still be under way."""

    ok: bool = True


StripeStatus: TypeAlias = Literal[
    "paid",
    "failed",
    "cancelled",
    "pending",
    "requires_action",
    "refunding",
    "refunded",
    "refund_failed",
    "disputed",
]


class StripeEventTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The event is stored; *status* is what it says, which the order may show a moment later.

    *order_bid* is the order's number, found by the payment where Stripe names only that.
    """

    status: StripeStatus
    order_bid: str
    event_type: str


class StripeEventSetAside(msgspec.Struct, frozen=True, kw_only=True):
    """The event is stored and moves nothing; *reason* says why where it might have.

    ``payment_not_known``: a refund or dispute of a payment that is not known (yet). It moves what
    it says once the payment is.
    """

    status: Literal["ignored", "acknowledged"]
    event_type: str
    reason: Literal["no_order", "payment_not_known", "unreadable"] | UnsetType = UNSET
