"""The tables, one module per part of the house."""

from models.tables.catalogue import (
    EventAttendance,
    Events,
    PriceTiers,
    SeatLedger,
    TicketTypes,
)
from models.tables.delivery import Cases, Effects, WebhookEvents
from models.tables.orders import ApiIdempotency, OrderEvents, OrderInvites, Orders, Registrations
from models.tables.payments import PaymentAttempts, Payments, Refunds
from models.tables.people import Users

TABLES = [
    Users,
    Events,
    EventAttendance,
    TicketTypes,
    PriceTiers,
    SeatLedger,
    Orders,
    Registrations,
    OrderInvites,
    OrderEvents,
    ApiIdempotency,
    PaymentAttempts,
    Payments,
    Refunds,
    WebhookEvents,
    Effects,
    Cases,
]
