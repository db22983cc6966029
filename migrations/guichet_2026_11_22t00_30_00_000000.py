"""Who is at a refund, and when its provider was last told to make it."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.column_types import Timestamptz
from piccolo.columns.indexes import IndexMethod

ID = "2026-11-22T00:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "who is at a refund, and when it was last made"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="guichet", description=DESCRIPTION)
    for name in ("claim_until", "made_at"):
        manager.add_column(
            table_class_name="Refunds",
            tablename="refunds",
            column_name=name,
            db_column_name=name,
            column_class_name="Timestamptz",
            column_class=Timestamptz,
            params={
                "default": None,
                "null": True,
                "primary_key": False,
                "unique": False,
                "index": False,
                "index_method": IndexMethod.btree,
                "choices": None,
                "db_column_name": None,
                "secret": False,
            },
            schema=None,
        )
    return manager
