"""Tickets at the entrance: what their holders show, and who is let in."""

from datetime import datetime

import msgspec

from actors.ticket_codes import read_ticket_code, ticket_code
from contracts.errors import TicketUnknown
from contracts.states import RegistrationStatus
from models.check_in import Arrival, HeldTicket, check_in, held_ticket
from models.engine import Database


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A place and, while it admits its holder, the code to show."""

    registration_id: int
    event_id: int
    event_title: str
    ticket_type_name: str
    status: RegistrationStatus
    checked_in_at: datetime | None
    code: str | None


class Entrance:
    """Makes the codes of tickets, and reads them."""

    def __init__(self, *, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    async def ticket(self, *, registration_id: int, user_id: int) -> Ticket:
        """Show a person's own ticket.

        :raises NotFound: it is absent, or someone else's.
        """
        held = await held_ticket(self._database, registration_id=registration_id, user_id=user_id)
        return Ticket(
            registration_id=held.registration_id,
            event_id=held.event_id,
            event_title=held.event_title,
            ticket_type_name=held.ticket_type_name,
            status=held.status,
            checked_in_at=held.checked_in_at,
            code=self._code(held),
        )

    async def check_in(self, *, event_id: int, code: str, by: int) -> Arrival:
        """Let in who shows *code*; *by* is who scanned it. Safe to repeat.

        :raises TicketUnknown: it is no code of this event.
        :raises TicketNotValid: the place does not admit anybody now.
        """
        registration_id = read_ticket_code(self._key, event_id, code)
        if registration_id is None:
            raise TicketUnknown
        return await check_in(
            self._database, registration_id=registration_id, event_id=event_id, by=by
        )

    def _code(self, held: HeldTicket) -> str | None:
        # A code that admits nobody would only make its holder argue at the door.
        if held.status is not RegistrationStatus.APPROVED or held.is_marked:
            return None
        return ticket_code(self._key, held.event_id, held.registration_id)
