"""The doors to yourself: what you are called, and where mail reaches you."""

from litestar import get, put
from litestar.params import JSONBody
from msgspec import UNSET

from api.problems import documented
from api.rooms import Principal, Visitor, house_of
from contracts.errors import KnownFromSignIn
from contracts.wire.people import ChangeMe, Me
from models.people import Person, change_person, get_person


@get("/api/me", responses=documented(401))
async def get_me(request: Visitor) -> Me:
    """Show who you are to us."""
    return _me(request.user, await get_person(house_of(request).database, request.user.user_id))


@put("/api/me", responses=documented(401, 409, 413, 415))
async def change_me(request: Visitor, data: JSONBody[ChangeMe]) -> Me:
    """Say where mail reaches you and in which language; null forgets it.

    What your sign-in says of you counts, so that cannot be changed here.
    """
    wanted = {"email": data.email, "locale": data.locale}
    changes = {name: value for name, value in wanted.items() if value is not UNSET}
    if fixed := sorted(request.user.said_by_token & changes.keys()):
        raise KnownFromSignIn(fields=fixed)
    changed = await change_person(house_of(request).database, request.user.user_id, changes)
    return _me(request.user, changed)


def _me(principal: Principal, person: Person) -> Me:
    return Me(
        id=principal.user_id,
        name=person.name,
        roles=tuple(sorted(principal.roles)),
        email=person.email,
        locale=person.locale,
        state=person.state,
    )
