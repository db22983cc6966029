"""An event's books as a download, over real HTTP."""

import asyncio
import csv
import io
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.spreadsheets import spreadsheet
from models.engine import Database
from models.exports import COLUMNS, ExportKind, pages
from tests.api.service import Buyer, Service
from tests.api.test_catalogue import ABSENT, make_event, make_type, path_of, take
from tests.api.test_doors import is_problem

# `make test` takes a quarter of what is promised, and a quarter of the memory.
ROWS = int(os.environ.get("GUICHET_EXPORT_ROWS") or 25_000)
GROWTH_MAX_BYTES = 150_000_000 * ROWS // 100_000
HANG_UPS = 30

_MANY = """
WITH o AS (INSERT INTO orders (order_no, biz_type, event_id, user_id, ticket_type_id, quantity,
    total_minor, currency, status, payment_status, payment_channel, seats_held, expired_at, version)
  SELECT 'X' || lpad(($1 * 1000000 + n)::text, 15, '0'), 'EVENT_TICKET', $1, 1000000000 + n, $2,
    1, 9900, 'CNY', 'EXPIRED', 'UNPAID', 'wechat', 0, now(), 1
  FROM generate_series(1, $3::bigint) AS n
  RETURNING id, event_id, user_id, ticket_type_id)
INSERT INTO registrations (event_id, user_id, ticket_type_id, order_id, status, seats_held, answers)
SELECT event_id, user_id, ticket_type_id, id, 'CANCELLED', 0,
  '{"How did you hear of us?": "From a friend who has been here before"}' FROM o
"""


@pytest.fixture
def organizer(service: Service) -> Iterator[Buyer]:
    organizer = Buyer(service, "organizer")
    yield organizer
    organizer.http.close()


@pytest.fixture
async def crowd(organizer: Buyer, database: Database) -> AsyncIterator[dict[str, Any]]:
    """Fill an event with orders and registrations, and empty it at the end."""
    event = await asyncio.to_thread(make_event, organizer)
    kind = await asyncio.to_thread(make_type, organizer, event)
    await database.execute(_MANY, event["id"], kind["id"], ROWS)
    yield event
    for table in ("registrations", "orders"):
        await database.execute(f"DELETE FROM {table} WHERE event_id = $1", event["id"])  # noqa: S608


def table_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def export(who: Buyer, event: dict[str, Any], kind: str) -> httpx.Response:
    return who.http.get(f"{path_of(event)}/export.csv?kind={kind}")


def peak_bytes(service: Service) -> int:
    """Add up the most that the API's processes ever had in memory."""
    pids = [service.process.pid]
    children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text(encoding="ascii")
    total = 0
    for pid in [*pids, *map(int, children.split())]:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                total += int(line.split()[1]) * 1024
    return total


