"""One order is one story in the traces, the log goes with it, and neither tells a secret."""

import asyncio
import base64
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.asyncio import Redis

from models.engine import Database
from tests.journeys.collector import Collector, Span
from tests.journeys.service import ROOT, Person, Service, act, eventually

pytestmark = pytest.mark.xdist_group("service")

_names = count(1)
EVENT, STANDARD = 1, 1
CREATE = "POST /api/events/{event_id}/orders"
NOTICE_DOOR = "POST /api/webhooks/wechatpay"
# By construction: the provider's simulator and the provider itself both make them so.
OPENID = re.compile(r"\bo[0-9A-Za-z_-]{27}\b")


@pytest.fixture
def bea(service: Service) -> Person:
    """Sign in somebody whose name can be nowhere by chance."""
    return Person(service, f"bea-{next(_names)}-{token_hex(8)}")


@pytest.fixture
async def redis(service_redis_url: str) -> Any:  # noqa: ANN401
    """Connect to the service's Redis."""
    client: Redis = Redis.from_url(service_redis_url)
    yield client
    await client.aclose()


def buy(person: Person, **body: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = person.order(EVENT, STANDARD, **body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def attempt_of(order: dict[str, Any]) -> str:
    return f"{order['orderNo']}01"


async def reached(person: Person, order: dict[str, Any], status: str) -> None:
    await asyncio.to_thread(
        eventually, lambda: person.see(EVENT, order["orderId"])["status"] == status
    )


def word(span: Span) -> str:
    """Name a span by its process, its name and what is asked for."""
    told = (span.process, span.name, span.attributes.get("guichet.command"))
    return " ".join(str(part) for part in told if part)


class Story:
    """The spans that parents and links join to one order's beginning."""

    def __init__(self, beginning: Span, spans: list[Span]) -> None:
        self.beginning = beginning
        self.spans = spans
        self.words = {word(span) for span in spans}

    def one(self, name: str) -> Span:
        """Find the first span of a name."""
        return next(span for span in self.spans if word(span) == name)


async def story_of(collector: Collector, order: dict[str, Any], *wanted: str) -> Story:
    """Wait until all *wanted* spans belong to the story of *order*."""

    def told() -> Story | None:
        story = _story(collector, order)
        return story if story and story.words >= set(wanted) else None

    try:
        found: Story = await asyncio.to_thread(eventually, told)
    except AssertionError:
        story = _story(collector, order)
        assert story is not None, "the order's beginning was never told"
        assert set(wanted) - story.words == set()
        raise
    return found


def _story(collector: Collector, order: dict[str, Any]) -> Story | None:
    about = order["orderId"]
    for span in collector.spans():
        if span.name == CREATE and span.attributes.get("guichet.order.id") == about:
            return Story(span, collector.around(span))
    return None


def assert_says_what_it_is_about(
    story: Story, order: dict[str, Any], *, channel: str = "WECHAT_NATIVE"
) -> None:
    for span in story.spans:
        about = {
            name: span.attributes.get(f"guichet.{name}")
            for name in ("order.id", "provider", "channel")
        }
        if span.is_shared:
            continue
        if span.name == NOTICE_DOOR:
            # It stores what it cannot read; the span below it reads.
            assert about["provider"] == "wechat"
            continue
        assert about == {
            "order.id": order["orderId"],
            "provider": "wechat",
            "channel": channel,
        }, word(span)


class TestTheTraceOfAPurchase:
    PARTS = (
        f"guichet-api {CREATE}",
        "guichet-api sales.commit",
        "guichet-api wechat.open",
        "guichet-api order.turn RecordOpened",
        "guichet-api openings.commit",
        "guichet-api turns.commit",
        f"guichet-api {NOTICE_DOOR}",
        "guichet-api inbox.commit",
        "guichet-api inbox.process",
        "guichet-api order.turn RecordPayment",
        "guichet-worker effects.effect",
        "guichet-worker effects.sweep",
    )

    async def test_is_whole_though_redis_forgets_everything(
        self, bea: Person, service: Service, books: Database, collector: Collector, redis: Redis
    ) -> None:
        order = buy(bea)
        await redis.flushdb()
        act(service, attempt_of(order))
        await reached(bea, order, "PAID")
        assert books

        story = await story_of(collector, order, *self.PARTS)

        assert_says_what_it_is_about(story, order)
        assert story.one("guichet-api wechat.open").kind == "CLIENT"
        assert story.beginning.span_id in story.one("guichet-worker effects.effect").links
        settled = story.one("guichet-api order.turn RecordPayment")
        assert settled.trace_id != story.beginning.trace_id
        assert story.beginning.span_id in settled.links

    async def test_of_a_lost_notice_goes_on_where_the_provider_is_asked(
        self, bea: Person, service: Service, books: Database, collector: Collector
    ) -> None:
        order = buy(bea)
        act(service, attempt_of(order), drop=True)
        await reached(bea, order, "PAID")
        assert books

        story = await story_of(
            collector,
            order,
            "guichet-worker reconcile.attempt",
            "guichet-worker wechat.query",
            "guichet-worker order.turn RecordPayment",
            "guichet-worker turns.commit",
        )

        assert_says_what_it_is_about(story, order)
        assert f"guichet-api {NOTICE_DOOR}" not in story.words
        assert story.one("guichet-worker wechat.query").kind == "CLIENT"
        assert story.beginning.span_id in story.one("guichet-worker reconcile.attempt").links

    async def test_of_nobody_who_pays_ends_with_the_close(
        self, bea: Person, books: Database, collector: Collector
    ) -> None:
        order = buy(bea)
        await books.execute(
            "UPDATE orders SET expired_at = now() - interval '1 second' WHERE id = $1",
            order["orderId"],
        )
        await reached(bea, order, "EXPIRED")

        story = await story_of(
            collector,
            order,
            "guichet-worker expire.order",
            "guichet-worker order.turn Expire",
            "guichet-worker close.attempt",
            "guichet-worker wechat.close",
            "guichet-worker order.turn RecordAttempt",
        )

        assert_says_what_it_is_about(story, order)
        assert story.one("guichet-worker wechat.close").kind == "CLIENT"
        for name in ("guichet-worker expire.order", "guichet-worker close.attempt"):
            assert story.beginning.span_id in story.one(name).links


class TestAnOrderNobodyWantsToPay:
    async def test_has_a_story_of_its_own_requests(
        self, bea: Person, books: Database, collector: Collector
    ) -> None:
        order = buy(bea, prepare=False)
        assert bea.cancel(EVENT, order["orderId"]).json() == {"status": "CANCELLED"}
        bea.see(EVENT, order["orderId"])
        assert books

        story = await story_of(
            collector,
            order,
            f"guichet-api {CREATE}/{{order}}/cancel",
            "guichet-api order.turn Cancel",
            "guichet-worker effects.effect",
        )

        assert_says_what_it_is_about(story, order, channel="none")
        left = story.one(f"guichet-api {CREATE}/{{order}}/cancel")
        assert story.beginning.span_id in left.links
        # Another process may have served it, and sends at its own pace.
        await asyncio.to_thread(
            eventually,
            lambda: (
                [
                    span.attributes["guichet.channel"]
                    for span in collector.spans()
                    if span.name.startswith("GET ")
                    and span.attributes.get("guichet.order.id") == order["orderId"]
                ]
                == ["none"]
            ),
        )


class TestTheSpanOfACommit:
    async def test_is_a_root_with_a_link_to_each_who_waited(
        self, service: Service, books: Database, collector: Collector
    ) -> None:
        people = [Person(service, f"crew-{token_hex(8)}") for _ in range(12)]
        orders = await asyncio.gather(
            *(asyncio.to_thread(buy, person, prepare=False) for person in people)
        )
        assert books
        for order in orders:
            story = await story_of(collector, order, "guichet-api sales.commit")
            # A group may have had others in it whose command nobody records: a sweep's, a worker's.
            (commit,) = (one for one in story.spans if one.name == "sales.commit")

            assert commit.parent_id == ""
            assert story.beginning.span_id in commit.links
            assert len(commit.links) <= int(commit.attributes["guichet.group.size"])


class TestSecrets:
    async def test_are_neither_in_the_traces_nor_in_the_log(
        self,
        bea: Person,
        service: Service,
        books: Database,
        collector: Collector,
        service_home: Path,
    ) -> None:
        name, began = token_hex(8), len(service.log)
        carl = Person(service, f"carl {name}")
        order = buy(carl, quantity=2)
        act(service, attempt_of(order))
        await reached(carl, order, "PAID")
        await story_of(collector, order, *TestTheTraceOfAPurchase.PARTS)
        # The log comes by another way than the spans do, and may be behind them.
        await asyncio.to_thread(
            eventually,
            lambda: any("payments.webhook.processed" in line for line in service.log[began:]),
        )
        told = "\n".join(service.log) + "\n"
        told += b"\n".join(collector.bodies).decode("utf-8", "replace")

        token = carl.headers["Authorization"].removeprefix("Bearer ")
        secret = {
            "name": name,
            "token": token,
            "token's signature": token.rpartition(".")[2],
            "other's token": bea.headers["Authorization"].removeprefix("Bearer "),
            "code url": order["payPayload"]["codeUrl"],
            "code": order["payPayload"]["codeUrl"].partition("pr=")[2],
            **_keys(service_home),
            **await _notice(books, order, service_home),
        }
        assert all(len(value) >= 8 for value in secret.values())
        assert OPENID.search(secret["openid"])

        assert [kind for kind, value in secret.items() if value in told] == []
        assert OPENID.findall(told) == []
        for word in (
            "WECHATPAY2-SHA256",
            "Wechatpay-Sign",
            "wechatpay-sign",
            "Bearer ey",
            "PRIVATE",
            "@guichet.test",
        ):
            assert word not in told
        # What is looked through is what was told: the order itself is there.
        assert order["orderNo"] not in secret.values()
        assert "payments.webhook.processed" in told
        assert NOTICE_DOOR in told


def _keys(home: Path) -> dict[str, str]:
    stored = json.loads((home / "keys" / "secrets.json").read_text(encoding="utf-8"))
    found = {name: stored[name] for name in ("jwt_secret", "api_v3_key")}
    for pem in (home / "keys").glob("*private*.pem"):
        lines = pem.read_text(encoding="utf-8").splitlines()
        found[pem.name] = lines[len(lines) // 2]
    assert {"merchant_private_key.pem", "platform_private_key.pem"} < found.keys()
    return found


async def _notice(books: Database, order: dict[str, Any], home: Path) -> dict[str, str]:
    """Open the stored notice as nobody but its reader may."""
    row = await books.fetchrow(
        "SELECT headers, body FROM webhook_events WHERE order_id = $1", order["orderId"]
    )
    assert row is not None
    headers = msgspec.json.decode(row["headers"])
    sealed = msgspec.json.decode(row["body"])["resource"]
    key = json.loads((home / "keys" / "secrets.json").read_text(encoding="utf-8"))["api_v3_key"]
    opened = AESGCM(key.encode()).decrypt(
        sealed["nonce"].encode(),
        base64.b64decode(sealed["ciphertext"]),
        sealed["associated_data"].encode(),
    )
    return {
        "signature": headers["wechatpay-signature"],
        "nonce": headers["wechatpay-nonce"],
        "sealed": sealed["ciphertext"][:40],
        "openid": msgspec.json.decode(opened)["payer"]["openid"],
    }


class TestTheLog:
    async def test_is_json_and_names_the_spans_of_a_purchase(
        self, bea: Person, service: Service, books: Database, collector: Collector
    ) -> None:
        began = len(service.log)
        order = buy(bea)
        act(service, attempt_of(order))
        await reached(bea, order, "PAID")
        story = await story_of(collector, order, *TestTheTraceOfAPurchase.PARTS)
        assert books

        spans = {(span.trace_id, span.span_id) for span in story.spans}

        def inside() -> set[str]:
            lines = (msgspec.json.decode(line, type=dict[str, Any]) for line in service.log[began:])
            return {
                line["event"]
                for line in lines
                if (line.get("trace_id"), line.get("span_id")) in spans
            }

        # The log comes by another way than the spans do, and may be behind them.
        wanted = {"payments.webhook.processed", "mail.sent"}
        await asyncio.to_thread(eventually, lambda: inside() >= wanted)

    async def test_has_nothing_else_in_it(self, service: Service, books: Database) -> None:
        assert books
        # Everything all journeys so far have caused; the supervisor's one line is for a person.
        log = list(service.log)
        said = [line for line in log if not line.startswith("Guichet is ready at ")]
        assert len(said) == len(log) - 1

        for line in said:
            told = msgspec.json.decode(line, type=dict[str, Any])
            assert {"event", "level", "timestamp"} <= told.keys(), line
            assert ("trace_id" in told) == ("span_id" in told), line
            assert "lost_keys" not in told, line


_PROCESS = """
import sys, time
from opentelemetry import trace
from runtime.logs import configure_logs
from runtime.telemetry import start_telemetry, stop_telemetry
configure_logs("INFO")
start_telemetry("tests", sys.argv[1])
tracer = trace.get_tracer("tests")
began = time.monotonic()
for n in range(5000):
    with tracer.start_as_current_span("work"):
        pass
worked = time.monotonic()
stop_telemetry()
sys.stderr.write(f"{worked - began} {time.monotonic() - worked}")
"""


class TestACollector:
    @pytest.fixture(params=["hangs", "is away"])
    def endpoint(self, request: pytest.FixtureRequest) -> Iterator[str]:
        """Listen without ever answering, or not at all."""
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            if request.param == "hangs":
                door.listen(64)
            yield f"http://127.0.0.1:{door.getsockname()[1]}"

    def test_that_does_not_answer_stops_nobody(self, endpoint: str) -> None:
        began = time.monotonic()
        done = subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-c", _PROCESS, endpoint],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        )

        working, ending = map(float, done.stderr.split())
        # More spans than are ever kept, and nobody waited for one of them.
        # Who waits at all waits for half a minute: less is the time of a machine that is busy.
        assert working < 25
        assert ending < 25
        assert time.monotonic() - began < 28
        for line in done.stdout.splitlines():
            assert {"event", "level", "timestamp"} <= json.loads(line).keys()
