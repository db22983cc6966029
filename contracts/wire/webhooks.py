"""What the door for events answers."""

import msgspec


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The event is stored; what follows from it may still be under way."""

    ok: bool = True
