"""Many orders, made from one real one.

Each of its rows is copied with new numbers, so that a copy is what the service itself would have
written, whichever columns the tables have.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.stage import Database, OnSale

_WHERE: Final = {"event_id": "c.event_id", "ticket_type_id": "c.ticket_type_id"}
_WHOSE: Final = {"user_id": "c.user_id", **_WHERE}
_OF_ORDER: Final = "t.order_id = m.id"
_HELD_BY_ORDER: Final = "t.holder_kind = 'order' AND t.holder_id = m.id"
# Numbers of attempts begin with their order's number.
_ATTEMPT_NO: Final = "replace(t.attempt_no, m.order_no, c.order_no)"
_DATA: Final = "replace(t.data::text, m.order_no, c.order_no)::jsonb"
_REQUEST: Final = "replace(t.request::text, m.order_no, c.order_no)::jsonb"
_NUMBER: Final = "'bench-' || c.id"

# Table, how its rows belong to the model order m, and what differs in a copy c; "id" is its own.
_TABLES: Final = (
    ("registrations", _OF_ORDER, {"order_id": "c.id", **_WHOSE}),
    ("seat_ledger", _HELD_BY_ORDER, {"holder_id": "c.id", **_WHERE}),
    ("order_events", _OF_ORDER, {"order_id": "c.id", "data": _DATA}),
    (
        "payment_attempts",
        _OF_ORDER,
        {"order_id": "c.id", "attempt_no": _ATTEMPT_NO, "request": _REQUEST, "due_at": "NULL"},
    ),
    (
        "payments",
        _OF_ORDER,
        {"order_id": "c.id", "attempt_no": _ATTEMPT_NO, "provider_txn_id": _NUMBER},
    ),
    ("effects", _HELD_BY_ORDER, {"holder_id": "c.id"}),
    ("webhook_events", _OF_ORDER, {"order_id": "c.id", "event_id": _NUMBER}),
)


async def copy_order(
    database: Database, model_id: int, sale: OnSale, user_ids: Sequence[int]
) -> None:
    """Copy an order for each of *user_ids*, who have none there yet, and count its seats.

    Nobody asks about the copies' attempts: the provider does not know their numbers.
    """
    async with database.transaction():
        await database.execute(
            "CREATE TEMP TABLE copies (id bigint, order_no text, user_id bigint, event_id bigint,"
            " ticket_type_id bigint) ON COMMIT DROP"
        )
        await database.execute(
            "INSERT INTO copies SELECT n.id, 'B' || lpad(n.id::text, 15, '0'), n.user_id, $2, $3"
            " FROM (SELECT nextval(pg_get_serial_sequence('orders', 'id')) AS id, u AS user_id"
            " FROM unnest($1::bigint[]) u) n",
            list(user_ids),
            sale.event_id,
            sale.ticket_type_id,
        )
        own = {"id": "c.id", "order_no": "c.order_no", **_WHOSE}
        await database.execute(_copy("orders", "t.id = m.id", own), model_id)
        for table, belongs, differences in _TABLES:
            own_id = {"id": f"nextval(pg_get_serial_sequence('{table}', 'id'))"}
            await database.execute(_copy(table, belongs, own_id | differences), model_id)
        await _count_seats(database, sale)


def _copy(table: str, belongs: str, differences: Mapping[str, str]) -> str:
    changed = ", ".join(f"'{column}', {value}" for column, value in differences.items())
    return (
        f"INSERT INTO {table} SELECT r.* FROM (SELECT * FROM orders WHERE id = $1) m"  # noqa: S608
        f" JOIN {table} t ON {belongs} CROSS JOIN copies c"
        f" CROSS JOIN LATERAL jsonb_populate_record(t, jsonb_build_object({changed})) r"
    )


async def _count_seats(database: Database, sale: OnSale) -> None:
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
