"""A database whose rows need not make sense together, a Redis to lose, workers to start."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from models.engine import Database
from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.redis import EmbeddedRedis
from sandbox.supervisor.environment import Addresses, service_environ
from sandbox.supervisor.keys import keys_of
from tests.conftest import TEMPLATE, empty

Start = Callable[..., subprocess.Popen[bytes]]


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


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    folder = tmp_path / "metrics"
    folder.mkdir()
    return folder


@pytest.fixture
def start(jobs_dsn: str, tmp_path: Path, metrics: Path) -> Iterator[Start]:
    """Start workers with settings of the test's own; whatever still runs is killed at the end."""
    keys = keys_of(tmp_path)
    started: list[subprocess.Popen[bytes]] = []

    def start_one(redis_url: str = "", **settings: str) -> subprocess.Popen[bytes]:
        addresses = Addresses(port=1, sandbox_port=1, database_url=jobs_dsn, redis_url=redis_url)
        # Nobody listens there, and a message that cannot be sent is owed for hours.
        settings = {"FEISHU_NOTIFY_URL": ""} | settings
        told = service_environ(settings, keys=keys, addresses=addresses, metrics=metrics)
        environ = {"PATH": os.environ["PATH"], **told}
        worker = subprocess.Popen([sys.executable, "-m", "jobs.worker"], env=environ)
        started.append(worker)
        return worker

    yield start_one
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.fixture(autouse=True)
def patience(patient: None) -> None:
    """Be patient in every test of this folder."""
