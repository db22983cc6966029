"""Providers change the keys they sign with; a house follows by its settings and loses nothing.

A house of its own, as a rotation would have everybody else's notices refused. Its providers send
to a relay, behind which stand the processes of before, of the overlap, and of after.
"""

import os
from collections.abc import AsyncIterator, Iterator
from copy import copy
from pathlib import Path

import httpx
import pytest

from models.engine import Database
from sandbox.embedded.homes import throwaway_home
from tests.conftest import check_promises
from tests.journeys.beside import Relay, api_beside, environ_of, relaying
from tests.journeys.payer import Learner, craft, statuses_of
from tests.journeys.service import Service, act, eventually, running_service
from tests.journeys.test_first_sale import count_of
from tests.payments_v2.conftest import an_empty_database

pytestmark = pytest.mark.xdist_group("service")

WAYS = {"wechat": "wx_pub_qr", "pingxx": "wx_pub_qr", "alipay": "alipay_qr", "stripe": "stripe"}
PROVIDERS = list(WAYS)
TAKEN = {200, 204}
REFUSED = {"wechat": 401, "pingxx": 401, "alipay": 401, "stripe": 400}
# One of Stripe's events says that it was paid; the others' kind is their usual one.
KINDS = {"stripe": "payment_intent.succeeded"}
# Unless told otherwise it goes on signing with the old secret, beside the new one.
AT_ONCE = {"stripe": {"overlap": False}}


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    """Stand where providers send to."""
    with relaying() as relay:
        yield relay


@pytest.fixture(scope="module")
async def database_url() -> str:
    """Make the books of the house whose providers rotate."""
    return await an_empty_database("guichet_rotation")


@pytest.fixture(scope="module")
def settings(relay: Relay, database_url: str) -> dict[str, str]:
    """Say how the house is to run."""
    return {
        "APP_URL": relay.url,
        "DATABASE_URL": database_url,
        "REDIS_URL": os.environ["GUICHET_TEST_REDIS"].rpartition("/")[0] + "/15",
        "SANDBOX_TIME_SCALE": "60",
    }


@pytest.fixture(scope="module")
def house(
    relay: Relay, settings: dict[str, str]
) -> Iterator[tuple[Service, dict[str, str], dict[str, dict[str, str]]]]:
    """Start the house, and have each provider sign with a new key once it is there."""
    with throwaway_home() as home, running_service(home, **settings) as service:
        relay.target = service.url
        environ = environ_of(
            service,
            home,
            database_url=settings["DATABASE_URL"],
            redis_url=settings["REDIS_URL"],
            app_url=relay.url,
        )
        told = {
            provider: service.sandbox.post(
                f"/control/keys/{provider}/rotate", json=AT_ONCE.get(provider)
            ).json()
            for provider in PROVIDERS
        }
        yield service, environ, told


@pytest.fixture(scope="module")
def service(house: tuple[Service, dict[str, str], dict[str, dict[str, str]]]) -> Service:
    """Name the house; its settings are those of before."""
    return house[0]


@pytest.fixture(scope="module")
def processes(
    house: tuple[Service, dict[str, str], dict[str, dict[str, str]]],
) -> Iterator[dict[str, httpx.Client]]:
    """Start the process that knows both keys, and the one that knows the new key alone."""
    service, environ, told = house
    with (
        api_beside(environ, **_overlap(environ, told)) as overlap,
        api_beside(environ, **_new_alone(told)) as after,
    ):
        yield {"before": service.client, "overlap": overlap, "after": after}


@pytest.fixture
async def books(database_url: str, service: Service) -> AsyncIterator[Database]:  # noqa: ARG001
    """Open the books of the house; every promise must hold when a test ends."""
    database = await Database.connect(database_url, max_size=2)
    yield database
    await check_promises(database)
    await database.close()


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def learner(service: Service, processes: dict[str, httpx.Client], provider: str) -> Learner:
    """Have somebody about to pay, by a process that believes what their provider answers."""
    overlap = copy(service)
    overlap.client = processes["overlap"]
    learner = Learner(overlap)
    learner.charge(provider, WAYS[provider])
    return learner


def tell(learner: Learner, provider: str, key: str) -> int:
    """Have a provider send a notice that is signed by its new key or by the one before."""
    sent = craft(learner.service, learner.number_of(), KINDS.get(provider, "success"), key=key)
    status: int = sent["status"]
    return status


class TestANewKey:
    def test_is_refused_until_it_is_set(
        self,
        *,
        learner: Learner,
        provider: str,
        relay: Relay,
        processes: dict[str, httpx.Client],
        books: Database,
    ) -> None:
        relay.target = str(processes["before"].base_url)

        assert tell(learner, provider, "new") == REFUSED[provider]
        assert learner.now()["status"] == "PENDING"
        assert tell(learner, provider, "old") in TAKEN
        learner.wait()
        assert books

    @pytest.mark.parametrize("key", ["old", "new"])
    def test_counts_beside_the_old_one_while_both_are_set(
        self,
        *,
        learner: Learner,
        provider: str,
        relay: Relay,
        processes: dict[str, httpx.Client],
        books: Database,
        key: str,
    ) -> None:
        relay.target = str(processes["overlap"].base_url)

        assert tell(learner, provider, key) in TAKEN

        learner.wait()
        assert books

    def test_counts_alone_when_the_old_one_is_taken_away(
        self,
        *,
        learner: Learner,
        provider: str,
        relay: Relay,
        processes: dict[str, httpx.Client],
        books: Database,
    ) -> None:
        relay.target = str(processes["after"].base_url)

        assert tell(learner, provider, "old") == REFUSED[provider]
        assert learner.now()["status"] == "PENDING"
        assert tell(learner, provider, "new") in TAKEN
        learner.wait()
        assert books

    async def test_that_was_not_known_yet_costs_a_delay_and_no_money(
        self,
        *,
        learner: Learner,
        provider: str,
        relay: Relay,
        processes: dict[str, httpx.Client],
        books: Database,
    ) -> None:
        relay.target = str(processes["before"].base_url)
        act(learner.service, learner.number_of())
        eventually(lambda: REFUSED[provider] in statuses_of(learner.service, learner.number_of()))

        relay.target = str(processes["overlap"].base_url)

        eventually(lambda: TAKEN & set(statuses_of(learner.service, learner.number_of())))
        learner.wait()
        assert await count_of(books, "payments", learner.bought) == 1


def _overlap(environ: dict[str, str], told: dict[str, dict[str, str]]) -> dict[str, str]:
    """Add the new keys to the old ones."""
    return {
        name: new
        + (f"\n{Path(environ[name]).read_text()}" if "BEGIN" in new else f",{environ[name]}")
        for name, new in _new_alone(told).items()
    }


def _new_alone(told: dict[str, dict[str, str]]) -> dict[str, str]:
    """Set what each provider's console shows after the rotation."""
    return {
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY": told["wechat"]["public_key"],
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY_ID": told["wechat"]["public_key_id"],
        "PINGXX_WEBHOOK_PUBLIC_KEY": told["pingxx"]["public_key"],
        "ALIPAY_PUBLIC_KEY": told["alipay"]["public_key"],
        "STRIPE_WEBHOOK_SECRET": told["stripe"]["secret"],
    }
