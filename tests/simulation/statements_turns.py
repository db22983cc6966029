"""What the statements of turns do: load, swap at a version, write what follows."""

from typing import Any

import msgspec

from models import turns
from tests.simulation.sql import at, by_id, records, stands_for, stands_for_text
from tests.simulation.statements_coupons import used_by
from tests.simulation.tables import Row
from tests.simulation.transactions import Transaction, Waiting

_ORDER = [
    "id",
    "order_no",
    "event_id",
    "user_id",
    "ticket_type_id",
    "quantity",
    "payment_channel",
    "status",
    "payment_status",
    "last_payment_attempt_status",
    "refund_status",
    "closing_for",
    "channel",
    "seats_held",
    "expired_at",
    "created_at",
    "paid_at",
    "version",
    "trace_ctx",
]
_ATTEMPT = ["attempt_no", "state", "request", "opened", "opened_at", "claim_until", "close_owed"]
_PAYMENT = ["provider", "provider_txn_id", "attempt_no", "paid_at", "source", "honoured"]
_REFUND = [
    "refund_no",
    "status",
    "reason",
    "idempotency_key",
    "kind",
    "provider_refund_id",
    "seats",
]
_PLACE = ["id", "user_id", "status", "invite_id", "refund_no"]
_GIFT = ["generation", "status", "refund_no", "redeemed_by", "redeemed_at"]
_INVITE = ["id", "position", *_GIFT]


@stands_for("models.orders", "_LOAD")
def load(tx: Transaction, ids: list[int]) -> list[Row]:
    """Read orders whole."""
    return [_document(tx, order) for order in _orders(tx, ids)]


@stands_for("models.orders", "_LOCK")
def lock_rows(tx: Transaction, ids: list[int]) -> Waiting:
    """Lock orders in order."""
    for order in _orders(tx, ids):
        yield from tx.lock("orders", order["id"])


def _orders(tx: Transaction, ids: list[int]) -> list[Row]:
    return [order for order_id in sorted(set(ids)) if (order := tx.get("orders", order_id))]


def _document(tx: Transaction, order: Row) -> Row:
    event = tx.get("events", order["event_id"])
    assert event is not None
    whole = {name: order[name] for name in _ORDER} | {
        "event_title": event["title"],
        "requires_approval": event["require_approval"],
        "total": {"amount_minor": order["total_minor"], "currency": order["currency"]},
        **_parts(tx, order["id"]),
    }
    return {"now": tx.clock, "document": msgspec.json.encode(whole).decode()}


def _parts(tx: Transaction, order_id: int) -> Row:
    payments = _of(tx, "payments", order_id)
    return {
        "attempts": [
            _named(a, _ATTEMPT)
            for a in sorted(
                _of(tx, "payment_attempts", order_id), key=lambda a: str(a["attempt_no"])
            )
        ],
        "payments": [_named(p, _PAYMENT) | {"paid": _money(p)} for p in payments],
        "refunds": [_refund(tx, refund) for refund in _of(tx, "refunds", order_id)],
        "registrations": [_named(g, _PLACE) for g in _of(tx, "registrations", order_id)],
        "invites": [
            _named(i, _INVITE)
            for i in sorted(_of(tx, "order_invites", order_id), key=lambda i: int(i["position"]))
        ],
        "case_subjects": [case["subject"] for case in _of(tx, "cases", order_id)],
        "coupon": used_by(tx, order_id),
    }


def _of(tx: Transaction, table: str, order_id: int) -> list[Row]:
    return by_id([row for row in tx.rows(table) if row["order_id"] == order_id])


def _named(row: Row, names: list[str]) -> Row:
    return {name: row[name] for name in names}


def _money(row: Row) -> Row:
    return {"amount_minor": row["amount_minor"], "currency": row["currency"]}


def _refund(tx: Transaction, refund: Row) -> Row:
    payment = tx.get("payments", refund["payment_id"])
    assert payment is not None
    whose = ("provider", "provider_txn_id", "attempt_no")
    return _named(refund, _REFUND) | _named(payment, list(whose)) | {"amount": _money(refund)}


@stands_for_text(
    "SELECT attempt_no, order_id FROM payment_attempts WHERE attempt_no = ANY($1::text[])"
)
def orders_of_attempts(tx: Transaction, numbers: list[str]) -> list[Row]:
    """Find whose attempts numbers are."""
    unique = "payment_attempts_attempt_no_key"
    found = [tx.find("payment_attempts", unique, (number,)) for number in sorted(set(numbers))]
    return [_named(attempt, ["attempt_no", "order_id"]) for attempt in found if attempt]


