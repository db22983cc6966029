"""Events about money in one shape, whoever's they are."""

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

PAYMENT_SUCCEEDED: Final = "payment.succeeded"
PAYMENT_FAILED: Final = "payment.failed"
PAYMENT_REQUIRES_ACTION: Final = "payment.requires_action"
REFUND_SUCCEEDED: Final = "refund.succeeded"
REFUND_FAILED: Final = "refund.failed"
ABOUT_PAYMENTS: Final = frozenset({PAYMENT_SUCCEEDED, PAYMENT_FAILED, PAYMENT_REQUIRES_ACTION})
ABOUT_REFUNDS: Final = frozenset({REFUND_SUCCEEDED, REFUND_FAILED})

# JSON numbers are doubles to many senders.
_NUMBER_MAX: Final = 2**53 - 1

# To its very end: a dollar would let a line feed follow.
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]+(?![\s\S])"
_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255, pattern=_PRINTABLE)]
# As wide as the columns that keep what a provider calls a payment, and an event.
_Reference: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PRINTABLE)]
_Number: TypeAlias = Annotated[int, Meta(ge=1, le=_NUMBER_MAX)]


class EventData(msgspec.Struct, frozen=True, kw_only=True):
    """Which intent of which order an event is about; *amount* is in minor units.

    *attempt_no* is our number of the attempt, where the sender knows it. *refund_id* is the number
    we gave the refund; of a refund *amount* is what it sends back.
    """

    order_id: _Number
    intent_id: _Number
    amount: _Number
    currency: Annotated[str, Meta(pattern=r"^[A-Za-z]{3}(?![\s\S])")]
    status: _Name
    provider_txn_id: _Reference | None = None
    attempt_no: _Name | None = None
    refund_id: _Name | None = None


class NormalizedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider tells: one *event_id* is one event, however often it comes."""

    event_id: _Reference
    type: _Name
    provider: _Name
    created_at: Annotated[datetime, Meta(tz=True)]
    data: EventData


class Identified(msgspec.Struct, frozen=True, kw_only=True):
    """As much of an event as its row needs, whatever else is wrong with it."""

    event_id: _Reference
    provider: str = ""
