"""A ticket is sold and settled, and everything that can come between."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.journeys.service import PATIENCE_SECONDS, Person, Service, act, eventually, trade_status

pytestmark = pytest.mark.xdist_group("service")

_names = count(1)
EVENT, STANDARD, LAST, FREE, APPROVAL_EVENT = 1, 1, 2, 4, 2


@pytest.fixture
def ann(service: Service) -> Person:
    """Sign somebody new in."""
    return Person(service, f"ann-{next(_names)}")


def buy(person: Person, ticket_type_id: int = STANDARD, **body: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = person.order(EVENT, ticket_type_id, **body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def attempt_of(order: dict[str, Any], n: int = 1) -> str:
    return f"{order['orderNo']}{n:02d}"


def wait_for(person: Person, order: dict[str, Any], status: str) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        seen = person.see(EVENT, order["orderId"])
        return seen if seen["status"] == status else None

    found: dict[str, Any] = eventually(reached)
    return found


async def end_time(books: Database, order: dict[str, Any]) -> None:
    """Let an order's time be up."""
    await books.execute(
        "UPDATE orders SET expired_at = now() - interval '1 second' WHERE id = $1",
        order["orderId"],
    )


class TestABuyer:
    async def test_pays_and_is_told_by_the_notice(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann, quantity=2)
        assert order["payPayload"]["codeUrl"].startswith("weixin://")

        act(service, attempt_of(order))

        paid = await asyncio.to_thread(wait_for, ann, order, "PAID")
        assert paid["registration"]["status"] == "APPROVED"
        assert paid["totalAmount"] == 16900
        assert (
            await books.fetchval(
                "SELECT source FROM payments WHERE order_id = $1", order["orderId"]
            )
            == "notice"
        )
        assert (
            await books.fetchval(
                "SELECT count(*) FROM order_invites WHERE order_id = $1", order["orderId"]
            )
            == 1
        )

    async def test_waits_for_approval_where_the_organizer_wants_it(
        self, service: Service, ann: Person, books: Database
    ) -> None:
        type_id = service.client.get("/api/events/2").json()["ticketTypes"][0]["id"]
        order = ann.order(APPROVAL_EVENT, type_id).json()

        act(service, attempt_of(order))

        seen = await asyncio.to_thread(
            eventually,
            lambda: (o := ann.see(APPROVAL_EVENT, order["orderId"]))["status"] == "PAID" and o,
        )
        assert seen["registration"]["status"] == "PENDING"
        assert books

    async def test_finds_one_trace_from_the_order_to_its_settlement(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)
        act(service, attempt_of(order))
        await asyncio.to_thread(wait_for, ann, order, "PAID")

        row = await books.fetchrow(
            """SELECT o.trace_ctx AS made, w.trace_ctx AS told, f.trace_ctx AS owed
               FROM orders o JOIN webhook_events w ON w.order_id = o.id
               JOIN effects f ON f.holder_kind = 'order' AND f.holder_id = o.id
               WHERE o.id = $1""",
            order["orderId"],
        )

        assert row is not None
        assert row["made"] is not None
        assert row["told"] is not None
        assert row["owed"] == row["made"]

    async def test_who_never_pays_gives_the_seats_back(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann, quantity=4)
        assert await taken(books, order) == 4

        await end_time(books, order)

        await asyncio.to_thread(wait_for, ann, order, "EXPIRED")
        assert trade_status(service, attempt_of(order)) == "CLOSED"
        assert await taken(books, order) == 0

    async def test_who_leaves_closes_the_attempt_at_the_provider(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)

        answer = ann.cancel(EVENT, order["orderId"])

        assert (answer.status_code, answer.json()) == (200, {"status": "CANCELLED"})
        assert trade_status(service, attempt_of(order)) == "CLOSED"
        assert ann.cancel(EVENT, order["orderId"]).json() == {"status": "CANCELLED"}
        assert books

    async def test_who_paid_cannot_leave(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)
        act(service, attempt_of(order))
        await asyncio.to_thread(wait_for, ann, order, "PAID")

        answer = ann.cancel(EVENT, order["orderId"])

        assert (answer.status_code, answer.json()["code"]) == (409, "INVALID_STATE")
        assert books


