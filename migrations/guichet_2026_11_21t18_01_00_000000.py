"""What Piccolo does not notice: a longer list in a check, and unique rules for some rows only."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-21T18:01:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "one intent that has not ended per order, one attempt per intent and key"

FORWARDS = [
    """ALTER TABLE payment_attempts DROP CONSTRAINT payment_attempts_channel_check,
       ADD CONSTRAINT payment_attempts_channel_check CHECK (channel IN ('WECHAT_NATIVE',
         'WECHAT_JSAPI', 'MINIPROGRAM_BRIDGE', 'MOCK'))""",
    """CREATE UNIQUE INDEX payment_intents_active_key ON payment_intents (order_id)
       WHERE ended_at IS NULL""",
    """CREATE UNIQUE INDEX payment_attempts_intent_key_key
       ON payment_attempts (intent_id, idempotency_key) WHERE idempotency_key IS NOT NULL""",
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
