"""The doors to tickets: what a holder shows, and what who scans it is told."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

# Whatever a camera may read where a ticket should be; what is longer is no mistake.
_SCANNED_MAX = 1024


class Ticket(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One person's place; *ticketCode* is null while it admits nobody."""

    registration_id: int
    event_id: int
    event_title: str
    ticket_type_name: str
    status: str
    ticket_code: str | None
    checked_in_at: datetime | None


class CheckIn(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The code that was scanned."""

    ticket_code: Annotated[str, Meta(max_length=_SCANNED_MAX)]


class CheckedIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who came; without *isFirst* the person came before, at that time."""

    registration_id: int
    name: str
    ticket_type_name: str
    checked_in_at: datetime
    is_first: bool
