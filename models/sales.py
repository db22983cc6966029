"""Writing new orders and free places, and what already stands in their way.

Each statement takes the whole group; the caller holds the ticket types' locks.
"""

from collections.abc import Sequence

import msgspec

from contracts.commands import CreateOrder
from contracts.events import OrderEvent
from contracts.order import Order
from models.encoding import rows
from models.engine import Connection, Tx


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What one buyer already has at an event, or made with the same key."""

    user_id: int
    order_id: int | None = None
    order_no: str | None = None
    order_status: str | None = None
    ticket_type_id: int | None = None
    quantity: int | None = None
    is_over: bool | None = None
    place_id: int | None = None
    place_no: str | None = None
    place_order_id: int | None = None
    key_body_hash: str | None = None
    key_order_id: int | None = None
    key_registration_id: int | None = None
    key_found: bool | None = None

    @property
    def is_registered(self) -> bool:
        """Tell whether the buyer has a place at the event."""
        return self.place_id is not None


# There is at most one of each; LIMIT keeps the planner from reading the open orders of everybody
# at the event to find one buyer's, as it would before the statistics know of a sale.
_STANDING = """
SELECT b.user_id, o.id AS order_id, o.order_no, o.status AS order_status, o.ticket_type_id,
  o.quantity, k.body_hash AS key_body_hash, k.order_id AS key_order_id,
  k.registration_id AS key_registration_id, k.found AS key_found,
  o.expired_at <= clock_timestamp() AS is_over, g.id AS place_id, g.request_no AS place_no,
  g.order_id AS place_order_id
FROM unnest($2::bigint[], $3::text[]) AS b(user_id, key)
LEFT JOIN LATERAL (SELECT * FROM orders WHERE event_id = $1 AND user_id = b.user_id
  AND status IN ('PENDING', 'CLOSING') LIMIT 1) o ON true
LEFT JOIN LATERAL (SELECT * FROM registrations WHERE event_id = $1 AND user_id = b.user_id
  AND status IN ('PENDING_PAYMENT', 'PENDING', 'APPROVED') LIMIT 1) g ON true
LEFT JOIN LATERAL (SELECT * FROM api_idempotency WHERE user_id = b.user_id AND key = b.key
  LIMIT 1) k ON true
"""


async def standing(
    connection: Connection, event_id: int, buyers: Sequence[tuple[int, str | None]]
) -> dict[int, Standing]:
    """Read what stands in each buyer's way; *buyers* pairs a user with an idempotency key."""
    found = await connection.fetch(
        _STANDING, event_id, [user for user, _ in buyers], [key for _, key in buyers]
    )
    return {row["user_id"]: Standing(**row) for row in found}


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is first written, with what became true of it already.

    It has no id yet. *invite_hashes* are its invites' codes, in order. *request_no* lets the
    place be found by who made it, where the order itself is not open any more.
    """

    order: Order
    events: tuple[OrderEvent, ...]
    idempotency_key: str | None
    body_hash: str | None
    invite_hashes: tuple[str, ...]
    request_no: str | None = None
    answers: dict[str, str] | None = None


_INSERT_ORDERS = """
WITH r AS (SELECT * FROM json_to_recordset($1::json) AS r(order_no text, event_id bigint,
    user_id bigint, ticket_type_id bigint, quantity int, total json, payment_channel text,
    channel text, last_payment_attempt_status text, expired_at timestamptz,
    created_at timestamptz, trace_ctx text, idempotency_key text, body_hash text,
    invite_hashes json, attempts json, events json, request_no text, answers jsonb)),
o AS (INSERT INTO orders (order_no, biz_type, event_id, user_id, ticket_type_id, quantity,
    total_minor, currency, status, payment_status, payment_channel, channel,
    last_payment_attempt_status, seats_held, expired_at, version, trace_ctx, created_at)
  SELECT order_no, 'EVENT_TICKET', event_id, user_id, ticket_type_id, quantity,
    (total ->> 'amount_minor')::bigint, total ->> 'currency', 'PENDING', 'UNPAID',
    payment_channel, channel, last_payment_attempt_status, quantity, expired_at, 1, trace_ctx,
    created_at
  FROM r ORDER BY event_id, user_id
  RETURNING id, order_no, event_id, user_id, ticket_type_id, quantity),
g AS (INSERT INTO registrations (event_id, user_id, ticket_type_id, order_id, request_no, status,
    seats_held, answers)
  SELECT o.event_id, o.user_id, o.ticket_type_id, o.id, r.request_no, 'PENDING_PAYMENT', 0,
    r.answers
  FROM o JOIN r USING (order_no) ORDER BY o.event_id, o.user_id
  RETURNING id, order_id),
i AS (INSERT INTO order_invites (order_id, position, generation, status, code_hash)
  SELECT o.id, x.position, 1, 'PENDING', x.code_hash
  FROM o JOIN r USING (order_no) CROSS JOIN LATERAL
    json_array_elements_text(r.invite_hashes) WITH ORDINALITY AS x(code_hash, position)),
k AS (INSERT INTO api_idempotency (user_id, key, body_hash, order_id, found)
  SELECT r.user_id, r.idempotency_key, r.body_hash, o.id, false FROM o JOIN r USING (order_no)
  WHERE r.idempotency_key IS NOT NULL),
l AS (INSERT INTO seat_ledger (holder_kind, holder_id, cause, event_id, ticket_type_id, seats)
  SELECT 'order', id, 'sold', event_id, ticket_type_id, quantity FROM o),
