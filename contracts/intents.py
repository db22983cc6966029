"""Leave to collect one amount for one order."""

from datetime import datetime

import msgspec

from contracts.money import Money
from contracts.states import IntentEnd


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for once, and is collected by one attempt after another until one is paid.

    An order has one that has not ended. *idempotency_key* None: nobody asked for it by name, it
    came with an attempt. Where it stands is never stored but told by its attempts and its order.
    """

    id: int
    order_id: int
    provider: str
    amount: Money
    created_at: datetime
    idempotency_key: str | None = None
    ended_at: datetime | None = None
    end: IntentEnd | None = None
