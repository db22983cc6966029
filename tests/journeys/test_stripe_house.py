"""A house whose usual provider is Stripe, while the secret of its events is rolled."""

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.engine import Database
from sandbox.embedded.homes import throwaway_home
from tests.conftest import check_promises
from tests.journeys.learner import PAID, PAYABLE, Learner, craft
from tests.journeys.service import Service, act, eventually, running_service, trade_status
from tests.payments_v2.conftest import an_empty_database
from tests.payments_v2.shop import Payer

pytestmark = pytest.mark.xdist_group("service")

HOOK = "/api/order/stripe/webhook"
OLD, NEW = "whsec_theOldOne", "whsec_theNewOne"


@pytest.fixture(scope="session")
async def stripe_house_url() -> str:
    """Make the books of the house."""
    return await an_empty_database("guichet_of_stripe")


@pytest.fixture(scope="session")
def stripe_home() -> Iterator[Path]:
    """Make the folder that outlives a restart."""
    with throwaway_home() as home:
        yield home


@pytest.fixture(scope="session")
def stripe_environ(stripe_house_url: str) -> dict[str, str]:
    """Say how the house runs; nobody asks Stripe unasked, so that events alone settle."""
    return {
        "DATABASE_URL": stripe_house_url,
        "REDIS_URL": os.environ["GUICHET_TEST_REDIS"].rpartition("/")[0] + "/14",
        "SANDBOX_TIME_SCALE": "30",
        "PAYMENT_PROVIDER": "stripe",
        "PAYMENTS_JOB_RECONCILE_INTERVAL_MIN": "0",
        # The simulated endpoint has the first of them.
        "STRIPE_WEBHOOK_SECRET": f"{NEW},{OLD}",
    }


@pytest.fixture(scope="session")
def house(stripe_environ: dict[str, str], stripe_home: Path) -> Iterator[Service]:
    """Start it once, with two secrets for its events."""
    with running_service(stripe_home, **stripe_environ) as service:
        yield service


@pytest.fixture
async def stripe_books(stripe_house_url: str) -> AsyncIterator[Database]:
    """Open its books; every promise must hold when a test ends."""
    database = await Database.connect(stripe_house_url, max_size=2)
    yield database
    await check_promises(database)
    await database.close()


def rotate(service: Service, *, overlap: bool) -> str:
    """Roll the endpoint's secret at Stripe, and be told the new one."""
    answer = service.sandbox.post("/control/keys/stripe/rotate", json={"overlap": overlap})
    assert answer.status_code == 200, answer.text
    secret: str = answer.json()["secret"]
    return secret


def tell(service: Service, attempt_no: str, secret: str) -> int:
    """Tell that an attempt was paid, signed with a secret of our choice; return the answer."""
    intent = {
        "id": f"pi_{secrets.token_hex(8)}",
        "object": "payment_intent",
        "status": "succeeded",
        "amount_received": 9900,
        "currency": "cny",
        "created": int(time.time()),
        "livemode": False,
        "metadata": {"attempt_no": attempt_no},
    }
    event = {
        "id": f"evt_{secrets.token_hex(8)}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": intent},
    }
    body, at = json.dumps(event).encode(), str(int(time.time()))
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={at},v1={mac}"}
    return service.client.post(HOOK, content=body, headers=headers).status_code


def waiting(service: Service, attempt_no: str) -> list[dict[str, Any]]:
    """List the events that Stripe will send again."""
    told = service.sandbox.get("/control/notices", params={"out_trade_no": attempt_no}).json()
    pending: list[dict[str, Any]] = told["pending"]
    return pending


class TestAHouseOfStripe:
    def test_starts_no_charge_before_it_is_confirmed(
        self, house: Service, stripe_books: Database
    ) -> None:
        payer = Payer(house)

        assert (payer.bought["channel"], payer.bought["payPayload"]) == (None, None)
        assert payer.payments()["attempts"] == []
        assert stripe_books

    @pytest.mark.parametrize(
        ("method", "channel", "needed"),
        [
            (None, "stripe", "clientSecret"),
            ("stripe", "stripe", "clientSecret"),
            ("stripe:checkout_session", "stripe:checkout_session", "redirectUrl"),
        ],
        ids=["unsaid", "intent", "session"],
    )
    def test_opens_at_stripe_what_is_confirmed_and_says_what_pays_it(
        self,
        *,
        house: Service,
        stripe_books: Database,
        method: str | None,
        channel: str,
        needed: str,
    ) -> None:
        payer = Payer(house)

        confirmed = payer.confirm(**({} if method is None else {"method": method}))

        assert confirmed.status_code == 201, confirmed.text
        told = confirmed.json()
        assert told["status"] == "requires_action"
        assert set(told["actionData"]) == {needed}
        (attempt,) = payer.payments()["attempts"]
        assert (attempt["provider"], attempt["channel"]) == ("stripe", channel)
        assert trade_status(house, attempt["attemptNo"]) == "requires_payment_method"

        act(house, attempt["attemptNo"])

        payer.wait(status="PAID", paymentStatus="PAID", lastPaymentAttemptStatus="succeeded")
        assert payer.payments()["intents"][0]["status"] == "succeeded"
        assert stripe_books

    def test_pays_a_course_where_nothing_is_said_at_the_way_it_was_last(
        self, house: Service, stripe_books: Database
    ) -> None:
        ann = Learner(house)
        ann.charge("stripe", "stripe:checkout_session")

        again = ann.told("reqiure-to-pay", order_id=ann.order_no)

        assert again["payment_channel"] == "stripe"
        ann.paid_by(len(ann.books()["attempts"]))
        assert stripe_books


class TestASecretThatIsRolled:
    def test_counts_beside_the_one_before_as_long_as_both_are_set(
        self, house: Service, stripe_books: Database
    ) -> None:
        for secret in (NEW, OLD):
            payer = Payer(house)
            payer.confirm()
            number = payer.payments()["attempts"][0]["attemptNo"]
            assert tell(house, number, "whsec_nobodysOwn") == 400
            assert tell(house, number, secret) == 200
            payer.wait(status="PAID")
        assert stripe_books

    def test_is_refused_until_it_is_set(
        self,
        house: Service,
        stripe_environ: dict[str, str],
        stripe_home: Path,
        stripe_books: Database,
    ) -> None:
        ann = Learner(house)
        ann.charge("stripe")
        # While the old one signs beside it nothing is lost.
        rotate(house, overlap=True)
        assert craft(house, ann.attempt(), "customer.created")["status"] == 202
        assert craft(house, ann.attempt(), "success", key="new")["status"] == 400

        newest = rotate(house, overlap=False)

        assert craft(house, ann.attempt(), "success")["status"] == 400
        ann.pay()
        # Stripe comes again and again; meanwhile the order waits.
        eventually(lambda: any(one["attempt"] > 1 for one in waiting(house, ann.attempt())))
        assert ann.standing()["status"] == PAYABLE

        # Nobody needs this house any more: no test comes after this one.
        house.stop()
        changed = stripe_environ | {"STRIPE_WEBHOOK_SECRET": f"{newest},{NEW}"}
        with running_service(stripe_home, **changed) as restarted:
            ann.service = restarted
            assert craft(restarted, ann.attempt(), "success")["status"] == 200
            ann.wait(PAID)
        assert stripe_books
