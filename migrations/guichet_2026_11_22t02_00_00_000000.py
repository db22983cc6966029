"""What Piccolo does not notice: a word for refunds that returned, and where that takes an order."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-22T02:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "refunds that returned, and orders that have money again"

FORWARDS = [
    """ALTER TABLE refunds DROP CONSTRAINT refunds_status_check,
       ADD CONSTRAINT refunds_status_check CHECK (status IN ('requested', 'processing',
         'succeeded', 'failed', 'returned'))""",
    """ALTER TABLE orders DROP CONSTRAINT orders_refund_status_check,
       ADD CONSTRAINT orders_refund_status_check CHECK (refund_status IS NULL
         OR refund_status IN ('requested', 'processing', 'succeeded', 'failed', 'returned'))""",
    # The condition is the table of transitions: a move that is in it never calls the function.
    """CREATE OR REPLACE TRIGGER orders_status_edge BEFORE UPDATE OF status ON orders FOR EACH ROW
       WHEN (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
         ('PENDING', 'CLOSING'), ('PENDING', 'EXPIRED'), ('PENDING', 'CANCELLED'),
         ('PENDING', 'PAID'), ('CLOSING', 'EXPIRED'), ('CLOSING', 'CANCELLED'),
         ('CLOSING', 'PAID'), ('EXPIRED', 'PAID'), ('CANCELLED', 'PAID'), ('PAID', 'REFUNDED'),
         ('REFUNDED', 'PAID')))
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
