"""What the statements of sales and seats do."""

from collections import defaultdict
from typing import Any

import msgspec

from tests.simulation.sql import at, records, stands_for
from tests.simulation.statements_turns import attempt_row
from tests.simulation.tables import Row
from tests.simulation.transactions import Transaction, Waiting


@stands_for("models.sales", "_STANDING")
def standing(tx: Transaction, event_id: int, users: list[int], keys: list[str | None]) -> list[Row]:
    """Read what each buyer has at the event, or made with the same key."""
    return [_standing(tx, event_id, user, key) for user, key in zip(users, keys, strict=True)]


def _standing(tx: Transaction, event_id: int, user_id: int, key: str | None) -> Row:
    order = tx.find("orders", "orders_one_open_key", (event_id, user_id)) or {}
    place = tx.find("registrations", "registrations_one_live_key", (event_id, user_id)) or {}
    made = key and tx.find("api_idempotency", "api_idempotency_user_key_key", (user_id, key))
    made = made or {}
    return {
        "user_id": user_id,
        "order_id": order.get("id"),
        "order_no": order.get("order_no"),
        "order_status": order.get("status"),
        "ticket_type_id": order.get("ticket_type_id"),
        "quantity": order.get("quantity"),
        "key_body_hash": made.get("body_hash"),
        "key_order_id": made.get("order_id"),
        "key_registration_id": made.get("registration_id"),
        "key_found": made.get("found"),
        "is_over": order["expired_at"] <= tx.clock if order else None,
        "place_id": place.get("id"),
        "place_no": place.get("request_no"),
        "place_order_id": place.get("order_id"),
    }


@stands_for("models.seats", "_LOCK_TYPES")
def lock_types(tx: Transaction, ids: list[int], event_id: int | None = None) -> Waiting:
    """Lock ticket types in order and read what is left."""
    found = []
    for type_id in sorted(ids):
        seen = tx.get("ticket_types", type_id)
        if seen is None or event_id not in (None, seen["event_id"]):
            continue
        yield from tx.lock("ticket_types", type_id)
        kind = tx.get("ticket_types", type_id)
        assert kind is not None
        found.append(_stock(tx, kind))
    return found


def _stock(tx: Transaction, kind: Row) -> Row:
    event = tx.get("events", kind["event_id"])
    attendance = tx.get("event_attendance", kind["event_id"])
    assert event is not None
    assert attendance is not None
    limit = kind["max_quantity"]
    now = tx.clock
    return {
        "id": kind["id"],
        "event_id": kind["event_id"],
        "remaining": None if limit is None else limit - kind["current_quantity"],
        "catalog_version": kind["catalog_version"],
        "is_capped": attendance["max_attendees"] is not None,
        "now": now,
        "on_sale": kind["is_active"] and event["status"] == "PUBLISHED" and now < event["ends_at"],
    }


@stands_for("models.seats", "_LOCK_ATTENDANCE")
def lock_attendance(tx: Transaction, ids: list[int]) -> Waiting:
    """Lock the attendance of events in order and read what is left."""
    found = []
    for event_id in sorted(ids):
        yield from tx.lock("event_attendance", event_id)
        row = tx.get("event_attendance", event_id)
        assert row is not None
        most = row["max_attendees"]
        left = None if most is None else most - row["seats_held"]
        found.append({"event_id": event_id, "remaining": left})
    return found


@stands_for("models.seats", "_MOVE_TYPES")
def move_types(tx: Transaction, rows: str) -> Waiting:
    """Move the counts of ticket types."""
    return _move(tx, rows, "ticket_types", "ticket_type_id", "current_quantity")


@stands_for("models.seats", "_MOVE_ATTENDANCE")
def move_attendance(tx: Transaction, rows: str) -> Waiting:
    """Move the counts of events."""
    return _move(tx, rows, "event_attendance", "event_id", "seats_held")


def _move(tx: Transaction, rows: str, table: str, key: str, count: str) -> Waiting:
    moves: defaultdict[int, int] = defaultdict(int)
    for record in records(rows):
        moves[record[key]] += record["seats"]
    for row_id, seats in sorted(moves.items()):
        yield from tx.lock(table, row_id)
        row = tx.get(table, row_id)
        assert row is not None
        yield from tx.update(table, row_id, **{count: row[count] + seats})


@stands_for("models.seats", "_LEDGER")
def note_in_ledger(tx: Transaction, rows: str) -> Waiting:
    """Note why seats moved."""
    for record in records(rows):
        yield from tx.insert("seat_ledger", record)


@stands_for("models.catalogue", "_OFFERS")
def offers(tx: Transaction, ids: list[int]) -> list[Row]:
    """Read ticket types as they are on offer."""
    kinds = [kind for kind in tx.rows("ticket_types") if kind["id"] in ids]
    return [{"document": msgspec.json.encode(_offer(tx, kind)).decode()} for kind in kinds]


