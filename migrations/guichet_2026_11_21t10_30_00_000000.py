"""What Piccolo cannot write: partial indexes, allowed status moves, room for HOT updates."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-21T10:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "partial indexes, allowed status moves, room for HOT updates"

FORWARDS = [
    # One open order and one live registration per person and event.
    """CREATE UNIQUE INDEX orders_one_open_key ON orders (event_id, user_id)
       WHERE status IN ('PENDING', 'CLOSING')""",
    """CREATE UNIQUE INDEX registrations_one_live_key ON registrations (event_id, user_id)
       WHERE status IN ('PENDING_PAYMENT', 'PENDING', 'APPROVED')""",
    "CREATE UNIQUE INDEX payments_one_honoured_key ON payments (order_id) WHERE honoured",
    # Reads by owner and by parent.
    "CREATE INDEX orders_user_idx ON orders (user_id, id)",
    "CREATE INDEX registrations_order_idx ON registrations (order_id)",
    "CREATE INDEX order_events_order_idx ON order_events (order_id)",
    "CREATE INDEX payment_attempts_order_idx ON payment_attempts (order_id)",
    "CREATE INDEX payments_order_idx ON payments (order_id)",
    "CREATE INDEX refunds_order_idx ON refunds (order_id)",
    "CREATE INDEX cases_order_idx ON cases (order_id)",
    "CREATE INDEX ticket_types_event_idx ON ticket_types (event_id)",
    # What the sweeps look for; rows at rest are in none of these.
    "CREATE INDEX orders_expiry_idx ON orders (expired_at) WHERE status = 'PENDING'",
    "CREATE INDEX payment_attempts_due_idx ON payment_attempts (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX refunds_due_idx ON refunds (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX webhook_events_due_idx ON webhook_events (due_at) WHERE status <> 'PROCESSED'",
    "CREATE INDEX effects_due_idx ON effects (due_at) WHERE done_at IS NULL",
    # Updates stay on their page when it has room.
    "ALTER TABLE ticket_types SET (fillfactor = 50)",
    "ALTER TABLE event_attendance SET (fillfactor = 50)",
    "ALTER TABLE orders SET (fillfactor = 80)",
    "ALTER TABLE registrations SET (fillfactor = 80)",
    "ALTER TABLE payment_attempts SET (fillfactor = 80)",
    """CREATE FUNCTION refuse_order_status() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         RAISE EXCEPTION 'an order cannot go from % to %', OLD.status, NEW.status
           USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_status_edge';
       END $$""",
    # The condition is the table of transitions: a move that is in it never calls the function.
    """CREATE TRIGGER orders_status_edge BEFORE UPDATE OF status ON orders FOR EACH ROW
       WHEN (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
         ('PENDING', 'CLOSING'), ('PENDING', 'EXPIRED'), ('PENDING', 'CANCELLED'),
         ('PENDING', 'PAID'), ('CLOSING', 'EXPIRED'), ('CLOSING', 'CANCELLED'),
         ('CLOSING', 'PAID'), ('EXPIRED', 'PAID'), ('CANCELLED', 'PAID'), ('PAID', 'REFUNDED')))
       EXECUTE FUNCTION refuse_order_status()""",
]


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="guichet", description=DESCRIPTION)

    async def run() -> None:
        engine = engine_finder()
        assert engine is not None
        for statement in FORWARDS:
            await engine.run_ddl(statement)

    manager.add_raw(run)
    return manager
