"""What must be there before the clock starts: people, events, a history, orders to be paid."""

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


async def bind_openids(database: Database, buyers: Sequence[Buyer], other_appid: str) -> None:
    """Let *buyers* pay inside WeChat: at the service account, and at the app *other_appid*."""
    user_ids = [buyer.user_id for buyer in buyers]
    await database.execute(
        "UPDATE users SET openid = 'oService' || lpad(id::text, 20, '0')"
        " WHERE id = ANY($1::bigint[])",
        user_ids,
    )
    await database.execute(
        "INSERT INTO wechat_identities (user_id, appid, openid, bound_at)"
        " SELECT u, $2, 'oProgram' || lpad(u::text, 20, '0'), now() FROM unnest($1::bigint[]) u",
        user_ids,
        other_appid,
    )


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
