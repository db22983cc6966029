"""The door to what is on sale."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class PriceTier(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The price of an exact quantity, in minor units, for all of it."""

    quantity: int
    price: int


class TicketType(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A kind of ticket; *price* is of one, in minor units."""

    id: int
    name: str
    price: int
    currency: str
    max_quantity: Annotated[int | None, Meta(description="null: no limit")]
    current_quantity: int
    is_active: bool
    price_tiers: tuple[PriceTier, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event and its tickets."""

    id: int
    title: str
    status: str
    starts_at: datetime
    ends_at: datetime
    require_approval: bool
    max_attendees: Annotated[int | None, Meta(description="null: no limit")]
    ticket_types: tuple[TicketType, ...]


class EventPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some events, soonest first; ask again with *nextCursor* as `cursor` for more."""

    items: tuple[Event, ...]
    next_cursor: str | None