@stands_for_text("SELECT attempt_no FROM payments WHERE provider = $1 AND provider_txn_id = $2")
def attempt_of_payment(tx: Transaction, provider: str, txn: str) -> list[Row]:
    """Find what a payment paid."""
    found = tx.find("payments", "payments_provider_txn_key", (provider, txn))
    return [_named(found, ["attempt_no"])] if found else []


@stands_for_text(
    """SELECT pg_advisory_xact_lock($1, id)
       FROM (SELECT (x % 2147483647)::int AS id FROM unnest($2::bigint[]) AS x
             ORDER BY x) AS orders"""
)
def lock_orders(tx: Transaction, namespace: int, ids: list[int]) -> Waiting:
    """Take advisory locks in order."""
    for order_id in sorted(ids):
        yield from tx.lock("advisory", namespace, order_id)


@stands_for("models.turns", "_SWAP")
def swap(tx: Transaction, rows: str) -> Waiting:
    """Write the orders that still have the version they were decided at."""
    won = yield from _swap(tx, rows, turns._SWAP)  # noqa: SLF001 - what it stands for
    return [{"id": record["id"]} for record in won]


@stands_for("models.turns", "_SWAP_AND_NOTE")
def swap_and_note(tx: Transaction, rows: str) -> Waiting:
    """Write them, and what older clients pay with."""
    won = yield from _swap(tx, rows, turns._SWAP_AND_NOTE)  # noqa: SLF001 - as above
    for record in won:
        if record["legacy"] is not None:
            row = {"order_id": record["id"], "written_at": tx.now, **record["legacy"]}
            unique = "order_legacy_payment_fields_pkey"
            yield from _upsert(tx, "order_legacy_payment_fields", unique, row, row)
    return [{"id": record["id"]} for record in won]


def _swap(tx: Transaction, rows: str, sql: str) -> Waiting:
    # The guard holds only as long as the statement says so.
    is_guarded = "o.version = new.version" in sql
    won = []
    for record in by_id(records(rows)):
        if not _is_current(tx, record, is_guarded=is_guarded):
            continue
        yield from tx.lock("orders", record["id"])
        if not _is_current(tx, record, is_guarded=is_guarded):
            continue
        latest = tx.get("orders", record["id"])
        assert latest is not None
        changes = record | {"version": latest["version"] + 1, "paid_at": at(record["paid_at"])}
        for name in ("id", "events", "attempts", "legacy"):
            del changes[name]
        yield from tx.update("orders", record["id"], **changes)
        yield from _write_audit(tx, record)
        yield from _move_attempts(tx, record["attempts"])
        won.append(record)
    return won


def _write_audit(tx: Transaction, record: Row) -> Waiting:
    for event in record["events"]:
        yield from tx.insert(
            "order_events",
            {"order_id": record["id"], "version": record["version"] + 1, "kind": event["type"]},
        )


def _is_current(tx: Transaction, record: Row, *, is_guarded: bool) -> bool:
    row = tx.get("orders", record["id"])
    return row is not None and (row["version"] == record["version"] or not is_guarded)


@stands_for("models.turns", "_NOTICES")
def finish_notices(tx: Transaction, rows: str) -> Waiting:
    """End the notices that caused turns."""
    for record in records(rows):
        yield from tx.update(
            "webhook_events",
            record["id"],
            status=record["status"],
            order_id=record["order_id"],
            due_at=None,
            processed_at=tx.now,
        )


@stands_for("models.turn_money", "_NEW_ATTEMPTS")
def write_new_attempts(tx: Transaction, rows: str) -> Waiting:
    """Write new attempts; nothing that is simulated confirms an intent."""
    written = records(rows)
    for record in written:
        yield from tx.insert("payment_attempts", attempt_row(record))
    return [{"attempt_no": record["attempt_no"]} for record in written]


@stands_for("models.turn_money", "_REPRICED")
def end_repriced_intents(_tx: Transaction, _order_ids: list[int]) -> Waiting:
    """Leave intents alone: nothing that is simulated asks for one."""
    yield from ()


def _move_attempts(tx: Transaction, attempts: list[Row]) -> Waiting:
    for record in attempts:
        key = (record["attempt_no"],)
        seen = tx.find("payment_attempts", "payment_attempts_attempt_no_key", key)
        if seen is not None:
            yield from tx.update("payment_attempts", seen["id"], **_moved_attempt(record))


def _moved_attempt(record: Row) -> Row:
    return {
        "state": record["state"],
        "opened": record["opened"],
        "opened_at": at(record["opened_at"]),
        "claim_until": at(record["claim_until"]),
        "close_owed": record["close_owed"],
        "due_at": at(record["due_at"]),
        "looks": 0,
    }


