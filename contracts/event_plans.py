"""What an organizer wants an event and its tickets to be."""

from datetime import datetime

import msgspec

from contracts.states import EventStatus


class EventPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An event as a whole; without a sale window tickets sell until it ends."""

    title: str
    status: EventStatus
    starts_at: datetime
    ends_at: datetime
    sale_starts_at: datetime | None
    sale_ends_at: datetime | None
    require_approval: bool
    max_attendees: int | None


class TierPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The total price of an exact quantity."""

    quantity: int
    price_minor: int


class TicketTypePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of ticket as a whole; without a price and without tiers it is free."""

    name: str
    price_minor: int
    currency: str
    max_quantity: int | None
    max_per_order: int
    is_active: bool
    position: int
    tiers: tuple[TierPlan, ...]
