"""The doors of Stripe, Ping++ and Alipay, in this process.

Behind most stands a provider that tells whatever facts it is given; behind one of each the adapter.
"""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from litestar import Litestar
from litestar.types import ASGIApp
from prometheus_client import REGISTRY

from actors.actor import Actor
from api.app import create_app
from api.frontdesk import FrontDesk
from api.rooms import house_in
from contracts.facts import (
    AttemptClosedAtProvider,
    Fact,
    FactSource,
    PayerAwaited,
    PaymentDeclined,
    PaymentNotPaid,
    PaymentSucceeded,
    RefundMoved,
    RefundOutcome,
    RefundSpotted,
)
from contracts.money import Money
from contracts.order import Order
from contracts.states import RefundKind
from models.engine import Database
from providers.provider import Provider
from runtime.settings import read_settings
from tests.conftest import check_promises, empty
from tests.hostile import door
from tests.hostile.entry import Entry
from tests.hostile.entry_alipay import alipay
from tests.hostile.entry_pingxx import pingxx
from tests.hostile.entry_stripe import stripe
from tests.hostile.entry_wechat import wechat
from tests.hostile.mutants import pairs
from tests.hostile.pens import a_notice_of_nothing
from tests.storage.messenger import Messenger, a_notice, closed_by
from tests.storage.stage import POLICY, buy, opened, put_on_sale

STRIPE, PINGXX, ALIPAY = (
    "/api/order/stripe/webhook",
    "/api/callback/pingxx-callback",
    "/api/callback/alipay-notify",
)
NAMES = {STRIPE: "stripe", PINGXX: "pingxx", ALIPAY: "alipay"}
HEADERS = {STRIPE: "stripe-signature", PINGXX: "x-pingplusplus-signature", ALIPAY: None}
EVERY_DOOR = pytest.mark.parametrize("path", list(NAMES))
NO_MONEY = b'{"id":"evt_1","type":"customer.created","facts":[]}'


