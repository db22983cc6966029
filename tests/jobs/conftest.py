"""A database whose rows need not make sense together, and a Redis to lose."""

import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from models.engine import Database
from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.redis import EmbeddedRedis
from tests.conftest import TEMPLATE, empty


@pytest.fixture(scope="session")
async def jobs_dsn(worker_id: str) -> str:
    """Clone a database of our own: rows that only a sweep looks at keep no promises."""
    server_url, name = os.environ["GUICHET_TEST_POSTGRES"], f"jobs_{worker_id}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    await server.close()
    return server_url.rpartition("/")[0] + f"/{name}"


@pytest.fixture
async def database(jobs_dsn: str) -> AsyncIterator[Database]:
    database = await Database.connect(jobs_dsn)
    await empty(database)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def jobs_redis() -> Iterator[EmbeddedRedis]:
    with throwaway_home() as home:
        redis = EmbeddedRedis(home)
        yield redis
        redis.stop()


@pytest.fixture
def own_redis(jobs_redis: EmbeddedRedis) -> EmbeddedRedis:
    """Start a Redis that no other test uses, whatever the last one did to it."""
    jobs_redis.stop()
    jobs_redis.start()
    return jobs_redis