class TestANotice:
    async def test_sent_a_hundred_times_makes_one_payment(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)

        act(service, attempt_of(order), duplicate=100)

        await asyncio.to_thread(wait_for, ann, order, "PAID")
        await asyncio.to_thread(
            eventually,
            lambda: len(sends(service, attempt_of(order))) >= 100,
        )
        assert {200, 204} & {send["status"] for send in sends(service, attempt_of(order))}
        assert await count_of(books, "payments", order) == 1
        assert await count_of(books, "webhook_events", order) == 1

    async def test_that_never_comes_is_made_up_for_by_a_query(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)

        act(service, attempt_of(order), drop=True)

        await asyncio.to_thread(wait_for, ann, order, "PAID")
        assert (
            await books.fetchval(
                "SELECT source FROM payments WHERE order_id = $1", order["orderId"]
            )
            == "query"
        )

    async def test_of_a_wrong_amount_becomes_a_case_and_gives_no_ticket(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)

        act(service, attempt_of(order), wrong_amount=1)

        case = await wait_for_row(
            books, "SELECT * FROM cases WHERE order_id = $1", order["orderId"]
        )
        assert (case["kind"], case["reason"]) == ("PAYMENT_MISMATCH", "amount")
        assert ann.see(EVENT, order["orderId"])["status"] == "PENDING"
        assert await count_of(books, "payments", order) == 0

    async def test_during_a_close_is_kept(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)
        subject = {"provider": "wechat", "out_trade_no": attempt_of(order)}
        fault = {"operation": "close", "mode": "error_500", "count": 100} | subject
        assert service.sandbox.post("/control/faults", json=fault).is_success
        await end_time(books, order)
        await asyncio.to_thread(wait_for, ann, order, "CLOSING")

        act(service, attempt_of(order))

        await asyncio.to_thread(wait_for, ann, order, "PAID")

    @pytest.mark.parametrize(
        "forgery",
        [
            {"forged": True},
            {"timestamp_offset_seconds": -301},
            {"timestamp_offset_seconds": 330},
            {"signature_prefix": "WECHATPAY/SIGNTEST/"},
            {"bytes_appended": 1},
            {"serial": "PUB_KEY_ID_0000000000000000000000000000"},
        ],
    )
    async def test_that_proves_nothing_is_refused(
        self, ann: Person, service: Service, books: Database, forgery: dict[str, Any]
    ) -> None:
        order = buy(ann)

        answer = craft(service, attempt_of(order), **forgery)

        assert answer["status"] == 401, answer
        assert ann.see(EVENT, order["orderId"])["status"] == "PENDING"
        assert await count_of(books, "webhook_events", order) == 0

    async def test_that_is_too_large_is_refused(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)

        answer = craft(service, attempt_of(order), padding_bytes=70_000)

        assert answer["status"] == 413
        assert await count_of(books, "webhook_events", order) == 0

    @pytest.mark.parametrize(
        ("lie", "reason"), [({"mchid": "1999999999"}, "merchant"), ({"appid": "wx9"}, "appid")]
    )
    async def test_about_another_merchant_becomes_a_case(
        self,
        ann: Person,
        service: Service,
        books: Database,
        lie: dict[str, str],
        reason: str,
    ) -> None:
        order = buy(ann)

        assert craft(service, attempt_of(order), **lie)["status"] in (200, 204)

        case = await wait_for_row(
            books, "SELECT * FROM cases WHERE order_id = $1", order["orderId"]
        )
        assert case["reason"] == reason
        assert ann.see(EVENT, order["orderId"])["status"] == "PENDING"

    async def test_about_a_number_that_is_not_ours_becomes_a_case(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann)

        craft(service, attempt_of(order), out_trade_no="GZZZZZZZZZZZZZZZ01")

        subject = "SELECT kind FROM cases WHERE subject = $1"
        case = await wait_for_row(books, subject, "wechat:GZZZZZZZZZZZZZZZ01")
        assert case["kind"] == "UNKNOWN_ATTEMPT"


