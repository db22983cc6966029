"""The door through which organizers see who comes."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import structs

from api.organizers import managed_event
from api.problems import documented
from api.references import PAGE_SIZE, PAGE_SIZE_MAX, cursor_of, next_cursor
from api.rooms import Visitor, house_of
from contracts.states import RegistrationStatus
from contracts.wire.guest_list import Guest, GuestPage
from models.guest_list import list_guests


@get("/api/events/{event_id:str}/registrations", responses=documented(401, 403, 404))
async def list_registrations(
    request: Visitor,
    event_id: FromPath[str],
    status: FromQuery[RegistrationStatus | None] = None,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> GuestPage:
    """List who has, had or wants a place at your event, oldest first."""
    after_id = cursor_of(cursor, start=0)
    found = await list_guests(
        house_of(request).database,
        await managed_event(request, event_id),
        status=None if status is None else status.value,
        after_id=after_id,
        limit=limit,
    )
    return GuestPage(
        items=tuple(Guest(**structs.asdict(guest)) for guest in found),
        next_cursor=next_cursor([guest.id for guest in found], asked=limit),
    )
