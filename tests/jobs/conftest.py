"""A database whose tables hold nothing but what a test puts there, and a Redis to lose."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from piccolo.engine.postgres import PostgresEngine

from models.engine import Database
from models.tables import TABLES
from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres
from sandbox.embedded.redis import EmbeddedRedis


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
async def jobs_tables(jobs_postgres: EmbeddedPostgres) -> str:
    connection = await asyncpg.connect(jobs_postgres.url_of("guichet"))
    engine = PostgresEngine(config={"dsn": jobs_postgres.url_of("guichet")}, extensions=())
    for table in TABLES:
        table._meta._db = engine  # noqa: SLF001 - Piccolo's way
        for statement in table.create_table().ddl:
            await connection.execute(statement)
    await connection.close()
    return jobs_postgres.url_of("guichet")


@pytest.fixture
async def database(jobs_tables: str) -> AsyncIterator[Database]:
    database = await Database.connect(jobs_tables)
    names = ", ".join(table._meta.tablename for table in TABLES)  # noqa: SLF001 - Piccolo's way
    await database.execute(f"TRUNCATE {names} RESTART IDENTITY")
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
