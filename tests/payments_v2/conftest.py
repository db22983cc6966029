"""One service that is paid through the mock, for all of these tests."""

import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from models.engine import Database
from sandbox.embedded.homes import throwaway_home
from tests.conftest import check_promises
from tests.journeys.service import Service, running_service
from tests.payments_v2.shop import SECRET, Desk, Payer


async def an_empty_database(name: str) -> str:
    """Make one on the run's server for a service to migrate."""
    server_url = os.environ["GUICHET_TEST_POSTGRES"]
    server = await asyncpg.connect(server_url)
    await server.execute(f"CREATE DATABASE {name}")
    await server.close()
    return f"{server_url.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
async def shop_url() -> str:
    """Make the books of the service that goes by webhooks only."""
    return await an_empty_database("guichet_payments_v2")


@pytest.fixture(scope="session")
async def hurried_url() -> str:
    """Make the books of the service that may settle at once."""
    return await an_empty_database("guichet_payments_v2_hurried")


@pytest.fixture(scope="session")
def shop_environ() -> dict[str, str]:
    """Say how a service is to run."""
    return {
        "REDIS_URL": os.environ["GUICHET_TEST_REDIS"].rpartition("/")[0] + "/12",
        "API_WORKERS": "2",
        "SANDBOX_TIME_SCALE": "30",
        "PAYMENT_PROVIDER": "mock",
        "PAYMENT_WEBHOOK_SECRET": SECRET,
    }


@pytest.fixture(scope="session")
def shop(shop_environ: dict[str, str], shop_url: str) -> Iterator[Service]:
    """Start the service once."""
    environ = shop_environ | {"DATABASE_URL": shop_url}
    with throwaway_home() as home, running_service(home, **environ) as service:
        yield service


@pytest.fixture(scope="session")
def hurried(shop_environ: dict[str, str], hurried_url: str) -> Iterator[Service]:
    """Start a service that may settle at once, whose mock sends nothing and whose jobs are off."""
    changed = {
        "DATABASE_URL": hurried_url,
        "REDIS_URL": shop_environ["REDIS_URL"].rpartition("/")[0] + "/13",
        "PAYMENTS_WEBHOOK_ONLY": "0",
        "MOCK_WEBHOOK_AUTOFIRE": "0",
        "PAYMENTS_JOB_REPLAY_INTERVAL_MIN": "0",
        "PAYMENTS_JOB_RECONCILE_INTERVAL_MIN": "0",
        "PAYMENTS_JOB_CLEANUP_INTERVAL_MIN": "0",
    }
    with throwaway_home() as home, running_service(home, **shop_environ | changed) as service:
        yield service


@pytest.fixture
def payer(shop: Service) -> Payer:
    return Payer(shop)


@pytest.fixture
def desk(shop: Service) -> Desk:
    return Desk(shop)


@pytest.fixture
async def books(shop_url: str, shop: Service) -> AsyncIterator[Database]:  # noqa: ARG001
    """Open the service's own books; every promise must hold when a test ends."""
    database = await Database.connect(shop_url, max_size=2)
    yield database
    await check_promises(database)
    await database.close()
