"""A database whose tables hold nothing but what a test puts there, and a Redis to lose."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from models.engine import Database
from models.tables import TABLES
from models.tables.catalogue import OrderStatusEdges
from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres
from sandbox.embedded.redis import EmbeddedRedis

# The allowed moves of an order are part of the schema, not of a test.
_EMPTIED = [
    table._meta.tablename  # noqa: SLF001 - Piccolo's way to say it
    for table in TABLES
    if table is not OrderStatusEdges
]


@pytest.fixture(scope="session")
def jobs_home() -> Iterator[Path]:
    with throwaway_home() as home:
        yield home


@pytest.fixture(scope="session")
def jobs_postgres(jobs_home: Path) -> Iterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(jobs_home, settings=THROWAWAY_SETTINGS)
    postgres.start()
    yield postgres
    postgres.stop()


@pytest.fixture(scope="session")
async def jobs_dsn(jobs_postgres: EmbeddedPostgres) -> str:
    dsn = jobs_postgres.url_of("guichet")
    with pytest.MonkeyPatch.context() as patch:
        # Piccolo connects when its configuration is imported.
        patch.setenv("DATABASE_URL", dsn)
        from models.schema import migrate  # noqa: PLC0415

        await migrate(dsn, with_demo_data=False)
    return dsn


@pytest.fixture
async def database(jobs_dsn: str) -> AsyncIterator[Database]:
    database = await Database.connect(jobs_dsn)
    await database.execute(f"TRUNCATE {', '.join(_EMPTIED)} RESTART IDENTITY")
    yield database
    await database.close()


@pytest.fixture(scope="session")
def jobs_redis(jobs_home: Path) -> Iterator[EmbeddedRedis]:
    redis = EmbeddedRedis(jobs_home)
    yield redis
    redis.stop()


@pytest.fixture
def redis(jobs_redis: EmbeddedRedis) -> EmbeddedRedis:
    jobs_redis.stop()
    jobs_redis.start()
    return jobs_redis