class TestLateMoney:
    async def test_is_honoured_while_seats_last(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann, quantity=2)
        await end_time(books, order)
        await asyncio.to_thread(wait_for, ann, order, "EXPIRED")

        craft(service, attempt_of(order), amount=16900)

        paid = await asyncio.to_thread(wait_for, ann, order, "PAID")
        assert paid["registration"]["status"] == "APPROVED"

    async def test_goes_back_in_full_when_the_seats_are_gone(
        self, ann: Person, service: Service, books: Database
    ) -> None:
        order = buy(ann, quantity=2)
        # The provider takes the money and says so late: the order has ended meanwhile. Nobody asks
        # from here on, or the worker might hear of it in between.
        await books.execute(
            """UPDATE payment_attempts SET state = 'CLOSED', due_at = NULL, close_owed = true
               WHERE attempt_no = $1""",
            attempt_of(order),
        )
        act(service, attempt_of(order), drop=True)
        await end_time(books, order)
        await asyncio.to_thread(wait_for, ann, order, "EXPIRED")
        await books.execute("UPDATE ticket_types SET is_active = false WHERE id = $1", STANDARD)

        act(service, attempt_of(order))

        row = await wait_for_row(
            books,
            "SELECT * FROM refunds WHERE order_id = $1 AND status = 'succeeded'",
            order["orderId"],
        )
        await books.execute("UPDATE ticket_types SET is_active = true WHERE id = $1", STANDARD)
        assert row["amount_minor"] == 16900
        assert trade_status(service, attempt_of(order)) == "REFUND"
        assert ann.see(EVENT, order["orderId"])["status"] == "EXPIRED"


class TestACrowd:
    @pytest.mark.timeout(400)
    async def test_of_two_thousand_gets_exactly_the_fifty_seats(
        self, service: Service, books: Database
    ) -> None:
        buyers = await asyncio.to_thread(_crowd, service, 2000)
        # The client looks through all who wait for a connection again and again: they wait here.
        connections = asyncio.Semaphore(64)

        async def press(client: httpx.AsyncClient, buyer: Person) -> httpx.Response:
            async with connections:
                return await client.post(
                    f"/api/events/{EVENT}/orders",
                    json={"ticketTypeId": LAST, "prepare": False},
                    headers=buyer.headers,
                )

        async with httpx.AsyncClient(base_url=service.url, timeout=200, trust_env=False) as client:
            answers = await asyncio.gather(*(press(client, buyer) for buyer in buyers))

        sold = [answer for answer in answers if answer.status_code == 201]
        refused = [a.json()["code"] for a in answers if a.status_code == 409]
        assert len(sold) == 50
        assert refused == ["SOLD_OUT"] * 1950
        assert (
            await books.fetchval("SELECT current_quantity FROM ticket_types WHERE id = $1", LAST)
            == 50
        )


def _crowd(service: Service, size: int) -> list[Person]:
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda n: Person(service, f"crowd-{n}"), range(size)))


def craft(service: Service, attempt_no: str, **overrides: Any) -> dict[str, Any]:  # noqa: ANN401
    """Have the provider send one notice, honest but for what is overridden."""
    answer = service.sandbox.post(
        "/control/notices",
        json={"out_trade_no": attempt_no, "kind": "success", "overrides": overrides},
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def sends(service: Service, attempt_no: str) -> list[dict[str, Any]]:
    """List the notices the provider has sent; none waits longer than it may for an answer."""
    answer = service.sandbox.get("/control/notices", params={"out_trade_no": attempt_no}).json()
    sent: list[dict[str, Any]] = answer["notices"]
    return sent


async def taken(books: Database, order: dict[str, Any]) -> int:
    """Sum up an order's seats: those of others may come back meanwhile.

    That the ledger equals what is sold of each type is checked when a journey ends.
    """
    seats: int = await books.fetchval(
        """SELECT coalesce(sum(seats), 0) FROM seat_ledger
           WHERE holder_kind = 'order' AND holder_id = $1""",
        order["orderId"],
    )
    return seats


async def count_of(books: Database, table: str, order: dict[str, Any]) -> int:
    rows: int = await books.fetchval(
        f"SELECT count(*) FROM {table} WHERE order_id = $1",  # noqa: S608 - our own words
        order["orderId"],
    )
    return rows


async def wait_for_row(books: Database, sql: str, *args: object) -> Any:  # noqa: ANN401
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (row := await books.fetchrow(sql, *args)) is None:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.05)
    return row
