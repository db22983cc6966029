"""Orders and the places they hold."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from contracts.states import (
    AttemptResult,
    ClosingReason,
    InviteStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    RegistrationStatus,
)
from models.tables.catalogue import Events
from models.tables.columns import (
    big,
    document,
    flag,
    instant,
    number,
    one_of,
    parent,
    stamped,
    word,
)


class Orders(Table, tablename="orders"):
    """What a buyer wants and owes; only a turn writes it, and only at the version it loaded."""

    id = BigSerial(primary_key=True)
    order_no = word(16)
    biz_type = word(32)
    event_id = parent(Events)
    user_id = big()
    ticket_type_id = big()
    quantity = number()
    total_minor = big()
    currency = word(3)
    status = word(16)
    payment_status = word(16)
    last_payment_attempt_status = word(16, null=True)
    refund_status = word(16, null=True)
    payment_channel = word(16, default="pingxx")
    channel = word(32, null=True)
    closing_for = word(16, null=True)
    seats_held = number()
    expired_at = instant()
    paid_at = instant(null=True)
    version = number()
    trace_ctx = word(128, null=True)
    created_at = stamped()

    orders_order_no_key = Unique([order_no])
    orders_order_no_check = Check("length(order_no) = 16 AND order_no ~ '^[A-Z][0-9A-Z]+$'")
    orders_status_check = one_of("status", OrderStatus)
    orders_payment_status_check = one_of("payment_status", PaymentStatus)
    orders_attempt_status_check = one_of("last_payment_attempt_status", AttemptResult, null=True)
    orders_refund_status_check = one_of("refund_status", RefundStatus, null=True)
    orders_closing_for_check = one_of("closing_for", ClosingReason, null=True)
    orders_quantity_check = Check("quantity BETWEEN 1 AND 100")
    orders_total_check = Check("total_minor >= 0")
    orders_seats_check = Check("seats_held BETWEEN 0 AND quantity")
    orders_open_holds_seats_check = Check(
        "status NOT IN ('PENDING', 'CLOSING') OR seats_held = quantity"
    )
    orders_ended_holds_none_check = Check(
        "status NOT IN ('EXPIRED', 'CANCELLED') OR seats_held = 0"
    )
    orders_closing_check = Check("(status = 'CLOSING') = (closing_for IS NOT NULL)")
    orders_paid_check = Check("(status IN ('PAID', 'REFUNDED')) = (paid_at IS NOT NULL)")
    orders_money_check = Check("(status IN ('PAID', 'REFUNDED')) = (payment_status <> 'UNPAID')")


class Registrations(Table, tablename="registrations"):
    """One person's place; a free one holds its own seat, a paid one sits in its order's.

    *refund_no* names the refund that frees it, under way or done.
    """

    id = BigSerial(primary_key=True)
    event_id = parent(Events)
    user_id = big()
    ticket_type_id = big()
    order_id = parent(Orders, null=True)
    invite_id = big(null=True)
    request_no = word(16, null=True)
    status = word(16)
    seats_held = number()
    answers = document(null=True)
    refund_no = word(64, null=True)
    checked_in_at = instant(null=True)
    checked_in_by = big(null=True)
    created_at = stamped()
    updated_at = stamped()

    registrations_status_check = one_of("status", RegistrationStatus)
    registrations_seats_check = Check(
        "seats_held IN (0, 1) AND (order_id IS NULL OR seats_held = 0)"
    )
    registrations_check_in_check = Check("(checked_in_at IS NULL) = (checked_in_by IS NULL)")


class OrderInvites(Table, tablename="order_invites"):
    """One gift seat; the code itself is recomputed, only its hash is kept.

    *refund_no* names the refund that frees it, under way or done.
    """

    id = BigSerial(primary_key=True)
    order_id = parent(Orders)
    position = number()
    generation = number()
    status = word(16)
    code_hash = word(64)
    refund_no = word(64, null=True)
    redeemed_by = big(null=True)
    redeemed_at = instant(null=True)
    created_at = stamped()

    order_invites_order_position_key = Unique([order_id, position])
    order_invites_code_hash_key = Unique([code_hash])
    order_invites_status_check = one_of("status", InviteStatus)
    order_invites_redeemed_check = Check("(status = 'REDEEMED') = (redeemed_by IS NOT NULL)")


class OrderEvents(Table, tablename="order_events"):
    """What became true of an order, turn by turn; append-only."""

    id = BigSerial(primary_key=True)
    order_id = big()
    version = number()
    kind = word(64)
    data = document()
    created_at = stamped()


class ApiIdempotency(Table, tablename="api_idempotency"):
    """What a client's key made, so that the same request makes it once."""

    id = BigSerial(primary_key=True)
    user_id = big()
    key = word(255)
    body_hash = word(64)
    order_id = big(null=True)
    registration_id = big(null=True)
    found = flag()
    created_at = stamped()

    api_idempotency_user_key_key = Unique([user_id, key])
