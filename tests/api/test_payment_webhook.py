"""The door for normalized events, over real HTTP with real signatures.

The orders are at the mock, whose own word these events are.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.api.service import ORDERS, Buyer, Service, running_service
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import WEBHOOK_SECRET, wait_until
from tests.storage.told import an_event as an_event_of
from tests.storage.told import intent_of
from tests.storage.told import signed as signed_by

DOOR = "/payments/webhook"
TAKEN = {"ok": True}


@pytest.fixture(scope="module")
def service(environ: dict[str, str], api_home: Path) -> Iterator[Service]:
    """Run a service whose orders are at the mock."""
    with running_service(environ, api_home / "api_mock", PAYMENT_PROVIDER="mock") as service:
        yield service


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.base_url, trust_env=False) as client:
        yield client


@pytest.fixture
async def order(buyer: Buyer, database: Database) -> dict[str, Any]:
    """Buy one seat that waits for its payer, and let the mock have said so."""
    made: dict[str, Any] = buyer.order().json()
    asked = {"orderId": made["orderId"], "amount": 9900, "currency": "CNY"}
    wanted = buyer.http.post("/payments/create_intent", json=asked | {"idempotencyKey": "intent"})
    confirmed = {"intentId": wanted.json()["intentId"], "simulate": "requires_action"}
    buyer.http.post("/payments/confirm", json=confirmed | {"idempotencyKey": "confirm"})
    told = """SELECT 1 FROM webhook_events WHERE provider = 'mock' AND status = 'PROCESSED'
              AND convert_from(body, 'UTF8')::json #>> '{data,order_id}' = $1"""
    async with asyncio.timeout(60):
        while not await database.fetchval(told, str(made["orderId"])):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
    return made


@pytest.fixture
async def intent_id(database: Database, order: dict[str, Any]) -> int:
    return await intent_of(database, order["orderId"])


def an_event(kind: str, order_id: int, intent_id: int, **more: Any) -> bytes:  # noqa: ANN401
    return an_event_of(kind, order_id, intent_id, provider="mock", **more)


def signed(body: bytes, changes: dict[str, str] | None = None, **about: Any) -> dict[str, str]:  # noqa: ANN401
    headers = signed_by(body, **({"secret": WEBHOOK_SECRET} | about))
    return headers | {"content-type": "application/json"} | (changes or {})


def status_of(buyer: Buyer, order: dict[str, Any]) -> str:
    return str(buyer.http.get(f"{ORDERS}/{order['orderId']}").json()["status"])


async def settled(buyer: Buyer, order: dict[str, Any]) -> None:
    await asyncio.to_thread(wait_until, lambda: status_of(buyer, order) == "PAID")


async def rows_of(database: Database, event_id: str) -> list[dict[str, Any]]:
    found = await database.fetch("SELECT * FROM webhook_events WHERE event_id = $1", event_id)
    return [dict(row) for row in found]


async def stored(database: Database, body: bytes) -> int:
    """Count the rows of one body: the mock's own events may come at any time."""
    mine = "SELECT count(*) FROM webhook_events WHERE provider <> 'wechat' AND body = $1"
    return int(await database.fetchval(mine, body))


class TestTheNormalizedEvent:
    async def test_needs_nothing_but_the_fields_of_its_schema(
        self,
        http: httpx.AsyncClient,
        buyer: Buyer,
        order: dict[str, Any],
        intent_id: int,
    ) -> None:
        body = an_event("payment.succeeded", order["orderId"], intent_id)
        assert json.loads(body).keys() == {"event_id", "type", "provider", "created_at", "data"}

        answer = await http.post(DOOR, content=body, headers=signed(body))

        assert (answer.status_code, answer.json()) == (200, TAKEN)
        await settled(buyer, order)

    async def test_may_say_more_than_we_know(
        self, http: httpx.AsyncClient, buyer: Buyer, order: dict[str, Any], intent_id: int
    ) -> None:
        told = json.loads(
            an_event("payment.succeeded", order["orderId"], intent_id, livemode=False)
        )
        body = json.dumps(told | {"api_version": "2026-11"}).encode()
        await http.post(DOOR, content=body, headers=signed(body))

        await settled(buyer, order)

    @pytest.mark.parametrize("field", ["event_id", "type", "provider", "created_at", "data"])
    async def test_that_lacks_a_field_is_kept_for_a_person(
        self, field: str, http: httpx.AsyncClient, database: Database
    ) -> None:
        told = json.loads(an_event("payment.succeeded", 1, 1))
        body = json.dumps({name: v for name, v in told.items() if name != field}).encode()

        answer = await http.post(DOOR, content=body, headers=signed(body))

        assert (answer.status_code, answer.json()) == (200, TAKEN)
        assert await stored(database, body) == 1

    async def test_is_described_for_who_sends_it(self, http: httpx.AsyncClient) -> None:
        paths = (await http.get("/schema/openapi.json")).json()["paths"]
        schema = paths[DOOR]["post"]["requestBody"]["content"]["application/json"]["schema"]

        assert schema["required"] == ["event_id", "type", "provider", "created_at", "data"]
        data = schema["properties"]["data"]
        optional = data["properties"].keys() - set(data["required"])
        assert optional == {"attempt_no", "provider_txn_id", "refund_id"}


