"""The tables, one module per part of the house."""

from models.tables.bills import BillChecks
from models.tables.bridge import BridgeGate, OneTimeTokens
from models.tables.catalogue import (
    EventAttendance,
    Events,
    PriceTiers,
    SeatLedger,
    TicketTypes,
)
from models.tables.coupons import Coupons, CouponUsages
from models.tables.delivery import Cases, Effects, WebhookEvents
from models.tables.orders import ApiIdempotency, OrderEvents, OrderInvites, Orders, Registrations
from models.tables.payments import (
    OrderLegacyPaymentFields,
    PaymentAttempts,
    PaymentIntents,
    PaymentKeys,
    Payments,
    ProviderRecords,
    Refunds,
)
from models.tables.people import Users, WechatIdentities

TABLES = [
    Users,
    WechatIdentities,
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
    OrderLegacyPaymentFields,
    BridgeGate,
    OneTimeTokens,
    Coupons,
    CouponUsages,
    PaymentIntents,
    PaymentKeys,
    BillChecks,
    ProviderRecords,
]
