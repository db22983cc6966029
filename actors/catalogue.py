"""What organizers change: events and what is on sale for them.

Orders that exist keep their price. A changed wish for approval counts for money that settles
afterwards, and for free places taken afterwards.
"""

from actors.event_plans import check_event, check_move, check_room, check_type
from contracts.errors import InvalidState, NotFound
from contracts.event_plans import EventPlan, TicketTypePlan
from contracts.states import EventStatus
from models import event_plans as written
from models.engine import Database
from models.events import EventView, TicketTypeView, event_of_any_status


async def create_event(database: Database, plan: EventPlan, *, organizer_id: int) -> EventView:
    """Make an event that belongs to an organizer.

    :raises InvalidRequest: the plan contradicts itself.
    :raises InvalidState: nothing begins closed.
    """
    check_event(plan)
    check_move(EventStatus.DRAFT, plan.status)
    async with database.transaction() as tx:
        event_id = await written.insert_event(tx, plan, organizer_id=organizer_id)
    return await event_of_any_status(database, event_id)


async def change_event(database: Database, event_id: int, plan: EventPlan) -> EventView:
    """Make an event what the plan says.

    :raises InvalidRequest: the plan contradicts itself.
    :raises InvalidState: it does not go to that status.
    :raises MaxBelowSold: more people have a seat than it would hold.
    """
    check_event(plan)
    async with database.transaction() as tx:
        check_move(await written.lock_event(tx, event_id), plan.status)
        await written.raise_versions(tx, event_id)
        check_room(plan.max_attendees, await written.lock_attendance(tx, event_id))
        await written.update_event(tx, event_id, plan)
    return await event_of_any_status(database, event_id)


async def add_type(database: Database, event_id: int, plan: TicketTypePlan) -> TicketTypeView:
    """Put a new kind of ticket beside the others.

    :raises InvalidRequest: the plan contradicts itself.
    """
    check_type(plan)
    async with database.transaction() as tx:
        await written.lock_event(tx, event_id)
        type_id = await written.insert_type(tx, event_id, plan)
    return await _ticket_type(database, event_id, type_id)


async def change_type(
    database: Database, event_id: int, type_id: int, plan: TicketTypePlan
) -> TicketTypeView:
    """Make a kind of ticket what the plan says, its tiers replaced whole.

    :raises InvalidRequest: the plan contradicts itself.
    :raises MaxBelowSold: more are gone than there would be.
    :raises NotFound: the event has no such type.
    """
    check_type(plan)
    async with database.transaction() as tx:
        await written.lock_event(tx, event_id)
        check_room(plan.max_quantity, await written.lock_type(tx, event_id, type_id))
        await written.update_type(tx, type_id, plan)
    return await _ticket_type(database, event_id, type_id)


async def remove_type(database: Database, event_id: int, type_id: int) -> None:
    """Remove a kind of ticket that nobody ever had.

    :raises InvalidState: an order or a registration is for it; take it off sale instead.
    :raises NotFound: the event has no such type.
    """
    async with database.transaction() as tx:
        await written.lock_event(tx, event_id)
        await written.lock_type(tx, event_id, type_id)
        if await written.is_named(tx, event_id, type_id):
            raise InvalidState("Somebody has had such a ticket; set isActive to false instead.")
        await written.delete_type(tx, type_id)


async def _ticket_type(database: Database, event_id: int, type_id: int) -> TicketTypeView:
    event = await event_of_any_status(database, event_id)
    kind = next((kind for kind in event.ticket_types if kind.id == type_id), None)
    if kind is None:
        # Somebody else removed it between our commit and this look.
        raise NotFound
    return kind
