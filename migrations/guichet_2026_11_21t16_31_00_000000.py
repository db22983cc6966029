"""What Piccolo does not notice: longer lists in checks, and indexes for organizers' lists."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-21T16:31:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "longer lists in checks, indexes for organizers' lists"

FORWARDS = [
    """ALTER TABLE effects DROP CONSTRAINT effects_kind_check,
       ADD CONSTRAINT effects_kind_check CHECK (kind IN ('TICKETS', 'FAREWELL', 'REFUND_NOTICE',
         'REDEEMED', 'ADMISSION', 'REJECTION', 'ALARM'))""",
    """ALTER TABLE payments DROP CONSTRAINT payments_source_check,
       ADD CONSTRAINT payments_source_check CHECK (source IN ('notice', 'query', 'bill',
         'manual', 'free'))""",
    """ALTER TABLE payments DROP CONSTRAINT payments_amount_check,
       ADD CONSTRAINT payments_amount_check
       CHECK (amount_minor > 0 OR (amount_minor = 0 AND source = 'free'))""",
    # An event's rows lie together in time, and these cost a sale and a payment next to nothing.
    """CREATE INDEX registrations_event_idx ON registrations USING brin (event_id)
       WITH (pages_per_range = 32, autosummarize = on)""",
    """CREATE INDEX orders_event_idx ON orders USING brin (event_id)
       WITH (pages_per_range = 32, autosummarize = on)""",
    "CREATE INDEX coupons_event_idx ON coupons (event_id)",
    "CREATE INDEX coupon_usages_coupon_idx ON coupon_usages (coupon_id)",
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
