"""The doors to what is on sale, and to what organizers put on sale."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from contracts.states import EventStatus
from contracts.wire.fields import Quantity

# What a group can be asked to pay stays far below 2^53, however many tickets it takes.
PRICE_MAX = 10_000_000_000
SEATS_MAX = 1_000_000_000
_TITLE_MAX, _NAME_MAX, _POSITION_MAX, _TIERS_MAX = 200, 100, 10_000, 100

Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
Seats: TypeAlias = Annotated[int, Meta(ge=1, le=SEATS_MAX)]


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
    max_per_order: int
    is_active: bool
    position: int
    price_tiers: tuple[PriceTier, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event and its tickets."""

    id: int
    title: str
    status: str
    starts_at: datetime
    ends_at: datetime
    sale_starts_at: Annotated[datetime | None, Meta(description="null: it has begun")]
    sale_ends_at: Annotated[datetime | None, Meta(description="null: when the event ends")]
    require_approval: bool
    max_attendees: Annotated[int | None, Meta(description="null: no limit")]
    ticket_types: tuple[TicketType, ...]


class EventPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some events, soonest first; ask again with *nextCursor* as `cursor` for more."""

    items: tuple[Event, ...]
    next_cursor: str | None


class EventToMake(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """A new event; what is not said has its default."""

    title: Annotated[str, Meta(min_length=1, max_length=_TITLE_MAX)]
    starts_at: Moment
    ends_at: Moment
    status: EventStatus = EventStatus.DRAFT
    sale_starts_at: Moment | None = None
    sale_ends_at: Moment | None = None
    require_approval: bool = False
    max_attendees: Seats | None = None


class EventToBe(EventToMake, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """An event as a whole: what is not said goes back to its default, so its status is said."""

    status: EventStatus


class TierToBe(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The price of an exact quantity, in minor units, for all of it."""

    quantity: Quantity
    price: Annotated[int, Meta(ge=1, le=PRICE_MAX)]


class TicketTypeToBe(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """A kind of ticket as a whole; with a price of 0 and no tiers it is free."""

    name: Annotated[str, Meta(min_length=1, max_length=_NAME_MAX)]
    price: Annotated[int, Meta(ge=0, le=PRICE_MAX)]
    currency: Literal["CNY"] = "CNY"
    max_quantity: Seats | None = None
    max_per_order: Quantity = 10
    is_active: bool = True
    position: Annotated[int, Meta(ge=0, le=_POSITION_MAX)] = 0
    price_tiers: Annotated[tuple[TierToBe, ...], Meta(max_length=_TIERS_MAX)] = ()
