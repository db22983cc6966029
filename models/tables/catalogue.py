"""What is on sale, and the one count of what is left."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from contracts.states import EventStatus
from models.tables.columns import big, flag, instant, number, one_of, parent, stamped, word


class Events(Table, tablename="events"):
    """An event; changing it raises the catalog_version of its ticket types."""

    id = BigSerial(primary_key=True)
    organizer_user_id = big()
    title = word(200)
    status = word(16)
    starts_at = instant()
    ends_at = instant()
    sale_starts_at = instant(null=True)
    sale_ends_at = instant(null=True)
    require_approval = flag()
    created_at = stamped()

    events_status_check = one_of("status", EventStatus)
    events_times_check = Check("ends_at >= starts_at")


class EventAttendance(Table, tablename="event_attendance"):
    """Seats held over all ticket types of an event, beside the event because it is hot."""

    event_id = parent(Events, primary_key=True)
    seats_held = number()
    max_attendees = number(null=True)

    event_attendance_seats_check = Check(
        "seats_held >= 0 AND (max_attendees IS NULL OR seats_held <= max_attendees)"
    )


class TicketTypes(Table, tablename="ticket_types"):
    """A kind of ticket; current_quantity is the only count of its seats."""

    id = BigSerial(primary_key=True)
    event_id = parent(Events)
    name = word(100)
    price_minor = big()
    currency = word(3)
    max_quantity = number(null=True)
    current_quantity = number()
    max_per_order = number()
    is_active = flag()
    position = number()
    catalog_version = number()

    ticket_types_seats_check = Check(
        "current_quantity >= 0 AND (max_quantity IS NULL OR current_quantity <= max_quantity)"
    )
    ticket_types_price_check = Check("price_minor >= 0")
    ticket_types_per_order_check = Check("max_per_order BETWEEN 1 AND 100")


class PriceTiers(Table, tablename="price_tiers"):
    """The total price of an exact quantity."""

    id = BigSerial(primary_key=True)
    ticket_type_id = parent(TicketTypes)
    quantity = number()
    price_minor = big()

    price_tiers_type_quantity_key = Unique([ticket_type_id, quantity])
    price_tiers_check = Check("quantity >= 1 AND price_minor > 0")


class SeatLedger(Table, tablename="seat_ledger"):
    """Every seat ever taken or given back, once per cause; append-only."""

    id = BigSerial(primary_key=True)
    holder_kind = word(16)
    holder_id = big()
    cause = word(64)
    event_id = big()
    ticket_type_id = big()
    seats = number()
    created_at = stamped()

    seat_ledger_holder_cause_key = Unique([holder_kind, holder_id, cause])
    seat_ledger_check = Check("seats <> 0 AND holder_kind IN ('order', 'registration')")
