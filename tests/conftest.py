"""One PostgreSQL and one Redis per run, one clone of the migrated database per test process."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from models.engine import Database
from models.invariants import check_invariants
from models.schema import migrate
from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres
from sandbox.embedded.redis import EmbeddedRedis

# A slow machine is not a failure, and no run looks at other examples than the one before it: what
# one finds all of them find. Who wants to look elsewhere says --hypothesis-profile=elsewhere; a
# failure prints what replays it.
settings.register_profile(
    "elsewhere", print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("guichet", settings.get_profile("elsewhere"), derandomize=True)
settings.load_profile("guichet")

TEMPLATE = "guichet_template"
_servers = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers in the process that starts the test processes."""
    if hasattr(config, "workerinput"):
        return
    home = _servers.enter_context(throwaway_home())
    redis = EmbeddedRedis(home)
    _servers.callback(redis.stop)
    os.environ["GUICHET_TEST_REDIS"] = redis.start()
    # Who runs pytest many times, one run at a time, may lend it a server for all of them.
    if "GUICHET_TEST_POSTGRES" not in os.environ:
        postgres = EmbeddedPostgres(home, settings={**THROWAWAY_SETTINGS, "max_connections": "200"})
        _servers.callback(postgres.stop)
        postgres.start()
        os.environ["GUICHET_TEST_POSTGRES"] = postgres.url_of("postgres")
    asyncio.run(_make_template(os.environ["GUICHET_TEST_POSTGRES"]))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers."""
    if not hasattr(config, "workerinput"):
        _servers.close()


async def _make_template(server_url: str) -> None:
    server = await asyncpg.connect(server_url)
    is_made = await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE)
    if not is_made:
        await server.execute(f"CREATE DATABASE {TEMPLATE}")
    await server.close()
    if not is_made:
        await migrate(server_url.rpartition("/")[0] + f"/{TEMPLATE}", with_demo_data=False)


@pytest.fixture(scope="session")
async def database_url(worker_id: str) -> str:
    """Clone the migrated database for this test process."""
    server_url = os.environ["GUICHET_TEST_POSTGRES"]
    name = f"guichet_{worker_id}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    await server.close()
    return server_url.rpartition("/")[0] + f"/{name}"


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncIterator[Database]:
    """Share one pool between the tests of this process."""
    database = await Database.connect(database_url)
    yield database
    await database.close()


@pytest.fixture
async def database(pool: Database) -> AsyncIterator[Database]:
    """Lend the database to one test; every promise must hold when it comes back."""
    yield pool
    try:
        await check_promises(pool)
    finally:
        await empty(pool)


async def check_promises(database: Database) -> None:
    """Assert every invariant."""
    broken = [finding for finding in await check_invariants(database) if finding.violations]
    assert broken == []


async def empty(database: Database) -> None:
    """Delete every row but those that migrations wrote."""
    tables = await database.fetchval(
        """SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables
           WHERE schemaname = 'public' AND tablename <> 'migration'"""
    )
    await database.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than a service would, for Redis and in line: a busy machine is not a failure.

    Where Redis seems away a lease stops nobody, and a connection that is cut short is a warning.
    """
    for place in ("lease.TIMEOUT", "limiter.TIMEOUT", "wakeups._SEND"):
        monkeypatch.setattr(f"actors.{place}_SECONDS", 5.0)
    for place in ("lane", "mailbox"):
        monkeypatch.setattr(f"actors.{place}.PATIENCE_SECONDS", 60.0)


@pytest.fixture(scope="session")
def redis_url(worker_id: str) -> str:
    """Name a Redis database of this test process's own: order numbers repeat between clones.

    Houses that tests start have 1 and those from 12 on.
    """
    number = 2 + int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 2
    return os.environ["GUICHET_TEST_REDIS"].rpartition("/")[0] + f"/{number}"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Connect to the run's Redis."""
    client: Redis = Redis.from_url(redis_url)
    yield client
    await client.aclose()
