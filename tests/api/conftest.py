"""One API, one database and one WeChat Pay simulator for all tests of the doors."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from models.engine import Database
from models.schema import migrate
from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres
from tests.api.service import Buyer, Service, running_service, service_environ
from tests.sandbox.simulator import Simulator, running_simulator


@pytest.fixture(scope="session")
def api_home() -> Iterator[Path]:
    with throwaway_home() as home:
        yield home


@pytest.fixture(scope="session")
def api_postgres(api_home: Path) -> Iterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(api_home, settings=THROWAWAY_SETTINGS)
    postgres.start()
    yield postgres
    postgres.stop()


@pytest.fixture(scope="session")
async def api_dsn(api_postgres: EmbeddedPostgres) -> str:
    dsn = api_postgres.url_of("guichet")
    await migrate(dsn, with_demo_data=True)
    return dsn


@pytest.fixture(scope="session")
def simulator(api_home: Path) -> Iterator[Simulator]:
    folder = api_home / "simulator"
    folder.mkdir()
    with running_simulator(folder) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def environ(api_dsn: str, simulator: Simulator) -> dict[str, str]:
    return service_environ(api_dsn, simulator.keyring, simulator.base_url)


@pytest.fixture(scope="session")
def service(environ: dict[str, str], api_home: Path) -> Iterator[Service]:
    with running_service(environ, api_home / "api") as service:
        yield service


@pytest.fixture
def buyer(service: Service) -> Iterator[Buyer]:
    buyer = Buyer(service)
    yield buyer
    buyer.http.close()


@pytest.fixture
async def database(api_dsn: str) -> AsyncIterator[Database]:
    database = await Database.connect(api_dsn)
    yield database
    await database.close()
