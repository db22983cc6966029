"""The doors to what is on sale, open to everybody."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from api.auth import PUBLIC
from api.problems import documented
from api.references import PAGE_SIZE, PAGE_SIZE_MAX, cursor_of, id_of, next_cursor
from api.rooms import Anybody, house_of
from contracts.wire.catalogue import Event, EventPage, PriceTier, TicketType
from models.events import EventView, TicketTypeView
from models.events import get_event as read_event
from models.events import list_events as read_events


@get("/api/events", opt=PUBLIC, responses=documented())
async def list_events(
    request: Anybody,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> EventPage:
    """List the events that can be seen."""
    found = await read_events(
        house_of(request).database, after_id=cursor_of(cursor, start=0), limit=limit
    )
    return EventPage(
        items=tuple(event_answer(event) for event in found),
        next_cursor=next_cursor([event.id for event in found], asked=limit),
    )


@get("/api/events/{event_id:str}", opt=PUBLIC, responses=documented(404))
async def get_event(request: Anybody, event_id: FromPath[str]) -> Event:
    """Show one event with its tickets and what is left of them."""
    return event_answer(await read_event(house_of(request).database, id_of(event_id)))


def event_answer(event: EventView) -> Event:
    """Say how an event is."""
    return Event(
        id=event.id,
        title=event.title,
        status=event.status,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        sale_starts_at=event.sale_starts_at,
        sale_ends_at=event.sale_ends_at,
        require_approval=event.require_approval,
        max_attendees=event.max_attendees,
        ticket_types=tuple(ticket_type_answer(kind) for kind in event.ticket_types),
    )


def ticket_type_answer(kind: TicketTypeView) -> TicketType:
    """Say how a kind of ticket is."""
    return TicketType(
        id=kind.id,
        name=kind.name,
        price=kind.price_minor,
        currency=kind.currency,
        max_quantity=kind.max_quantity,
        current_quantity=kind.current_quantity,
        max_per_order=kind.max_per_order,
        is_active=kind.is_active,
        position=kind.position,
        price_tiers=tuple(
            PriceTier(quantity=tier.quantity, price=tier.price_minor) for tier in kind.tiers
        ),
    )
