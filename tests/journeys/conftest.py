"""One service for all journeys of a run, with two api processes and a hurried sandbox."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from models.engine import Database
from sandbox.embedded.homes import throwaway_home
from sandbox.supervisor.environment import Addresses, service_environ
from sandbox.supervisor.keys import keys_of
from tests.conftest import check_promises
from tests.journeys.collector import Collector, collecting
from tests.journeys.payer import Desk, Learner
from tests.journeys.service import Service, running_service


@pytest.fixture(scope="session")
async def service_database_url() -> str:
    """Make an empty database on the run's server for the service to migrate."""
    server_url = os.environ["GUICHET_TEST_POSTGRES"]
    server = await asyncpg.connect(server_url)
    await server.execute("CREATE DATABASE guichet_service")
    await server.close()
    return server_url.rpartition("/")[0] + "/guichet_service"


@pytest.fixture(scope="session")
def service_home() -> Iterator[Path]:
    """Make the folder where the service keeps its keys."""
    with throwaway_home() as home:
        yield home


@pytest.fixture(scope="session")
def service_redis_url() -> str:
    """Name a Redis of the service's own."""
    return os.environ["GUICHET_TEST_REDIS"].rpartition("/")[0] + "/1"


@pytest.fixture(scope="session")
def collection() -> Iterator[tuple[Collector, str]]:
    """Listen for the service's traces."""
    with collecting() as collection:
        yield collection


@pytest.fixture
def collector(collection: tuple[Collector, str]) -> Collector:
    """Show the traces received so far."""
    return collection[0]


@pytest.fixture(scope="session")
def service(
    service_database_url: str,
    service_redis_url: str,
    service_home: Path,
    collection: tuple[Collector, str],
) -> Iterator[Service]:
    """Start the service once."""
    with running_service(
        service_home,
        DATABASE_URL=service_database_url,
        REDIS_URL=service_redis_url,
        API_WORKERS="2",
        # A refund that takes three seconds elsewhere takes a tenth of one here.
        SANDBOX_TIME_SCALE="30",
        OTEL_EXPORTER_OTLP_ENDPOINT=collection[1],
    ) as service:
        yield service


@pytest.fixture
def chore_environ(
    service: Service, service_home: Path, service_database_url: str, service_redis_url: str
) -> dict[str, str]:
    """Tell a command what the service's own processes are told."""
    addresses = Addresses(
        port=service.client.base_url.port or 0,
        sandbox_port=service.sandbox.base_url.port or 0,
        database_url=service_database_url,
        redis_url=service_redis_url,
    )
    return service_environ(
        os.environ,
        keys=keys_of(service_home),
        addresses=addresses,
        metrics=service_home / "metrics",
    )


@pytest.fixture
async def books(service_database_url: str, service: Service) -> AsyncIterator[Database]:  # noqa: ARG001
    """Open the service's own books; every promise must hold when a journey ends."""
    database = await Database.connect(service_database_url, max_size=2)
    yield database
    await check_promises(database)
    await database.close()


@pytest.fixture
def learner(service: Service) -> Learner:
    """Sign somebody new in, who has an order."""
    return Learner(service)


@pytest.fixture
def desk(service: Service) -> Desk:
    """Watch an order from behind the counter."""
    return Desk(service)
