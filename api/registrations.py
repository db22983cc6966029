"""The doors to places: taken for nothing, given up, and decided upon by organizers."""

from litestar import delete, post
from litestar.params import FromPath, JSONBody

from api import answers
from api.bodies import refuse_words
from api.organizers import manager_of
from api.problems import documented
from api.references import id_of
from api.rooms import Visitor, house_of
from api.tracing import trace_context
from contracts.commands import CreateOrder
from contracts.numbers import new_order_no
from contracts.wire.orders import FreeRegistration, Registration
from contracts.wire.places import Register
from models.order_views import place_of


@post(
    "/api/events/{event_id:str}/register",
    responses=documented(401, 404, 409, 413, 415, 422),
)
async def register(
    request: Visitor, event_id: FromPath[str], data: JSONBody[Register]
) -> FreeRegistration:
    """Take a free ticket."""
    house = house_of(request)
    command = CreateOrder(
        order_no=new_order_no(),
        event_id=id_of(event_id),
        ticket_type_id=data.ticket_type_id,
        user_id=request.user.user_id,
        quantity=1,
        payment_channel=house.settings.payment_provider,
        answers=data.answers,
        trace_ctx=trace_context(),
    )
    registration_id = await house.places.register(command)
    return answers.free_registration(await place_of(house.database, registration_id))


@delete("/api/events/{event_id:str}/register", responses=documented(401, 404, 409, 413))
async def leave(request: Visitor, event_id: FromPath[str]) -> None:
    """Give up a free place; its seat can be had again at once."""
    await refuse_words(request)
    await house_of(request).places.leave(event_id=id_of(event_id), user_id=request.user.user_id)


@post(
    "/api/registrations/{registration:str}/approve",
    status_code=200,
    responses=documented(401, 403, 404, 409, 413),
)
async def approve_registration(request: Visitor, registration: FromPath[str]) -> Registration:
    """Let a person in."""
    return await _decide(request, registration, approve=True)


@post(
    "/api/registrations/{registration:str}/reject",
    status_code=200,
    responses=documented(401, 403, 404, 409, 413),
)
async def reject_registration(request: Visitor, registration: FromPath[str]) -> Registration:
    """Do not let a person in: a guest's seat goes back to the buyer, a buyer's money in full."""
    return await _decide(request, registration, approve=False)


async def _decide(request: Visitor, registration: str, *, approve: bool) -> Registration:
    organizer_id = manager_of(request)
    await refuse_words(request)
    place = await house_of(request).places.decide(
        id_of(registration),
        approve=approve,
        by_user_id=request.user.user_id,
        organizer_id=organizer_id,
    )
    return Registration(id=place.id, status=place.status.value)