class TestAnExport:
    def test_says_what_it_is(self, organizer: Buyer) -> None:
        event = make_event(organizer)
        for kind, columns in COLUMNS.items():
            answer = export(organizer, event, kind.value)

            name = f"event-{event['id']}-{kind.value}.csv"
            assert answer.headers["content-type"] == "text/csv; charset=utf-8"
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
            assert answer.headers["cache-control"] == "no-store"
            assert answer.content == b"\xef\xbb\xbf" + ",".join(columns).encode() + b"\r\n"

    def test_has_every_order_with_its_numbers_as_numbers(
        self, organizer: Buyer, buyer: Buyer
    ) -> None:
        event = make_event(organizer)
        kind = make_type(organizer, event, priceTiers=[{"quantity": 2, "price": 16900}])
        order = take(buyer, event, kind, 2).json()
        (row,) = table_of(export(organizer, event, "orders"))

        assert row["id"] == str(order["orderId"])
        assert row["orderNo"] == order["orderNo"]
        assert (row["quantity"], row["totalAmount"], row["refundedAmount"]) == ("2", "16900", "0")
        assert (row["status"], row["paidAt"], row["name"]) == ("PENDING", "", buyer.name)
        assert row["createdAt"].endswith("Z")
        (place,) = table_of(export(organizer, event, "registrations"))
        assert (place["orderNo"], place["status"]) == (order["orderNo"], "PENDING_PAYMENT")
        assert (place["userId"], place["answers"]) == (str(buyer.user["id"]), "")

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("=1+1", "'=1+1"),
            (" =1+1", "' =1+1"),
            ("\uff1d1+1", "'\uff1d1+1"),
            ("+86 10", "'+86 10"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\n=1", "'\n=1"),
            ('a "quoted", name', 'a "quoted", name'),
            ("two\r\nlines", "two\r\nlines"),
            ("王小明", "王小明"),
            ("a=1", "a=1"),
        ],
    )
    async def test_runs_nothing_in_a_spreadsheet(
        self, organizer: Buyer, buyer: Buyer, database: Database, name: str, shown: str
    ) -> None:
        event = await asyncio.to_thread(make_event, organizer)
        kind = await asyncio.to_thread(make_type, organizer, event)
        await asyncio.to_thread(take, buyer, event, kind)
        user_id = buyer.user["id"]
        await database.execute("UPDATE users SET name = $2 WHERE id = $1", user_id, name)
        for what in ("orders", "registrations"):
            (row,) = table_of(await asyncio.to_thread(export, organizer, event, what))
            assert row["name"] == shown

    def test_is_its_organizers(self, organizer: Buyer, service: Service, buyer: Buyer) -> None:
        event = make_event(organizer)
        with closing(Buyer(service, "organizer").http) as rival:
            answer = rival.get(f"{path_of(event)}/export.csv?kind=orders")
            assert is_problem(answer, 404, "NOT_FOUND")
        with closing(Buyer(service, "admin").http) as admin:
            assert admin.get(f"{path_of(event)}/export.csv?kind=orders").status_code == 200
        assert is_problem(export(buyer, event, "orders"), 403, "FORBIDDEN")
        assert is_problem(export(organizer, {"id": ABSENT}, "orders"), 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        "query", ["", "?kind=", "?kind=payments", "?kind=Orders", "?what=orders"]
    )
    def test_of_anything_else_is_refused(self, organizer: Buyer, query: str) -> None:
        answer = organizer.http.get(f"{path_of(make_event(organizer))}/export.csv{query}")

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert {error["field"] for error in answer.json()["errors"]} <= {"kind"}


class TestAHugeExport:
    @pytest.mark.parametrize("kind", [kind.value for kind in ExportKind])
    async def test_fits_in_little_memory(
        self, organizer: Buyer, service: Service, crowd: dict[str, Any], kind: str
    ) -> None:
        before = peak_bytes(service)
        answer = await asyncio.to_thread(export, organizer, crowd, kind)

        assert len(table_of(answer)) == ROWS
        assert peak_bytes(service) - before < GROWTH_MAX_BYTES

    async def test_begins_before_its_last_row_is_read(
        self, crowd: dict[str, Any], database: Database
    ) -> None:
        kind = ExportKind.ORDERS
        lines = spreadsheet(COLUMNS[kind], pages(database, crowd["id"], kind))
        header, first = await anext(lines), await anext(lines)
        await database.execute(
            "UPDATE orders SET order_no = 'LASTOFALL0000000' WHERE id ="
            " (SELECT max(id) FROM orders WHERE event_id = $1)",
            crowd["id"],
        )
        rest = b"".join([part async for part in lines])

        assert header.startswith(b"\xef\xbb\xbfid,")
        assert 0 < first.count(b"\r\n") < ROWS
        assert first.count(b"\r\n") + rest.count(b"\r\n") == ROWS
        assert b"LASTOFALL0000000" in rest

    async def test_that_nobody_waits_for_holds_nothing(
        self, organizer: Buyer, service: Service, crowd: dict[str, Any], database: Database
    ) -> None:
        said_before = service.log.stat().st_size
        await asyncio.to_thread(hang_up_often, organizer, crowd)

        # More than the pool has: none of them kept its connection.
        assert (await asyncio.to_thread(organizer.http.get, path_of(crowd))).status_code == 200
        busy = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'guichet'"
            " AND state <> 'idle' AND pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(60):
            while await database.fetchval(busy):  # noqa: ASYNC110 - another process ends them
                await asyncio.sleep(0.05)
        assert b"api.request.failed" not in service.log.read_bytes()[said_before:]


def hang_up_often(organizer: Buyer, event: dict[str, Any]) -> None:
    """Begin many downloads and read no more than the first bytes of each."""
    for _ in range(HANG_UPS):
        with organizer.http.stream("GET", f"{path_of(event)}/export.csv?kind=orders") as answer:
            next(answer.iter_raw(chunk_size=64))
