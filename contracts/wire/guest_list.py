"""The door to who comes."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class Guest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One person's place, with the order it belongs to; a free place belongs to none."""

    id: int
    status: str
    user_id: int
    name: str | None
    ticket_type_id: int
    ticket_type_name: str | None
    order_id: int | None
    order_no: str | None
    order_status: str | None
    invite_id: Annotated[int | None, Meta(description="null: no gift")]
    answers: Annotated[dict[str, str] | None, Meta(description="to the organizer's questions")]
    checked_in_at: datetime | None
    created_at: datetime


class GuestPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some places, oldest first; ask again with *nextCursor* as `cursor` for more."""

    items: tuple[Guest, ...]
    next_cursor: str | None