class Doors:
    """The application, with somebody behind each door whose secret the tests know."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self.app = app
        self.database = database
        self.messengers = {path: Messenger(NAMES[path], HEADERS[path]) for path in NAMES}
        house = house_in(cast("Litestar", cast("FrontDesk", app)._app))  # noqa: SLF001 - nobody else needs it
        self.providers = cast("dict[str, Provider]", house.providers)

    def open_all(self) -> None:
        """Set every provider up."""
        for messenger in self.messengers.values():
            self.providers[messenger.name] = cast("Provider", messenger)

    async def tell(self, path: str, told: bytes, **headers: str) -> door.Answer:
        """Deliver a genuine notice."""
        signed, body = self.sealed(path, told)
        return await self.send(path, signed, body, **headers)

    def sealed(self, path: str, told: bytes) -> tuple[dict[str, str], bytes]:
        """Sign a notice as its provider does: in a header, or in the body."""
        messenger = self.messengers[path]
        if HEADERS[path] is None:
            return {}, closed_by(messenger.name, told)
        return messenger.signed(told), told

    async def send(
        self, path: str, signed: dict[str, str], body: bytes, **more: str
    ) -> door.Answer:
        """Deliver anything."""
        headers = signed | {name.replace("_", "-"): value for name, value in more.items()}
        return await door.ask(self.app, path, pairs(headers), body)

    async def rows(self) -> list[dict[str, Any]]:
        """List what is stored."""
        return [dict(row) for row in await self.database.fetch("SELECT * FROM webhook_events")]


@asynccontextmanager
async def serving(dsn: str, pool: Database, *others: Entry) -> AsyncIterator[Doors]:
    """Serve with WeChat Pay and *others* set up."""
    environ = {
        "APP_ENV": "sandbox",
        "DATABASE_URL": dsn,
        "JWT_SECRET": "sandbox-" + secrets.token_hex(32),
    }
    for entry in (wechat(), *others):
        environ |= entry.environ
    try:
        async with door.opened(create_app(read_settings(environ))) as app:
            yield Doors(app, pool)
        await check_promises(pool)
    finally:
        await empty(pool)


@pytest.fixture
async def closed(database_url: str, pool: Database) -> AsyncIterator[Doors]:
    """Serve without any of the three."""
    async with serving(database_url, pool) as doors:
        assert not set(NAMES.values()) & set(doors.providers)
        yield doors


@pytest.fixture
async def wired(database_url: str, pool: Database) -> AsyncIterator[Doors]:
    """Serve with the adapters of the three."""
    async with serving(database_url, pool, stripe(), pingxx(), alipay()) as doors:
        assert set(NAMES.values()) <= set(doors.providers)
        yield doors


@pytest.fixture
def doors(closed: Doors) -> Doors:
    closed.open_all()
    return closed


@pytest.fixture
async def order(pool: Database) -> Order:
    """Open a payment of one seat."""
    actor = Actor(database=pool, redis=None, policy=POLICY)
    order = await opened(actor, await buy(actor, await put_on_sale(pool)))
    await actor.close()
    return order


def paid_by(order: Order, provider: str = "stripe") -> PaymentSucceeded:
    attempt = order.attempts[0]
    return PaymentSucceeded(
        provider=provider,
        attempt_no=attempt.attempt_no,
        provider_txn_id="pi_1",
        paid=order.total,
        merchant_id=attempt.request.merchant_id,
        appid=attempt.request.appid,
        paid_at=datetime.now(UTC),
        source=FactSource.NOTICE,
    )


def moved(outcome: RefundOutcome, **changes: Any) -> RefundMoved:  # noqa: ANN401
    fields: dict[str, Any] = {
        "provider": "stripe",
        "attempt_no": NUMBER,
        "refund_no": "re_1",
        "provider_refund_id": "re_1",
        "refunded": Money(amount_minor=1, currency="CNY"),
        "outcome": outcome,
        "source": FactSource.NOTICE,
    }
    return RefundMoved(**(fields | changes))


def counted(provider: str, outcome: str) -> float:
    labels = {"provider": provider, "outcome": outcome}
    return REGISTRY.get_sample_value("guichet_webhook_requests_total", labels) or 0


def is_problem(answer: door.Answer, status: int, code: str) -> bool:
    told = json.loads(answer.body)
    is_one = answer.headers["content-type"] == "application/problem+json"
    return is_one and (answer.status, told["status"], told["code"]) == (status, status, code)


NUMBER = "G00000000000000001"
_SAID: dict[str, Fact] = {
    "failed": PaymentDeclined(provider="stripe", attempt_no=NUMBER, code="stolen_card"),
    "cancelled": AttemptClosedAtProvider(provider="stripe", attempt_no=NUMBER),
    "requires_action": PayerAwaited(provider="stripe", attempt_no=NUMBER),
    "pending": PaymentNotPaid(provider="stripe", attempt_no=NUMBER, asked_at=datetime.now(UTC)),
    "refunding": moved(RefundOutcome.PROCESSING),
    "refunded": moved(RefundOutcome.SUCCESS),
    "refund_failed": moved(RefundOutcome.CLOSED),
    "disputed": moved(RefundOutcome.PROCESSING, kind=RefundKind.DISPUTE),
}


# The order's own way of paying, brought by Stripe's messenger.
_ABOUT: Any = {"provider": "wechat", "attempt_no": "", "provider_txn_id": "pi_1"}
NAMELESS: list[RefundSpotted | RefundMoved] = [
    RefundSpotted(refund_no="re_1", **_ABOUT),
    moved(RefundOutcome.PROCESSING, kind=RefundKind.DISPUTE, **_ABOUT),
]


class TestAGenuineNotice:
    @EVERY_DOOR
    async def test_is_stored_before_it_is_answered(self, doors: Doors, path: str) -> None:
        signed, body = doors.sealed(path, NO_MONEY)
        answer = await doors.send(path, signed, body, x_forwarded_for="10.0.0.1", cookie="a=b")

        assert 200 <= answer.status < 300
        (row,) = await doors.rows()
        assert (row["provider"], bytes(row["body"])) == (NAMES[path], body)
        assert json.loads(row["headers"]) == signed
        assert row["trace_ctx"].startswith("00-")

    @EVERY_DOOR
    async def test_that_nobody_can_read_is_stored_as_well(self, doors: Doors, path: str) -> None:
        assert 200 <= (await doors.tell(path, b"\xff no notice")).status < 300
        assert len(await doors.rows()) == 1

    @EVERY_DOOR
    async def test_is_answered_the_same_however_often_it_comes(
        self, doors: Doors, path: str, order: Order
    ) -> None:
        told = a_notice("payment_intent.succeeded", paid_by(order, NAMES[path]))
        before = counted(NAMES[path], "duplicate")
        answers = [await doors.tell(path, told) for _ in range(3)]

        assert [(a.status, a.body) for a in answers] == [(200, answers[0].body)] * 3
        assert len(await doors.rows()) == 1
        assert counted(NAMES[path], "duplicate") == before + 2

    @EVERY_DOOR
    async def test_that_comes_again_is_finished(self, doors: Doors, path: str) -> None:
        signed, body = doors.sealed(path, NO_MONEY)
        name = doors.messengers[path].verify(signed, body, datetime.now(UTC)).event_id
        await doors.database.execute(
            """INSERT INTO webhook_events (provider, event_id, headers, body, status, retry_count,
                 due_at) VALUES ($1, $2, $3, $4, 'FAILED', 3, now() + interval '1 hour')""",
            NAMES[path],
            name,
            json.dumps(signed),
            body,
        )

        assert 200 <= (await doors.send(path, signed, body)).status < 300

        await door.until(lambda: _status(doors), "PROCESSED")


class TestItsAnswer:
    async def test_is_the_bare_word_that_ping_plus_plus_knows(self, doors: Doors) -> None:
        answer = await doors.tell(PINGXX, NO_MONEY)

        assert (answer.status, answer.body) == (200, b"pingxx callback success")
        assert answer.headers["content-type"].startswith("text/plain")

    async def test_is_the_bare_word_that_alipay_knows(self, doors: Doors) -> None:
        answer = await doors.tell(ALIPAY, NO_MONEY)

        assert (answer.status, answer.body) == (200, b"success")
        assert answer.headers["content-type"].startswith("text/plain")

    async def test_tells_stripe_which_order_was_paid(self, doors: Doors, order: Order) -> None:
        told = a_notice("payment_intent.succeeded", paid_by(order))
        answer = await doors.tell(STRIPE, told)

        assert answer.status == 200
        assert json.loads(answer.body) == {
            "status": "paid",
            "order_bid": order.order_no,
            "event_type": "payment_intent.succeeded",
        }

    @pytest.mark.parametrize("status", _SAID)
    async def test_tells_stripe_what_it_was_taken_for(self, doors: Doors, status: str) -> None:
        answer = await doors.tell(STRIPE, a_notice("some.event", _SAID[status]))

        told = {"status": status, "order_bid": NUMBER[:16], "event_type": "some.event"}
        assert (answer.status, json.loads(answer.body)) == (200, told)

    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("payment_intent.processing", "pending"),
            ("charge.refunded", "refunded"),
        ],
    )
    async def test_tells_stripe_what_is_no_fact(self, doors: Doors, kind: str, status: str) -> None:
        told = json.loads(a_notice(kind)) | {
            "data": {"object": {"metadata": {"attempt_no": NUMBER}}}
        }
        answer = await doors.tell(STRIPE, json.dumps(told).encode())

        said = {"status": status, "order_bid": NUMBER[:16], "event_type": kind}
        assert (answer.status, json.loads(answer.body)) == (200, said)

    @pytest.mark.parametrize("fact", NAMELESS, ids=["spotted", "disputed"])
    async def test_finds_the_order_where_stripe_names_only_a_payment(
        self, doors: Doors, order: Order, fact: RefundSpotted | RefundMoved
    ) -> None:
        kind = "charge.dispute.created"
        unknown = await doors.tell(STRIPE, a_notice(kind, fact))
        await doors.tell(STRIPE, a_notice("payment_intent.succeeded", paid_by(order, "wechat")))
        paid = "SELECT status FROM orders"
        await door.until(lambda: doors.database.fetchval(paid), "PAID")

        known = await doors.tell(STRIPE, a_notice(kind, fact, notice_id="evt_2"))

        aside = {"status": "acknowledged", "event_type": kind, "reason": "payment_not_known"}
        assert (unknown.status, json.loads(unknown.body)) == (202, aside)
        assert (known.status, json.loads(known.body)["order_bid"]) == (200, order.order_no)

    @pytest.mark.parametrize(
        ("body", "answered"),
        [
            (NO_MONEY, {"status": "acknowledged", "event_type": "customer.created"}),
            (
                a_notice("payment_intent.succeeded"),
                {
                    "status": "ignored",
                    "event_type": "payment_intent.succeeded",
                    "reason": "no_order",
                },
            ),
            (
                b'{"type":"refund.updated"}',
                {"status": "ignored", "event_type": "refund.updated", "reason": "unreadable"},
            ),
            (b"\xff", {"status": "ignored", "event_type": "", "reason": "unreadable"}),
        ],
        ids=["unrecognised", "of nobody here", "unreadable", "no JSON"],
    )
    async def test_tells_stripe_what_moves_nothing(
        self, doors: Doors, body: bytes, answered: dict[str, str]
    ) -> None:
        for _ in range(2):
            answer = await doors.tell(STRIPE, body)
            assert (answer.status, json.loads(answer.body)) == (202, answered)

        assert len(await doors.rows()) == 1


class TestANoticeThatProvesNothing:
    @EVERY_DOOR
    async def test_is_counted_and_not_stored(self, doors: Doors, path: str) -> None:
        signed, body = doors.sealed(path, NO_MONEY)
        before = counted(NAMES[path], "bad_signature")
        answer = await doors.send(path, signed, body.replace(b"customer", b"c"))

        assert await doors.rows() == []
        assert counted(NAMES[path], "bad_signature") == before + 1
        assert _is_refusal(path, answer)

    @pytest.mark.parametrize("path", [STRIPE, PINGXX])
    async def test_lacks_a_signature_or_has_two(self, doors: Doors, path: str) -> None:
        name = str(HEADERS[path])
        honest = doors.messengers[path].signed(NO_MONEY)
        twice = [*pairs(honest), (name.title().encode(), honest[name].encode())]
        for headers in ([], twice):
            answer = await door.ask(doors.app, path, headers, NO_MONEY)
            assert _is_refusal(path, answer)

        assert await doors.rows() == []

    @EVERY_DOOR
    async def test_is_compressed_or_too_large(self, doors: Doors, path: str) -> None:
        packed = await doors.tell(path, NO_MONEY, content_encoding="gzip")
        large = await doors.tell(path, NO_MONEY + b" " * 64 * 1024)

        assert is_problem(packed, 415, "UNSUPPORTED_MEDIA_TYPE")
        assert is_problem(large, 413, "BODY_TOO_LARGE")
        assert await doors.rows() == []


class TestADoorOfAProviderThatIsSetUp:
    @EVERY_DOOR
    async def test_stores_what_its_provider_signed(self, wired: Doors, path: str) -> None:
        notice = a_notice_of_nothing(path, salt=1)
        answer = await wired.send(path, dict(notice.headers), notice.body)

        assert 200 <= answer.status < 300
        (row,) = await wired.rows()
        assert (row["provider"], bytes(row["body"])) == (NAMES[path], notice.body)

    @EVERY_DOOR
    async def test_turns_away_what_it_did_not_sign(self, wired: Doors, path: str) -> None:
        notice = a_notice_of_nothing(path, salt=1)
        forged = notice.body.replace(NUMBER.encode(), NUMBER[:-1].encode() + b"2")
        answer = await wired.send(path, dict(notice.headers), forged)

        assert forged != notice.body
        assert _is_refusal(path, answer)
        assert await wired.rows() == []


class TestADoorOfAProviderThatIsNotSetUp:
    @EVERY_DOOR
    async def test_sends_notices_away_for_a_while(self, closed: Doors, path: str) -> None:
        answer = await closed.tell(path, NO_MONEY)

        assert is_problem(answer, 503, "PROVIDER_NOT_CONFIGURED")
        assert answer.headers["retry-after"] == "60"
        assert await closed.rows() == []


async def _status(doors: Doors) -> str:
    return str((await doors.rows())[0]["status"])


def _is_refusal(path: str, answer: door.Answer) -> bool:
    if path == ALIPAY:
        return (answer.status, answer.body) == (401, b"failure")
    return is_problem(answer, 400 if path == STRIPE else 401, "BAD_SIGNATURE")