class TestTheWebhookDoor:
    """POST /payments/webhook: verify, insert idempotently, then update."""

    async def test_answers_ok_and_writes_the_row_first(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        body = an_event("payment.succeeded", 2**53 - 1, 2**53 - 1)
        event_id = json.loads(body)["event_id"]
        answer = await http.post(DOOR, content=body, headers=signed(body))

        assert (answer.status_code, answer.json()) == (200, TAKEN)
        (row,) = await rows_of(database, event_id)
        assert (row["provider"], bytes(row["body"])) == ("mock", body)
        assert row["trace_ctx"].startswith("00-")
        assert json.loads(row["headers"]).keys() == {
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        }

    async def test_takes_the_signature_under_its_other_name(
        self, http: httpx.AsyncClient, buyer: Buyer, order: dict[str, Any], intent_id: int
    ) -> None:
        body = an_event("payment.succeeded", order["orderId"], intent_id)
        headers = signed(body)
        headers["X-Signature"] = headers.pop("webhook-signature")
        await http.post(DOOR, content=body, headers=headers)

        await settled(buyer, order)

    async def test_answers_a_duplicate_the_same(
        self,
        http: httpx.AsyncClient,
        buyer: Buyer,
        database: Database,
        order: dict[str, Any],
        intent_id: int,
    ) -> None:
        body = an_event("payment.succeeded", order["orderId"], intent_id)
        answers = await asyncio.gather(
            *(http.post(DOOR, content=body, headers=signed(body)) for _ in range(100))
        )

        assert {(answer.status_code, answer.text) for answer in answers} == {(200, '{"ok":true}')}
        await settled(buyer, order)
        assert len(await rows_of(database, json.loads(body)["event_id"])) == 1
        paid = "SELECT count(*) FROM payments WHERE order_id = $1"
        assert await database.fetchval(paid, order["orderId"]) == 1

    async def test_finishes_a_half_processed_event_when_it_comes_again(
        self,
        http: httpx.AsyncClient,
        buyer: Buyer,
        database: Database,
        order: dict[str, Any],
        intent_id: int,
    ) -> None:
        body = an_event("payment.succeeded", order["orderId"], intent_id)
        await database.execute(
            """INSERT INTO webhook_events (provider, event_id, headers, body, status, retry_count,
                 due_at) VALUES ('mock', $1, $2, $3, 'FAILED', 3, now() + interval '1 hour')""",
            json.loads(body)["event_id"],
            json.dumps(signed_by(body, secret=WEBHOOK_SECRET)),
            body,
        )

        answer = await http.post(DOOR, content=body, headers=signed(body))

        assert (answer.status_code, answer.json()) == (200, TAKEN)
        await settled(buyer, order)

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": 9901},
            {"currency": "USD"},
            {"intent_id": 2**53 - 1},
            {"order_id": 2**53 - 1},
        ],
        ids=str,
    )
    async def test_keeps_a_contradiction_and_moves_nothing(
        self,
        http: httpx.AsyncClient,
        buyer: Buyer,
        database: Database,
        *,
        changes: dict[str, Any],
        order: dict[str, Any],
        intent_id: int,
    ) -> None:
        named = {"order_id": order["orderId"], "intent_id": intent_id} | changes
        body = an_event("payment.succeeded", **named)
        answer = await http.post(DOOR, content=body, headers=signed(body))
        event_id = json.loads(body)["event_id"]
        quarantined = "SELECT id FROM webhook_events WHERE event_id = $1 AND status = 'QUARANTINED'"
        async with asyncio.timeout(60):
            while not (  # noqa: ASYNC110 - another process writes it
                row_id := await database.fetchval(quarantined, event_id)
            ):
                await asyncio.sleep(0.01)

        assert (answer.status_code, answer.json()) == (200, TAKEN)
        subject = "SELECT kind FROM cases WHERE subject = $1"
        assert await database.fetchval(subject, f"notice:{row_id}") == "EVENT_MISMATCH"
        assert await asyncio.to_thread(status_of, buyer, order) == "PENDING"

    @pytest.mark.parametrize(
        "body", [b"", b"no JSON", b"[]", b"\xff\xfe", b'{"event_id":"\\u0000"}']
    )
    async def test_keeps_what_nobody_can_read(
        self, body: bytes, http: httpx.AsyncClient, database: Database
    ) -> None:
        headers = signed(body)
        for _ in range(2):
            answer = await http.post(DOOR, content=body, headers=headers)
            assert (answer.status_code, answer.json()) == (200, TAKEN)

        assert await stored(database, body) == 1


