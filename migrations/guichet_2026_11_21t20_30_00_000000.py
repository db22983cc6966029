"""What Piccolo does not notice: a longer list in a check."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-21T20:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "cases of events that contradict what they name"

FORWARDS = [
    """ALTER TABLE cases DROP CONSTRAINT cases_kind_check,
       ADD CONSTRAINT cases_kind_check CHECK (kind IN ('PAYMENT_MISMATCH', 'UNKNOWN_ATTEMPT',
         'REFUND_STUCK', 'UNREADABLE_NOTICE', 'UNCHECKED_BILL',
         'EVENT_MISMATCH'))""",
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
