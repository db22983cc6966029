"""What must be there before the clock starts: people, events, a history, orders to be paid.

Many orders are made from one real one: each of its rows is copied with new numbers, so that a
copy is whatever the service itself would have written, whichever columns the tables have.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
import httpx
import jwt

_ISSUER = "guichet"
_TOKEN_SECONDS = 24 * 3600
_PRICE_MINOR = 5000

Database: TypeAlias = "asyncpg.Connection[Any]"


@dataclass(frozen=True)
class Buyer:
    """Somebody signed in."""

    user_id: int
    authorization: str


@dataclass(frozen=True)
class OnSale:
    """One event and its one ticket type."""

    event_id: int
    ticket_type_id: int

    @property
    def path(self) -> str:
        """Where its orders are made."""
        return f"/api/events/{self.event_id}/orders"


@dataclass(frozen=True)
class Payable:
    """One order with one open attempt."""

    order_id: int
    order_no: str
    attempt_no: str
    amount_minor: int


async def register(database: Database, secret: str, count: int) -> list[Buyer]:
    """Write users and sign their tokens: nobody signs in while the clock runs."""
    subjects = [f"buyer-{n:05d}" for n in range(count)]
    found = await database.fetch(
        "INSERT INTO users (issuer, subject, name) SELECT $1, s, s FROM unnest($2::text[]) s"
        " RETURNING id, subject",
        _ISSUER,
        subjects,
    )
    ids = {row["subject"]: row["id"] for row in found}
    return [Buyer(ids[subject], f"Bearer {_token(secret, subject)}") for subject in subjects]


def _token(secret: str, subject: str) -> str:
    claims = {"sub": subject, "name": subject, "roles": ["buyer"], "iss": _ISSUER, "aud": _ISSUER}
    return jwt.encode(claims | {"exp": int(time.time()) + _TOKEN_SECONDS}, secret, "HS256")


async def put_on_sale(database: Database, *, most: int | None = None) -> OnSale:
    """Make an event with one hot ticket type."""
    event_id = await database.fetchval(
        "INSERT INTO events (organizer_user_id, title, status, starts_at, ends_at,"
        " require_approval) SELECT organizer_user_id, 'Bench Night', status, starts_at, ends_at,"
        " false FROM events WHERE id = 1 RETURNING id"
    )
    await database.execute(
        "INSERT INTO event_attendance (event_id, seats_held, max_attendees) VALUES ($1, 0, NULL)",
        event_id,
    )
    ticket_type_id = await database.fetchval(
        "INSERT INTO ticket_types (event_id, name, price_minor, currency, max_quantity,"
        " current_quantity, max_per_order, is_active, position, catalog_version)"
        " VALUES ($1, 'Hot', $2, 'CNY', $3, 0, 10, true, 0, 1) RETURNING id",
        event_id,
        _PRICE_MINOR,
        most,
    )
    return OnSale(event_id, ticket_type_id)


async def make_order(
    client: httpx.AsyncClient, sale: OnSale, buyer: Buyer, *, prepare: bool
) -> int:
    """Make one order as a buyer does; return its id."""
    answer = await client.post(
        sale.path,
        json={"ticketTypeId": sale.ticket_type_id, "prepare": prepare},
        headers={"Authorization": buyer.authorization},
    )
    assert answer.status_code == httpx.codes.CREATED, answer.text
    content = answer.json()
    assert (content["payPayload"] is not None) == prepare, content
    return int(content["orderId"])


_OWN_ID = "nextval(pg_get_serial_sequence('{table}', 'id'))"
_RENUMBERED = "replace(t.{column}::text, m.order_no, c.order_no)"
# Table, how its rows belong to the model order, and what differs in a copy.
_COPIES = (
    (
        "orders",
        "t.id = m.id",
        "'id', c.id, 'order_no', c.order_no, 'user_id', c.user_id, 'event_id', c.event_id,"
        " 'ticket_type_id', c.ticket_type_id, 'expired_at', coalesce(c.expired_at, t.expired_at)",
    ),
    (
        "registrations",
        "t.order_id = m.id",
        "'id', {own_id}, 'order_id', c.id, 'user_id', c.user_id, 'event_id', c.event_id,"
        " 'ticket_type_id', c.ticket_type_id",
    ),
    (
        "seat_ledger",
        "t.holder_kind = 'order' AND t.holder_id = m.id",
        "'id', {own_id}, 'holder_id', c.id, 'event_id', c.event_id,"
        " 'ticket_type_id', c.ticket_type_id",
    ),
    (
        "order_events",
        "t.order_id = m.id",
        "'id', {own_id}, 'order_id', c.id, 'data', {data}::jsonb",
    ),
    (
        "payment_attempts",
        "t.order_id = m.id",
        "'id', {own_id}, 'order_id', c.id, 'attempt_no', {attempt_no}, 'request', {request}::jsonb,"
        " 'due_at', NULL",
    ),
    (
        "payments",
        "t.order_id = m.id",
        "'id', {own_id}, 'order_id', c.id, 'attempt_no', {attempt_no},"
        " 'provider_txn_id', 'bench-' || c.id",
    ),
    (
        "effects",
        "t.holder_kind = 'order' AND t.holder_id = m.id",
        "'id', {own_id}, 'holder_id', c.id",
    ),
    (
        "webhook_events",
        "t.order_id = m.id",
        "'id', {own_id}, 'order_id', c.id, 'event_id', 'bench-' || c.id",
    ),
)


async def copy_order(
    database: Database,
    model_id: int,
    sale: OnSale,
    user_ids: Sequence[int],
    *,
    due_seconds: float | None = None,
) -> None:
    """Copy an order for each of *user_ids*, who have none there yet, and count its seats.

    *due_seconds* spreads the end of their time evenly over the second that begins so many
    seconds from now. Attempts are not asked about: nobody but the bench knows their numbers.
    """
    async with database.transaction():
        await database.execute(
            "CREATE TEMP TABLE copies (id bigint, order_no text, user_id bigint, event_id bigint,"
            " ticket_type_id bigint, expired_at timestamptz) ON COMMIT DROP"
        )
        await database.execute(
            "INSERT INTO copies SELECT n.id, 'B' || lpad(n.id::text, 15, '0'), n.user_id, $2, $3,"
            " clock_timestamp() + make_interval(secs => $4 + random())"
            " FROM (SELECT nextval('orders_id_seq') AS id, u AS user_id"
            " FROM unnest($1::bigint[]) u) n",
            list(user_ids),
            sale.event_id,
            sale.ticket_type_id,
            due_seconds,
        )
        for table, belongs, differences in _COPIES:
            await database.execute(_copy(table, belongs, differences), model_id)
        await count_seats(database, sale)


def _copy(table: str, belongs: str, differences: str) -> str:
    renumbered = {
        column: _RENUMBERED.format(column=column) for column in ("data", "request", "attempt_no")
    }
    changed = differences.format(own_id=_OWN_ID.format(table=table), **renumbered)
    return (
        f"INSERT INTO {table} SELECT r.* FROM (SELECT * FROM orders WHERE id = $1) m"  # noqa: S608
        f" JOIN {table} t ON {belongs} CROSS JOIN copies c"
        f" CROSS JOIN LATERAL jsonb_populate_record(t, jsonb_build_object({changed})) r"
    )


async def count_seats(database: Database, sale: OnSale) -> None:
    """Set the counts to what orders hold."""
    await database.execute(
        "UPDATE ticket_types SET current_quantity = (SELECT coalesce(sum(seats_held), 0)"
        " FROM orders WHERE ticket_type_id = $1) WHERE id = $1",
        sale.ticket_type_id,
    )
    await database.execute(
        "UPDATE event_attendance SET seats_held = (SELECT coalesce(sum(current_quantity), 0)"
        " FROM ticket_types WHERE event_id = $1) WHERE event_id = $1",
        sale.event_id,
    )


async def payables(database: Database, sale: OnSale) -> list[Payable]:
    """List the orders of *sale* that have an open attempt."""
    found = await database.fetch(
        "SELECT o.id, o.order_no, a.attempt_no, a.amount_minor FROM orders o"
        " JOIN payment_attempts a ON a.order_id = o.id"
        " WHERE o.event_id = $1 AND o.status = 'PENDING' AND a.state = 'OPEN' ORDER BY o.id",
        sale.event_id,
    )
    return [Payable(*row) for row in found]


async def settle_down(database: Database) -> None:
    """Let the planner know what was written, and have it on disk before the clock starts."""
    await database.execute("VACUUM ANALYZE")
    await database.execute("CHECKPOINT")
