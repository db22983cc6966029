"""Who may manage an event: its organizer, and every admin."""

from api.references import id_of
from api.rooms import Visitor, house_of
from contracts.errors import Forbidden
from models.events import find_managed

_ADMIN, _ORGANIZER = "admin", "organizer"


async def managed_event(request: Visitor, event_id: str) -> int:
    """Read out of a path which event is managed.

    :raises Forbidden: the role manages nothing.
    :raises NotFound: there is no such event, or it is another organizer's.
    """
    return await find_managed(
        house_of(request).database, id_of(event_id), organizer_id=manager_of(request)
    )


def manager_of(request: Visitor) -> int | None:
    """Tell whose events the asker may manage; None means everybody's.

    :raises Forbidden: the role manages nothing.
    """
    if _ADMIN in request.user.roles:
        return None
    if _ORGANIZER in request.user.roles:
        return request.user.user_id
    raise Forbidden


def organizer_id_of(request: Visitor) -> tuple[int | None, bool]:
    """Tell as which organizer somebody may look at an event, if as any, and whether as an admin."""
    roles = request.user.roles
    return (request.user.user_id if _ORGANIZER in roles else None), _ADMIN in roles