class TestAnEventThatProvesNothing:
    @pytest.mark.parametrize(
        "changes",
        [
            {"webhook-signature": ""},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()},
            {"webhook-id": "another"},
            {"webhook-id": ""},
            {"webhook-timestamp": "soon"},
            {"webhook-timestamp": "1"},
        ],
        ids=str,
    )
    async def test_is_refused_without_a_word_about_why(
        self, changes: dict[str, str], http: httpx.AsyncClient, database: Database
    ) -> None:
        body = an_event("payment.succeeded", 1, 1)
        answer = await http.post(DOOR, content=body, headers=signed(body, changes))

        assert is_problem(answer, 401, "BAD_SIGNATURE")
        assert await stored(database, body) == 0

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    @pytest.mark.parametrize("body", [b'{"event_id":"evt_1"}', b"no JSON"])
    async def test_is_refused_before_its_body_is_looked_at(
        self, name: str, body: bytes, http: httpx.AsyncClient
    ) -> None:
        headers = {header: value for header, value in signed(body).items() if header != name}

        assert is_problem(
            await http.post(DOOR, content=body, headers=headers), 401, "BAD_SIGNATURE"
        )

    @pytest.mark.parametrize("name", ["Webhook-Signature", "WEBHOOK-ID", "webhook-timestamp"])
    async def test_is_refused_when_a_header_comes_twice(
        self, name: str, http: httpx.AsyncClient
    ) -> None:
        body = an_event("payment.succeeded", 1, 1)
        honest = signed(body)
        twice = [*honest.items(), (name, honest[name.lower()])]

        assert is_problem(await http.post(DOOR, content=body, headers=twice), 401, "BAD_SIGNATURE")

    @pytest.mark.parametrize("minutes", [6, -6])
    async def test_is_refused_when_it_is_not_of_now(
        self, minutes: int, http: httpx.AsyncClient
    ) -> None:
        body = an_event("payment.succeeded", 1, 1)
        at = datetime.now(UTC) + timedelta(minutes=minutes)

        answer = await http.post(DOOR, content=body, headers=signed(body, at=at))
        assert is_problem(answer, 401, "BAD_SIGNATURE")

    async def test_is_refused_when_its_body_was_altered(self, http: httpx.AsyncClient) -> None:
        body = an_event("payment.succeeded", 1, 1)

        answer = await http.post(DOOR, content=body + b" ", headers=signed(body))
        assert is_problem(answer, 401, "BAD_SIGNATURE")

    async def test_is_refused_when_a_stranger_signed_it(self, http: httpx.AsyncClient) -> None:
        body = an_event("payment.succeeded", 1, 1)

        answer = await http.post(DOOR, content=body, headers=signed(body, secret="stranger"))
        assert is_problem(answer, 401, "BAD_SIGNATURE")

    async def test_is_refused_when_it_is_compressed(self, http: httpx.AsyncClient) -> None:
        body = an_event("payment.succeeded", 1, 1)
        headers = signed(body) | {"Content-Encoding": "gzip"}

        answer = await http.post(DOOR, content=body, headers=headers)
        assert is_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")

    async def test_is_refused_when_it_is_too_large(self, http: httpx.AsyncClient) -> None:
        body = an_event("payment.succeeded", 1, 1, padding="x" * 64 * 1024)

        answer = await http.post(DOOR, content=body, headers=signed(body))
        assert is_problem(answer, 413, "BODY_TOO_LARGE")

    def test_is_sent_away_where_no_secret_is_set(
        self, environ: dict[str, str], tmp_path: Path
    ) -> None:
        body = an_event("payment.succeeded", 1, 1)
        closed = running_service(environ, tmp_path, PAYMENT_WEBHOOK_SECRET="", API_WORKERS="1")
        with closed as service, service.client() as client:
            answer = client.post(DOOR, content=body, headers=signed(body))

        assert is_problem(answer, 503, "PROVIDER_NOT_CONFIGURED")
        assert answer.headers["retry-after"] == "60"