def _offer(tx: Transaction, kind: Row) -> Row:
    event = tx.get("events", kind["event_id"])
    assert event is not None
    own = ("event_id", "price_minor", "currency", "max_per_order", "catalog_version")
    return {name: kind[name] for name in own} | {
        "ticket_type_id": kind["id"],
        "event_title": event["title"],
        "require_approval": event["require_approval"],
        "tiers": {
            tier["quantity"]: tier["price_minor"]
            for tier in tx.rows("price_tiers")
            if tier["ticket_type_id"] == kind["id"]
        },
    }


@stands_for("models.sales", "_INSERT_ORDERS")
def insert_orders(tx: Transaction, rows: str) -> Waiting:
    """Write new orders with all that belongs to them."""
    found = []
    for record in sorted(records(rows), key=lambda r: (r["event_id"], r["user_id"])):
        order = yield from tx.insert("orders", _order(record))
        whose = order | {name: record[name] for name in ("request_no", "answers")}
        place = yield from tx.insert("registrations", _place(whose, "PENDING_PAYMENT", order["id"]))
        yield from _insert_belongings(tx, record, order)
        found.append({**order, "registration_id": place["id"]})
    return found


def _insert_belongings(tx: Transaction, record: Row, order: Row) -> Waiting:
    for position, code_hash in enumerate(record["invite_hashes"], 1):
        yield from tx.insert(
            "order_invites",
            {
                "order_id": order["id"],
                "position": position,
                "generation": 1,
                "status": "PENDING",
                "code_hash": code_hash,
                "refund_no": None,
                "redeemed_by": None,
                "redeemed_at": None,
            },
        )
    yield from _insert_key(tx, record, order_id=order["id"])
    yield from tx.insert("seat_ledger", _sold("order", order["id"], order, order["quantity"]))
    for attempt in record["attempts"]:
        claimed = attempt | {"order_id": order["id"], "due_at": attempt["claim_until"]}
        yield from tx.insert("payment_attempts", attempt_row(claimed))
    for kind in ("order_created", *(event["type"] for event in record["events"])):
        yield from tx.insert("order_events", {"order_id": order["id"], "version": 1, "kind": kind})


_OWN = (
    "order_no",
    "event_id",
    "user_id",
    "ticket_type_id",
    "quantity",
    "payment_channel",
    "channel",
    "last_payment_attempt_status",
    "trace_ctx",
)


def _order(record: Row) -> Row:
    return {name: record[name] for name in _OWN} | {
        "total_minor": record["total"]["amount_minor"],
        "currency": record["total"]["currency"],
        "status": "PENDING",
        "payment_status": "UNPAID",
        "refund_status": None,
        "closing_for": None,
        "seats_held": record["quantity"],
        "expired_at": at(record["expired_at"]),
        "created_at": at(record["created_at"]),
        "paid_at": None,
        "version": 1,
    }


def _place(record: Row, status: str, order_id: int | None) -> Row:
    return {
        "event_id": record["event_id"],
        "user_id": record["user_id"],
        "ticket_type_id": record["ticket_type_id"],
        "order_id": order_id,
        "invite_id": None,
        "request_no": record["request_no"],
        "status": status,
        "refund_no": None,
        "seats_held": 0 if order_id else 1,
        "answers": record.get("answers"),
    }


def _insert_key(tx: Transaction, record: Row, **made: int) -> Waiting:
    if record["idempotency_key"] is not None:
        yield from tx.insert("api_idempotency", _key(record) | {"found": False} | made)


def _key(record: Row) -> dict[str, Any]:
    return {
        "user_id": record["user_id"],
        "key": record["idempotency_key"],
        "body_hash": record["body_hash"],
        "order_id": None,
        "registration_id": None,
    }


@stands_for("models.sales", "_REMEMBER")
def remember_found(tx: Transaction, rows: str) -> Waiting:
    """Keep what keys found."""
    for record in records(rows):
        made = {"order_id": record["order_id"], "found": True}
        yield from tx.insert("api_idempotency", _key(record) | made)


def _sold(kind: str, holder_id: int, record: Row, seats: int) -> dict[str, Any]:
    return {
        "holder_kind": kind,
        "holder_id": holder_id,
        "cause": "sold",
        "event_id": record["event_id"],
        "ticket_type_id": record["ticket_type_id"],
        "seats": seats,
    }


def _admission(tx: Transaction, place: Row, trace_ctx: str | None) -> Row:
    return {
        "holder_kind": "registration",
        "holder_id": place["id"],
        "cause": f"place:{place['id']}",
        "kind": "ADMISSION",
        "due_at": tx.now,
        "tries": 0,
        "done_at": None,
        "trace_ctx": trace_ctx,
    }


@stands_for("models.sales", "_INSERT_PLACES")
def insert_places(tx: Transaction, rows: str) -> Waiting:
    """Write free registrations."""
    found = []
    for record in sorted(records(rows), key=lambda r: (r["event_id"], r["user_id"])):
        place = yield from tx.insert("registrations", _place(record, record["status"], None))
        if record["status"] == "APPROVED":
            yield from tx.insert("effects", _admission(tx, place, record["trace_ctx"]))
        yield from _insert_key(tx, record, registration_id=place["id"])
        yield from tx.insert("seat_ledger", _sold("registration", place["id"], record, 1))
        found.append({"id": place["id"], "user_id": place["user_id"]})
    return found
