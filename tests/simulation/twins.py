"""The same store twice, PostgreSQL and its stand-in, for scripts that are played to both."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol

import msgspec

from models.engine import Database
from tests.simulation.chances import Chances, chances_of
from tests.simulation.history import History
from tests.simulation.loop import Owner, VirtualLoop
from tests.simulation.pool import database_over
from tests.simulation.server import Server
from tests.simulation.sql import statements
from tests.simulation.tables import Row, Table
from tests.simulation.wires import Wire

# Two types of one event: few seats, one with a price for two, one that is free.
TYPES = ((1, 9900, 4), (2, 0, 3))
_TIER = (1, 2, 16900)
# A half for everybody, a quarter for two, and one that leaves nothing to pay, for one.
COUPONS = (
    (1, "HALF", "PERCENT", 50, None),
    (2, "SOME", "FIXED", 2475, 2),
    (3, "ALL", "PERCENT", 100, 1),
)
_PACED = ("payment_attempts", "refunds", "effects", "webhook_events")
# What a statement writes by its own clock or sequence, or what no turn depends on.
_NOT_COMPARED = frozenset({"id", "created_at", "updated_at", "received_at", "code_hash", "body"})
_DOCUMENTS = ("request", "opened", "details", "headers", "answers", "seats")
_TABLES = (
    "orders payment_attempts payments refunds registrations ticket_types event_attendance"
    " seat_ledger order_invites order_events api_idempotency effects cases webhook_events"
    " order_legacy_payment_fields coupons coupon_usages"
)


class Twin(Protocol):
    """One of the two."""

    database: Database

    async def let_time_pass(self, order_id: int) -> None:
        """Let an order's time be up."""

    async def make_due(self) -> None:
        """Let everything that waits be due."""