def attempt_row(record: Row) -> Row:
    """Make the row of a new attempt."""
    request = record["request"]
    return _moved_attempt(record) | {
        "order_id": record["order_id"],
        "attempt_no": record["attempt_no"],
        "provider": request["provider"],
        "channel": request["channel"],
        "merchant_id": request["merchant_id"],
        "appid": request["appid"],
        "amount_minor": request["amount"]["amount_minor"],
        "currency": request["amount"]["currency"],
        "request": request,
        "payable_until": at(request["payable_until"]),
        "asked_at": None,
    }


def _upsert(tx: Transaction, table: str, unique: str, row: Row, moved: Row) -> Waiting:
    existing = yield from tx.insert(table, row, or_find=unique)
    if existing is not None:
        yield from tx.update(table, existing["id"], **moved)


@stands_for("models.turn_money", "_PAYMENTS")
def write_payments(tx: Transaction, rows: str) -> Waiting:
    """Write new payments."""
    for record in records(rows):
        paid = record.pop("paid")
        yield from tx.insert(
            "payments", record | paid | {"refund_minor": 0, "paid_at": at(record["paid_at"])}
        )


@stands_for("models.turn_money", "_REFUNDS")
def write_refunds(tx: Transaction, rows: str) -> Waiting:
    """Write refunds that are new or have moved."""
    for record in records(rows):
        payment = _payment(tx, record)
        if payment is None:
            continue
        moved = {
            "status": record["status"],
            "due_at": at(record["due_at"]),
            "provider_refund_id": record["provider_refund_id"],
            "updated_at": tx.now,
        }
        own = ("order_id", "refund_no", "idempotency_key", "kind", "reason", "seats")
        row: dict[str, Any] = {
            **_named(record, list(own)),
            **record["amount"],
            **moved,
            "payment_id": payment["id"],
            "looks": 0,
            "claim_until": None,
            "made_at": None,
        }
        yield from _upsert(tx, "refunds", "refunds_refund_no_key", row, moved)


@stands_for("models.turn_money", "_REFUND_SUMS")
def write_refund_sums(tx: Transaction, rows: str) -> Waiting:
    """Write what each payment has left."""
    for record in records(rows):
        payment = _payment(tx, record)
        if payment is not None:
            yield from tx.update("payments", payment["id"], refund_minor=record["refund_minor"])


def _payment(tx: Transaction, record: Row) -> Row | None:
    key = (record["provider"], record["provider_txn_id"])
    return tx.find("payments", "payments_provider_txn_key", key)


_NEW_PLACE = {"request_no": None, "refund_no": None, "seats_held": 0, "answers": None}


@stands_for("models.turn_places", "_NEW_REGISTRATIONS")
def write_new_places(tx: Transaction, rows: str) -> Waiting:
    """Write new places."""
    for record in sorted(records(rows), key=lambda r: (r["event_id"], r["user_id"])):
        yield from tx.insert("registrations", {**record, **_NEW_PLACE})


@stands_for("models.turn_places", "_MOVED_REGISTRATIONS")
def write_moved_places(tx: Transaction, rows: str) -> Waiting:
    """Write places that have moved."""
    for record in records(rows):
        moved = _named(record, ["status", "refund_no"])
        yield from tx.update("registrations", record["id"], **moved)


@stands_for("models.turn_places", "_NEW_INVITES")
def write_new_invites(tx: Transaction, rows: str) -> Waiting:
    """Write new gift seats."""
    for record in records(rows):
        yield from tx.insert("order_invites", {**dict.fromkeys(_GIFT), **record})


@stands_for("models.turn_places", "_MOVED_INVITES")
def write_moved_invites(tx: Transaction, rows: str) -> Waiting:
    """Write gift seats that have moved."""
    for record in records(rows):
        moved = _named(record, _GIFT)
        if record["code_hash"] is not None:
            moved["code_hash"] = record["code_hash"]
        yield from tx.update("order_invites", record["id"], **moved)


@stands_for("models.turn_duties", "_EFFECTS")
def write_effects(tx: Transaction, rows: str) -> Waiting:
    """Write duties, each once."""
    for record in records(rows):
        row = {
            "holder_kind": "order",
            "holder_id": record["order_id"],
            "cause": record["cause"],
            "kind": record["kind"],
            "due_at": tx.now,
            "tries": 0,
            "done_at": None,
            "trace_ctx": record["trace_ctx"],
        }
        yield from tx.insert("effects", row, or_find="effects_holder_cause_kind_key")


@stands_for("models.turn_duties", "_CASES")
def write_cases(tx: Transaction, rows: str) -> Waiting:
    """Write questions, each once."""
    for record in records(rows):
        yield from tx.insert("cases", record, or_find="cases_kind_subject_key")
