"""What Piccolo does not notice: longer lists in checks."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-21T22:01:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "channels of more providers, and news of sales"

FORWARDS = [
    """ALTER TABLE payment_attempts DROP CONSTRAINT payment_attempts_channel_check,
       ADD CONSTRAINT payment_attempts_channel_check CHECK (channel IN ('WECHAT_NATIVE',
         'WECHAT_JSAPI', 'MINIPROGRAM_BRIDGE', 'MOCK', 'wx_pub', 'wx_pub_qr', 'wx_lite',
         'alipay_qr', 'alipay_wap', 'alipay_pc_direct', 'stripe', 'stripe:checkout_session'))""",
    """ALTER TABLE effects DROP CONSTRAINT effects_kind_check,
       ADD CONSTRAINT effects_kind_check CHECK (kind IN ('TICKETS', 'FAREWELL', 'REFUND_NOTICE',
         'REDEEMED', 'ADMISSION', 'REJECTION', 'SALE_NEWS', 'ALARM'))""",
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
