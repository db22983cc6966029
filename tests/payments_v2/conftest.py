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


@pytest.fixture(scope="session")
async def shop_url() -> str:
    """Make an empty database for the service to migrate."""
    server_url = os.environ["GUICHET_TEST_POSTGRES"]
    server = await asyncpg.connect(server_url)
    await server.execute("CREATE DATABASE guichet_payments_v2")
    await server.close()
    return server_url.rpartition("/")[0] + "/guichet_payments_v2"


@pytest.fixture(scope="session")
def shop_environ(shop_url: str) -> dict[str, str]:
    """Say how the service is to run."""
    return {
        "DATABASE_URL": shop_url,
        "REDIS_URL": os.environ["GUICHET_TEST_REDIS"].rpartition("/")[0] + "/2",
        "API_WORKERS": "2",
        "SANDBOX_TIME_SCALE": "30",
        "PAYMENT_PROVIDER": "mock",
        "PAYMENT_WEBHOOK_SECRET": SECRET,
    }


@pytest.fixture(scope="session")
def shop(shop_environ: dict[str, str]) -> Iterator[Service]:
    """Start the service once."""
    with throwaway_home() as home, running_service(home, **shop_environ) as service:
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
