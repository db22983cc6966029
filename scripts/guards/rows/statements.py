"""What notices a broken promise: the invariants themselves."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import STORAGE

_INVARIANTS = "models/invariants.sql"

STATEMENTS = tuple(
    Guard(
        f"invariant.{name}",
        "the statement sees a row that breaks it",
        _INVARIANTS,
        f"SELECT '{name}' AS id, count(*)",
        f"SELECT '{name}' AS id, 0",
        f"{STORAGE}invariants.py::TestAnInvariant::test_sees_a_row_that_breaks_it[{name}]",
    )
    for name in (
        "seats.count",
        "seats.event",
        "seats.ledger",
        "seats.holder",
        "seats.returned_too_soon",
        "money.settlement",
        "money.snapshot",
        "money.surplus",
        "money.refunds",
        "money.rejected",
        "state.audit",
        "state.attempt_paid",
        "places.owner",
        "places.waiting",
        "places.gifts",
        "places.seats",
        "places.refund",
        "places.redeemed",
        "delivery.tickets",
        "delivery.alarm",
        "money.free",
        "coupons.uses",
        "coupons.released",
    )
)
