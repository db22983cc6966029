"""The doors to tickets: their holders show them, organizers scan them."""

from io import BytesIO

import segno
from litestar import Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from actors.entrance import Ticket
from api.organizers import managed_event
from api.problems import documented
from api.references import id_of
from api.rooms import Visitor, house_of
from contracts.errors import TicketNotValid
from contracts.wire import tickets as wire

_TICKET = "/api/registrations/{registration_id:str}/ticket"
_SVG = "image/svg+xml"
# What a page needs to print it sharp; the quiet zone is part of the picture.
_MODULE_PIXELS, _QUIET_MODULES = 8, 4
# The code opens a door: nobody's cache may keep it.
_UNKEPT = {"Cache-Control": "no-store"}
_PICTURE = {
    200: ResponseSpec(bytes, description="A QR code", media_type=_SVG, generate_examples=False)
}


@get(_TICKET, responses=documented(401, 404))
async def get_ticket(request: Visitor, registration_id: FromPath[str]) -> Response[wire.Ticket]:
    """Show your ticket; it has a code while it admits you."""
    ticket = await _own(request, registration_id)
    content = wire.Ticket(
        registration_id=ticket.registration_id,
        event_id=ticket.event_id,
        event_title=ticket.event_title,
        ticket_type_name=ticket.ticket_type_name,
        status=ticket.status.value,
        ticket_code=ticket.code,
        checked_in_at=ticket.checked_in_at,
    )
    return Response(content, headers=_UNKEPT)


@get(f"{_TICKET}.svg", responses=documented(401, 404, 409) | _PICTURE)
async def get_ticket_picture(request: Visitor, registration_id: FromPath[str]) -> Response[bytes]:
    """Draw the code of your ticket as a QR code."""
    ticket = await _own(request, registration_id)
    if ticket.code is None:
        raise TicketNotValid
    return Response(_picture(ticket.code), media_type=_SVG, headers=_UNKEPT)


@post(
    "/api/events/{event_id:str}/check-in",
    status_code=200,
    responses=documented(401, 403, 404, 409, 413, 415),
)
async def check_in(
    request: Visitor, event_id: FromPath[str], data: JSONBody[wire.CheckIn]
) -> wire.CheckedIn:
    """Let in who shows a ticket of your event; a repeated scan tells when that was."""
    arrival = await house_of(request).entrance.check_in(
        event_id=await managed_event(request, event_id),
        code=data.ticket_code,
        by=request.user.user_id,
    )
    return wire.CheckedIn(
        registration_id=arrival.registration_id,
        name=arrival.name,
        ticket_type_name=arrival.ticket_type_name,
        checked_in_at=arrival.checked_in_at,
        is_first=arrival.is_first,
    )


async def _own(request: Visitor, registration_id: str) -> Ticket:
    return await house_of(request).entrance.ticket(
        registration_id=id_of(registration_id), user_id=request.user.user_id
    )


def _picture(code: str) -> bytes:
    drawn = BytesIO()
    segno.make_qr(code).save(drawn, kind="svg", scale=_MODULE_PIXELS, border=_QUIET_MODULES)
    return drawn.getvalue()
