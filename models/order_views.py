"""Orders as their buyers see them; somebody else's order does not exist."""

import re
from datetime import datetime
from typing import Literal

import asyncpg
import msgspec

from contracts.errors import NotFound
from contracts.numbers import ORDER_NO_PATTERN
from contracts.states import OrderStatus
from models.engine import Database, Tx


class OrderOverview(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands; the registration is the buyer's own latest one in it."""

    id: int
    order_no: str
    status: str
    payment_status: str
    last_payment_attempt_status: str | None
    refund_status: str | None
    payment_channel: str
    channel: str | None
    quantity: int
    total_minor: int
    currency: str
    paid_at: datetime | None
    expired_at: datetime
    registration_id: int | None
    registration_status: str | None


class Ownership(msgspec.Struct, frozen=True, kw_only=True):
    """Which order is meant, and by whom: *reference* is its decimal id or its number."""

    event_id: int
    user_id: int
    reference: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One person's place."""

    id: int
    status: str


_ORDER_NO = re.compile(ORDER_NO_PATTERN)
# Sixteen digits hold every id a JSON number can; isdecimal alone would let other scripts in.
_ID = re.compile(r"[0-9]{1,16}")
_OVERVIEW = """
    SELECT o.id, o.order_no, o.status, o.payment_status, o.last_payment_attempt_status,
           o.refund_status, o.payment_channel, o.channel, o.quantity, o.total_minor, o.currency,
           o.paid_at, o.expired_at, r.id AS registration_id, r.status AS registration_status
    FROM orders o
    LEFT JOIN LATERAL (
        SELECT id, status FROM registrations
        WHERE order_id = o.id AND user_id = o.user_id ORDER BY id DESC LIMIT 1
    ) r ON true
    WHERE o.event_id = $1 AND o.user_id = $2
"""


def key_of(reference: str) -> tuple[Literal["id", "order_no"], str | int]:
    """Tell by which column an order is meant, and its value there.

    :raises NotFound: it is neither an id nor a number of ours.
    """
    if _ORDER_NO.fullmatch(reference):
        return "order_no", reference
    if _ID.fullmatch(reference):
        return "id", int(reference)
    raise NotFound


async def own_order(db: Database | Tx, whose: Ownership) -> OrderOverview:
    """Read one order.

    :raises NotFound: it is absent, of another event, or someone else's.
    """
    column, value = key_of(whose.reference)
    row = await db.fetchrow(
        f"{_OVERVIEW} AND o.{column} = $3", whose.event_id, whose.user_id, value
    )
    if row is None:
        raise NotFound
    return _overview(row)


async def own_order_id(db: Database | Tx, whose: Ownership) -> int:
    """Find out which order is meant.

    :raises NotFound: it is absent, of another event, or someone else's.
    """
    column, value = key_of(whose.reference)
    found = await db.fetchval(
        f"SELECT id FROM orders WHERE {column} = $3 AND event_id = $1 AND user_id = $2",  # noqa: S608  # our own two column names
        whose.event_id,
        whose.user_id,
        value,
    )
    if found is None:
        raise NotFound
    return int(found)


async def order_id_at(db: Database | Tx, *, event_id: int, reference: str) -> int:
    """Find out which order of an event is meant, whoever's it is.

    :raises NotFound: it is absent, or of another event.
    """
    column, value = key_of(reference)
    found = await db.fetchval(
        f"SELECT id FROM orders WHERE {column} = $2 AND event_id = $1",  # noqa: S608  # our own two column names
        event_id,
        value,
    )
    if found is None:
        raise NotFound
    return int(found)


async def managed_order_id(db: Database | Tx, order_id: int, *, organizer_id: int | None) -> int:
    """Find an order at an event that an organizer, or with None anybody, manages.

    :raises NotFound: it is absent, or at another organizer's event.
    """
    found = await db.fetchval(
        """SELECT o.id FROM orders o JOIN events e ON e.id = o.event_id
           WHERE o.id = $1 AND ($2::bigint IS NULL OR e.organizer_user_id = $2)""",
        order_id,
        organizer_id,
    )
    if found is None:
        raise NotFound
    return int(found)


async def own_orders(
    db: Database | Tx, *, event_id: int, user_id: int, before_id: int, limit: int
) -> list[OrderOverview]:
    """Read a person's orders for an event, newest first, those before *before_id*."""
    rows = await db.fetch(
        f"{_OVERVIEW} AND o.id < $3 ORDER BY o.id DESC LIMIT $4",
        event_id,
        user_id,
        before_id,
        limit,
    )
    return [_overview(row) for row in rows]


async def place_of(db: Database | Tx, registration_id: int) -> Place:
    """Read how a registration stands.

    :raises NotFound: it does not exist.
    """
    row = await db.fetchrow("SELECT id, status FROM registrations WHERE id = $1", registration_id)
    if row is None:
        raise NotFound
    return Place(id=row["id"], status=row["status"])


async def own_pending_order_id(db: Database | Tx, *, event_id: int, user_id: int) -> int | None:
    """Find the one order a person can still pay at an event."""
    found = await db.fetchval(
        "SELECT id FROM orders WHERE event_id = $1 AND user_id = $2 AND status = $3"
        " AND expired_at > now()",
        event_id,
        user_id,
        OrderStatus.PENDING.value,
    )
    return None if found is None else int(found)


def _overview(row: asyncpg.Record) -> OrderOverview:
    return OrderOverview(**dict(row))
