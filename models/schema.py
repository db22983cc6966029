"""The database's shape: bringing it up to date.

One process migrates at a time, whoever starts first; the others find the work done.
"""

import contextlib
import io
import os

import asyncpg
from piccolo.apps.migrations.commands.forwards import run_forwards

from models.demo import seed_demo_data
from models.engine import Database
from models.piccolo_conf import DB
from models.schema_version import APP_NAME

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


async def _run_migrations(dsn: str) -> None:
    DB.config["dsn"] = dsn
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        result = await run_forwards(app_name=APP_NAME)
    if not result.success:
        raise MigrationFailedError(said.getvalue())


async def _seed(dsn: str) -> None:
    database = await Database.connect(dsn, max_size=1)
    try:
        async with database.transaction() as tx:
            await seed_demo_data(tx)
    finally:
        await database.close()
