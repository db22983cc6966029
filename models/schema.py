"""The database's shape: bringing it up to date, and telling whether it is.

One process migrates at a time, whoever starts first; the others find the work done.
"""

import contextlib
import io
import os

import asyncpg
from piccolo.apps.migrations.commands.base import BaseMigrationManager
from piccolo.apps.migrations.commands.forwards import run_forwards

from models.demo import seed_demo_data
from models.engine import Database
from models.piccolo_app import APP_CONFIG
from models.piccolo_conf import DB

# Any number will do, as long as nobody else's lock has it.
_MIGRATION_LOCK = 0x6775_6963
os.environ.setdefault("PICCOLO_CONF", "models.piccolo_conf")


class MigrationFailedError(Exception):
    """A migration did not succeed; what ran before it stays."""


async def migrate(dsn: str, *, with_demo_data: bool) -> None:
    """Bring the database up to date. Safe to repeat and to run twice at once.

    :raises MigrationFailedError: read the output, mend, repeat.
    """
    # A session's own lock, on a connection of its own: Piccolo opens one per statement.
    holder = await asyncpg.connect(dsn)
    try:
        await holder.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        await _run_migrations(dsn)
        if with_demo_data:
            await _seed(dsn)
    finally:
        await holder.close()


def known_migrations() -> frozenset[str]:
    """List the migrations this code needs."""
    manager = BaseMigrationManager()
    modules = manager.get_migration_modules(APP_CONFIG.resolved_migrations_folder_path)
    return frozenset(manager.get_migration_ids(modules))


async def missing_migrations(db: Database, known: frozenset[str]) -> frozenset[str]:
    """Tell which of *known* have not run; raises what the driver raises when it cannot ask."""
    rows = await db.fetch("SELECT name FROM migration WHERE app_name = $1", APP_CONFIG.app_name)
    return known - {row["name"] for row in rows}


async def _run_migrations(dsn: str) -> None:
    DB.config["dsn"] = dsn
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        result = await run_forwards(app_name=APP_CONFIG.app_name)
    if not result.success:
        raise MigrationFailedError(said.getvalue())


async def _seed(dsn: str) -> None:
    database = await Database.connect(dsn, max_size=1)
    try:
        async with database.transaction() as tx:
            await seed_demo_data(tx)
    finally:
        await database.close()