class RealTwin:
    """PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def put_on_sale(self) -> None:
        """Put one event with two ticket types on sale."""
        await self.database.execute(
            """INSERT INTO events (id, organizer_user_id, title, status, starts_at, ends_at,
                 require_approval)
               VALUES (1, 1, 'Night', 'PUBLISHED', now(), now() + interval '2 days', false)"""
        )
        await self.database.execute(
            "INSERT INTO event_attendance (event_id, seats_held, max_attendees) VALUES (1, 0, 6)"
        )
        for type_id, price, most in TYPES:
            await self.database.execute(
                """INSERT INTO ticket_types (id, event_id, name, price_minor, currency,
                     max_quantity, current_quantity, max_per_order, is_active, position,
                     catalog_version)
                   VALUES ($1, 1, 'Standard', $2, 'CNY', $3, 0, 10, true, 1, 1)""",
                type_id,
                price,
                most,
            )
        await self.database.execute(
            "INSERT INTO price_tiers (ticket_type_id, quantity, price_minor) VALUES ($1, $2, $3)",
            *_TIER,
        )
        for coupon in COUPONS:
            await self.database.execute(
                """INSERT INTO coupons (id, code, kind, value, max_uses, used_count, is_active,
                     created_by)
                   VALUES ($1, $2, $3, $4, $5, 0, true, 1)""",
                *coupon,
            )

    async def let_time_pass(self, order_id: int) -> None:
        """See Twin."""
        await self.database.execute(
            "UPDATE orders SET expired_at = now() - interval '1 min' WHERE id = $1", order_id
        )

    async def make_due(self) -> None:
        """See Twin."""
        for table in _PACED:
            await self.database.execute(
                f"UPDATE {table} SET due_at = now() - interval '1 s' WHERE due_at IS NOT NULL"  # noqa: S608 - our own tables
            )

    async def dump(self) -> dict[str, list[Row]]:
        """List every row of every table."""
        return {
            table: [
                {"id": row.get("event_id")} | dict(row)
                if table == "event_attendance"
                else dict(row)
                for row in await self.database.fetch(f"SELECT * FROM {table}")  # noqa: S608 - our own tables
            ]
            for table in _TABLES.split()
        }


class StandInTwin:
    """The stand-in, on a loop of its own."""

    def __init__(self) -> None:
        random = Random(1)  # noqa: S311 - repeatable is the point
        self.loop = VirtualLoop(random)
        self.server = Server(self.loop, self._clock, statements())
        chances: Chances = chances_of(random)
        chances.calm()
        wire = Wire(
            loop=self.loop,
            owner=Owner("twin"),
            random=random,
            chances=chances,
            history=History(self.loop.time),
        )
        self.database = database_over(self.server, wire)
        self._put_on_sale()

    async def let_time_pass(self, order_id: int) -> None:
        """See Twin."""
        table = self.server.tables["orders"]
        table.put(table.rows[order_id] | {"expired_at": self._clock() - timedelta(minutes=1)})

    async def make_due(self) -> None:
        """See Twin."""
        for name in _PACED:
            table = self.server.tables[name]
            for row in list(table.rows.values()):
                if row["due_at"] is not None:
                    table.put(row | {"due_at": self._clock() - timedelta(seconds=1)})

    def _clock(self) -> datetime:
        return datetime(2026, 11, 21, 8, tzinfo=UTC) + timedelta(seconds=self.loop.time())

    def _put_on_sale(self) -> None:
        tables = self.server.tables
        tables["events"].put(
            {
                "id": 1,
                "title": "Night",
                "status": "PUBLISHED",
                "ends_at": self._clock() + timedelta(days=2),
                "require_approval": False,
            }
        )
        tables["event_attendance"].put({"id": 1, "seats_held": 0, "max_attendees": 6})
        for type_id, price, most in TYPES:
            tables["ticket_types"].put(
                {
                    "id": type_id,
                    "event_id": 1,
                    "price_minor": price,
                    "currency": "CNY",
                    "max_quantity": most,
                    "current_quantity": 0,
                    "max_per_order": 10,
                    "is_active": True,
                    "catalog_version": 1,
                }
            )
        type_id, quantity, price = _TIER
        tables["price_tiers"].put(
            {"id": 1, "ticket_type_id": type_id, "quantity": quantity, "price_minor": price}
        )
        put_coupons(tables)


def put_coupons(tables: dict[str, Table]) -> None:
    """Make the coupons in the stand-in."""
    for coupon_id, code, kind, value, max_uses in COUPONS:
        tables["coupons"].put(
            {
                "id": coupon_id,
                "code": code,
                "kind": kind,
                "value": value,
                "event_id": None,
                "starts_at": None,
                "ends_at": None,
                "max_uses": max_uses,
                "used_count": 0,
                "is_active": True,
            }
        )


def comparable(dump: dict[str, list[Row]]) -> dict[str, list[str]]:
    """Write rows down without ids and times, in an order of their own."""
    names = _names(dump)
    return {
        table: sorted(json.dumps(_plain(row, names), sort_keys=True) for row in rows)
        for table, rows in dump.items()
    }


def only_common(one: dict[str, list[Row]], other: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Leave out of *one* the columns that *other* does not keep."""
    kept = {table: {column for row in rows for column in row} for table, rows in other.items()}
    return {
        table: [{c: v for c, v in row.items() if c in kept[table]} for row in rows]
        for table, rows in one.items()
    }


def _names(dump: dict[str, list[Row]]) -> dict[str, Callable[[Any], Any]]:
    orders = {row["id"]: row["order_no"] for row in dump["orders"]}
    payments = {row["id"]: row["provider_txn_id"] for row in dump["payments"]}
    places = {row["id"]: f"place of {row['user_id']}" for row in dump["registrations"]}
    cases = {row["id"]: row["subject"] for row in dump["cases"]}
    return {
        "order_id": orders.get,
        "payment_id": payments.get,
        "registration_id": places.get,
        "order": orders.get,
        "registration": places.get,
        "case": cases.get,
    }


def _plain(row: Row, names: dict[str, Callable[[Any], Any]]) -> Row:
    plain: Row = {}
    for column, value in row.items():
        if column in _NOT_COMPARED:
            continue
        if column == "holder_id":
            plain[column] = names[row["holder_kind"]](value)
        elif column in names:
            plain[column] = names[column](value)
        else:
            plain[column] = _value(column, value)
    return plain


def _value(column: str, value: Any) -> Any:  # noqa: ANN401 - any column
    if isinstance(value, datetime):
        return "set"
    if column in _DOCUMENTS and isinstance(value, str):
        value = json.loads(value)
    if column == "seats" and isinstance(value, dict):
        return {kind: len(ids) for kind, ids in value.items()}
    if column == "request":
        return {name: part for name, part in value.items() if name != "payable_until"}
    return msgspec.to_builtins(value)
