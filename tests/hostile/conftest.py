"""An API of its own for the hostile: nobody else writes to its database."""

from collections.abc import AsyncIterator, Iterator

import pytest

from models.engine import Database
from tests.api.conftest import (  # noqa: F401  # fixtures
    api_dsn,
    api_home,
    api_postgres,
    database,
    environ,
    service,
    simulator,
)
from tests.api.service import Service
from tests.hostile import books
from tests.hostile.stand import Stand


@pytest.fixture(scope="session")
def stand(service: Service) -> Iterator[Stand]:  # noqa: F811
    """Somebody who has an order, and others who want it."""
    stand = Stand(service)
    yield stand
    stand.close()


@pytest.fixture
async def unmoved(stand: Stand, database: Database) -> AsyncIterator[None]:  # noqa: ARG001, F811
    """Assert that no table changed."""
    before = await books.everything(database)
    yield
    after = await books.everything(database)
    assert [table for table in after if after[table] != before[table]] == []