n AS (INSERT INTO payment_intents (order_id, provider, amount_minor, currency)
  SELECT o.id, r.payment_channel, (r.total ->> 'amount_minor')::bigint, r.total ->> 'currency'
  FROM o JOIN r USING (order_no) WHERE json_array_length(r.attempts) > 0
  RETURNING id, order_id),
p AS (INSERT INTO payment_attempts (order_id, intent_id, attempt_no, provider, channel, state,
    merchant_id, appid, amount_minor, currency, request, claim_until, payable_until, close_owed,
    due_at, looks)
  SELECT o.id, n.id, a.attempt_no, a.request ->> 'provider', a.request ->> 'channel', a.state,
    a.request ->> 'merchant_id', a.request ->> 'appid',
    (a.request -> 'amount' ->> 'amount_minor')::bigint, a.request -> 'amount' ->> 'currency',
    a.request, a.claim_until, (a.request ->> 'payable_until')::timestamptz, false, a.claim_until, 0
  FROM o JOIN r USING (order_no) JOIN n ON n.order_id = o.id
  CROSS JOIN LATERAL json_to_recordset(r.attempts)
    AS a(attempt_no text, state text, request jsonb, claim_until timestamptz)),
a AS (INSERT INTO order_events (order_id, version, kind, data)
  SELECT id, 1, 'order_created', jsonb_build_object('quantity', quantity) FROM o
  UNION ALL SELECT o.id, 1, e ->> 'type', e - 'type' FROM o JOIN r USING (order_no)
    CROSS JOIN LATERAL jsonb_array_elements(r.events::jsonb) AS e)
SELECT o.id, o.order_no, g.id AS registration_id FROM o JOIN g ON g.order_id = o.id
"""


async def insert_orders(tx: Tx, orders: Sequence[NewOrder]) -> dict[str, tuple[int, int]]:
    """Write orders with all that belongs to them; return order and registration ids by number."""
    found = await tx.fetch(_INSERT_ORDERS, rows([_row(new) for new in orders]))
    return {row["order_no"]: (row["id"], row["registration_id"]) for row in found}


def _row(new: NewOrder) -> dict[str, object]:
    order = new.order
    return {
        "order_no": order.order_no,
        "event_id": order.event_id,
        "user_id": order.user_id,
        "ticket_type_id": order.ticket_type_id,
        "quantity": order.quantity,
        "total": order.total,
        "payment_channel": order.payment_channel,
        "channel": order.channel,
        "last_payment_attempt_status": order.last_payment_attempt_status,
        "expired_at": order.expired_at,
        "created_at": order.created_at,
        "trace_ctx": order.trace_ctx,
        "idempotency_key": new.idempotency_key,
        "body_hash": new.body_hash,
        "invite_hashes": new.invite_hashes,
        "attempts": order.attempts,
        "events": new.events,
        "request_no": new.request_no,
        "answers": new.answers,
    }


class NewPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A free registration as it is first written."""

    event_id: int
    user_id: int
    ticket_type_id: int
    request_no: str
    status: str
    idempotency_key: str | None
    body_hash: str | None
    answers: dict[str, str] | None = None
    trace_ctx: str | None = None


_INSERT_PLACES = """
WITH r AS (SELECT * FROM json_to_recordset($1::json) AS r(event_id bigint, user_id bigint,
    ticket_type_id bigint, request_no text, status text, idempotency_key text, body_hash text,
    answers jsonb, trace_ctx text)),
g AS (INSERT INTO registrations (event_id, user_id, ticket_type_id, request_no, status, seats_held,
    answers)
  SELECT event_id, user_id, ticket_type_id, request_no, status, 1, answers FROM r
  ORDER BY event_id, user_id
  RETURNING id, event_id, user_id, ticket_type_id),
d AS (INSERT INTO effects (holder_kind, holder_id, cause, kind, due_at, tries, trace_ctx)
  SELECT 'registration', g.id, 'place:' || g.id, 'ADMISSION', now(), 0, r.trace_ctx
  FROM g JOIN r USING (user_id) WHERE r.status = 'APPROVED'),
k AS (INSERT INTO api_idempotency (user_id, key, body_hash, registration_id, found)
  SELECT r.user_id, r.idempotency_key, r.body_hash, g.id, false FROM g JOIN r USING (user_id)
  WHERE r.idempotency_key IS NOT NULL),
l AS (INSERT INTO seat_ledger (holder_kind, holder_id, cause, event_id, ticket_type_id, seats)
  SELECT 'registration', id, 'sold', event_id, ticket_type_id, 1 FROM g)
SELECT id, user_id FROM g
"""


async def insert_places(tx: Tx, places: Sequence[NewPlace]) -> dict[int, int]:
    """Write free registrations; return their ids by user."""
    found = await tx.fetch(_INSERT_PLACES, rows(places))
    return {row["user_id"]: row["id"] for row in found}


_REMEMBER = """
INSERT INTO api_idempotency (user_id, key, body_hash, order_id, found)
SELECT r.user_id, r.idempotency_key, r.body_hash, r.order_id, true
FROM json_to_recordset($1::json) AS r(user_id bigint, idempotency_key text, body_hash text,
  order_id bigint)
"""


async def remember_found(tx: Tx, finds: Sequence[tuple[CreateOrder, int | None]]) -> None:
    """Keep what keys found, so that the same key finds it again whatever becomes of it."""
    if finds:
        found = [
            {
                "user_id": request.user_id,
                "idempotency_key": request.idempotency_key,
                "body_hash": request.body_hash,
                "order_id": order_id,
            }
            for request, order_id in finds
        ]
        await tx.execute(_REMEMBER, rows(found))
