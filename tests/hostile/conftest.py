"""An API of its own for the hostile: nobody else writes to its database."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from models.engine import Database
from tests.api.conftest import (  # noqa: F401  # fixtures
    api_dsn,
    api_home,
    api_postgres,
    database,
    service,
    simulator,
)
from tests.api.service import Service, service_environ
from tests.hostile import books
from tests.hostile.entry_alipay import alipay
from tests.hostile.entry_pingxx import pingxx
from tests.hostile.entry_stripe import stripe
from tests.hostile.stand import Stand
from tests.sandbox.simulator import Simulator

# A look at the provider, which a report may start behind its answer, takes milliseconds.
_REST_SECONDS = 0.5


@pytest.fixture(scope="session")
def environ(api_dsn: str, simulator: Simulator) -> dict[str, str]:  # noqa: F811
    """Set every provider up; the notices of three are written by the campaign's pens."""
    told = service_environ(api_dsn, simulator.keyring, simulator.base_url)
    for entry in (stripe(), pingxx(), alipay()):
        told |= entry.environ
    return told


@pytest.fixture(scope="session")
def stand(service: Service) -> Iterator[Stand]:  # noqa: F811
    """Somebody who has an order, and others who want it."""
    stand = Stand(service)
    yield stand
    stand.close()


@pytest.fixture(scope="module")
async def at_rest(stand: Stand, api_dsn: str) -> None:  # noqa: ARG001, F811
    """Wait until nothing moves any more that an honest call of another module started."""
    database = await Database.connect(api_dsn)  # noqa: F811
    async with asyncio.timeout(60):
        before = await books.everything(database)
        while await _after_a_while(database) != before:
            before = await books.everything(database)
    await database.close()


async def _after_a_while(database: Database) -> dict[str, str]:  # noqa: F811
    await asyncio.sleep(_REST_SECONDS)
    return await books.everything(database)


@pytest.fixture
async def unmoved(
    stand: Stand,  # noqa: ARG001
    at_rest: None,  # noqa: ARG001
    database: Database,  # noqa: F811
) -> AsyncIterator[None]:
    """Assert that no table changed."""
    before = await books.everything(database)
    yield
    after = await books.everything(database)
    assert [table for table in after if after[table] != before[table]] == []
