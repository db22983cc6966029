"""The doors through which organizers put events and tickets on sale.

A PUT says the whole: what it leaves out goes back to its default.
"""

from typing import Annotated

from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from actors import catalogue
from api.events import event_answer, ticket_type_answer
from api.organizers import managed_event, manager_of
from api.problems import documented
from api.references import PAGE_SIZE, PAGE_SIZE_MAX, cursor_of, id_of, next_cursor
from api.rooms import Visitor, house_of
from contracts.event_plans import EventPlan, TicketTypePlan, TierPlan
from contracts.wire import catalogue as wire
from models.events import list_managed

_TYPES = "/api/events/{event_id:str}/ticket-types"


@get("/api/organizer/events", responses=documented(401, 403))
async def list_managed_events(
    request: Visitor,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> wire.EventPage:
    """List the events you manage, drafts included: your own, or as an admin everybody's."""
    found = await list_managed(
        house_of(request).database,
        organizer_id=manager_of(request),
        after_id=cursor_of(cursor, start=0),
        limit=limit,
    )
    return wire.EventPage(
        items=tuple(event_answer(event) for event in found),
        next_cursor=next_cursor([event.id for event in found], asked=limit),
    )


@post("/api/events", responses=documented(401, 403, 409, 413, 415))
async def create_event(request: Visitor, data: JSONBody[wire.EventToMake]) -> wire.Event:
    """Make an event of your own."""
    manager_of(request)
    made = await catalogue.create_event(
        house_of(request).database, _event_plan(data), organizer_id=request.user.user_id
    )
    return event_answer(made)


@put("/api/events/{event_id:str}", responses=documented(401, 403, 404, 409, 413, 415))
async def replace_event(
    request: Visitor, event_id: FromPath[str], data: JSONBody[wire.EventToBe]
) -> wire.Event:
    """Change an event. A draft is published, what is published closes, what is closed reopens."""
    house, managed = house_of(request), await managed_event(request, event_id)
    changed = await catalogue.change_event(house.database, managed, _event_plan(data))
    return event_answer(changed)


@post(_TYPES, responses=documented(401, 403, 404, 413, 415))
async def create_ticket_type(
    request: Visitor, event_id: FromPath[str], data: JSONBody[wire.TicketTypeToBe]
) -> wire.TicketType:
    """Put a kind of ticket beside the others."""
    house, managed = house_of(request), await managed_event(request, event_id)
    made = await catalogue.add_type(house.database, managed, _type_plan(data))
    return ticket_type_answer(made)


@put(f"{_TYPES}/{{ticket_type_id:str}}", responses=documented(401, 403, 404, 409, 413, 415))
async def replace_ticket_type(
    request: Visitor,
    event_id: FromPath[str],
    ticket_type_id: FromPath[str],
    data: JSONBody[wire.TicketTypeToBe],
) -> wire.TicketType:
    """Change a kind of ticket, its tiers replaced whole; orders that exist keep their price."""
    house, managed = house_of(request), await managed_event(request, event_id)
    changed = await catalogue.change_type(
        house.database, managed, id_of(ticket_type_id), _type_plan(data)
    )
    return ticket_type_answer(changed)


@delete(
    f"{_TYPES}/{{ticket_type_id:str}}", status_code=204, responses=documented(401, 403, 404, 409)
)
async def delete_ticket_type(
    request: Visitor, event_id: FromPath[str], ticket_type_id: FromPath[str]
) -> None:
    """Remove a kind of ticket that nobody ever had."""
    house, managed = house_of(request), await managed_event(request, event_id)
    await catalogue.remove_type(house.database, managed, id_of(ticket_type_id))


def _event_plan(data: wire.EventToMake | wire.EventToBe) -> EventPlan:
    return EventPlan(
        title=data.title,
        status=data.status,
        starts_at=data.starts_at,
        ends_at=data.ends_at,
        sale_starts_at=data.sale_starts_at,
        sale_ends_at=data.sale_ends_at,
        require_approval=data.require_approval,
        max_attendees=data.max_attendees,
    )


def _type_plan(data: wire.TicketTypeToBe) -> TicketTypePlan:
    return TicketTypePlan(
        name=data.name,
        price_minor=data.price,
        currency=data.currency,
        max_quantity=data.max_quantity,
        max_per_order=data.max_per_order,
        is_active=data.is_active,
        position=data.position,
        tiers=tuple(
            TierPlan(quantity=tier.quantity, price_minor=tier.price) for tier in data.price_tiers
        ),
    )
