"""The database's tables in memory, with the constraints that turns rely upon."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

import asyncpg

from actors.transitions import edges
from contracts.states import OPEN_ORDERS, OrderStatus

Row: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[Hashable, ...]

_LIVE_PLACES = ("PENDING_PAYMENT", "PENDING", "APPROVED")
_ENDED = ("EXPIRED", "CANCELLED")
_SETTLED = ("PAID", "REFUNDED")


class Table:
    """Committed rows by id, and for each unique index who has which key."""

    def __init__(
        self,
        name: str,
        *,
        uniques: Mapping[str, Callable[[Row], Key | None]] | None = None,
        checks: Mapping[str, Callable[[Row], bool]] | None = None,
    ) -> None:
        self.name = name
        self.uniques = dict(uniques or {})
        self.checks = dict(checks or {})
        self.rows: dict[int, Row] = {}
        self.index: dict[str, dict[Key, int]] = {unique: {} for unique in self.uniques}
        self.last_id = 0

    def next_id(self) -> int:
        """Take a number from the sequence; a rollback does not give it back."""
        self.last_id += 1
        return self.last_id

    def put(self, row: Row) -> None:
        """Make a row the committed one."""
        old = self.rows.get(row["id"])
        for unique, key_of in self.uniques.items():
            before, after = None if old is None else key_of(old), key_of(row)
            if before != after:
                if before is not None:
                    self.index[unique].pop(before, None)
                if after is not None:
                    self.index[unique][after] = row["id"]
        self.rows[row["id"]] = row

    def check(self, old: Row | None, row: Row) -> None:
        """Refuse what a CHECK or the status trigger would refuse."""
        for name, holds in self.checks.items():
            if not holds(row):
                raise check_violation(name)
        if self.name == "orders" and old is not None and old["status"] != row["status"]:
            move = (OrderStatus(old["status"]), OrderStatus(row["status"]))
            if move not in _EDGES:
                raise check_violation("orders_status_edge")


_EDGES = edges()


def check_violation(name: str) -> asyncpg.CheckViolationError:
    """Build what the driver raises for a CHECK."""
    failure = asyncpg.CheckViolationError(f'new row violates check constraint "{name}"')
    failure.constraint_name = name
    return failure


def unique_violation(name: str) -> asyncpg.UniqueViolationError:
    """Build what the driver raises for a unique index."""
    failure = asyncpg.UniqueViolationError(f'duplicate key violates unique constraint "{name}"')
    failure.constraint_name = name
    return failure


def _columns(*names: str) -> Callable[[Row], Key]:
    def key_of(row: Row) -> Key:
        return tuple(row[name] for name in names)

    return key_of


def _one_open(row: Row) -> Key | None:
    return (row["event_id"], row["user_id"]) if row["status"] in OPEN_ORDERS else None


def _one_live(row: Row) -> Key | None:
    return (row["event_id"], row["user_id"]) if row["status"] in _LIVE_PLACES else None


def _one_honoured(row: Row) -> Key | None:
    return (row["order_id"],) if row["honoured"] else None


def _order_checks() -> dict[str, Callable[[Row], bool]]:
    return {
        "orders_seats_check": lambda r: 0 <= r["seats_held"] <= r["quantity"],
        "orders_open_holds_seats_check": lambda r: (
            r["status"] not in OPEN_ORDERS or r["seats_held"] == r["quantity"]
        ),
        "orders_ended_holds_none_check": lambda r: (
            r["status"] not in _ENDED or r["seats_held"] == 0
        ),
        "orders_closing_check": lambda r: (
            (r["status"] == "CLOSING") == (r["closing_for"] is not None)
        ),
        "orders_paid_check": lambda r: (r["status"] in _SETTLED) == (r["paid_at"] is not None),
        "orders_money_check": lambda r: (
            (r["status"] in _SETTLED) == (r["payment_status"] != "UNPAID")
        ),
    }


def _within(count: str, most: str) -> Callable[[Row], bool]:
    return lambda r: r[count] >= 0 and (r[most] is None or r[count] <= r[most])


def new_tables() -> dict[str, Table]:
    """Build the tables, empty."""
    tables = [
        Table("events"),
        Table(
            "event_attendance",
            checks={"event_attendance_seats_check": _within("seats_held", "max_attendees")},
        ),
        Table(
            "ticket_types",
            checks={"ticket_types_seats_check": _within("current_quantity", "max_quantity")},
        ),
        Table("price_tiers"),
        Table(
            "seat_ledger",
            uniques={"seat_ledger_holder_cause_key": _columns("holder_kind", "holder_id", "cause")},
            checks={"seat_ledger_check": lambda r: r["seats"] != 0},
        ),
        Table(
            "orders",
            uniques={"orders_order_no_key": _columns("order_no"), "orders_one_open_key": _one_open},
            checks=_order_checks(),
        ),
        Table("registrations", uniques={"registrations_one_live_key": _one_live}),
        Table(
            "order_invites",
            uniques={
                "order_invites_order_position_key": _columns("order_id", "position"),
                "order_invites_code_hash_key": _columns("code_hash"),
            },
        ),
        Table("order_events"),
        Table(
            "api_idempotency", uniques={"api_idempotency_user_key_key": _columns("user_id", "key")}
        ),
        Table("users"),
        Table(
            "payment_attempts",
            uniques={"payment_attempts_attempt_no_key": _columns("attempt_no")},
            checks={"payment_attempts_amount_check": lambda r: r["amount_minor"] > 0},
        ),
        Table(
            "order_legacy_payment_fields",
            uniques={"order_legacy_payment_fields_pkey": _columns("order_id")},
            checks={
                "order_legacy_payment_fields_check": lambda r: bool(r["code_url"] or r["prepay_id"])
            },
        ),
        Table(
            "payments",
            uniques={
                "payments_provider_txn_key": _columns("provider", "provider_txn_id"),
                "payments_one_honoured_key": _one_honoured,
            },
            checks={"payments_refund_check": lambda r: 0 <= r["refund_minor"] <= r["amount_minor"]},
        ),
        Table(
            "refunds",
            uniques={
                "refunds_refund_no_key": _columns("refund_no"),
                "refunds_order_key_key": _columns("order_id", "idempotency_key"),
            },
            checks={"refunds_amount_check": lambda r: r["amount_minor"] > 0},
        ),
        Table(
            "webhook_events",
            uniques={"webhook_events_provider_event_key": _columns("provider", "event_id")},
        ),
        Table(
            "effects",
            uniques={
                "effects_holder_cause_kind_key": _columns(
                    "holder_kind", "holder_id", "cause", "kind"
                )
            },
        ),
        Table(
            "coupons",
            uniques={"coupons_code_key": _columns("code")},
            checks={"coupons_uses_check": _within("used_count", "max_uses")},
        ),
        Table("coupon_usages", uniques={"coupon_usages_pkey": _columns("order_id")}),
        Table("cases", uniques={"cases_kind_subject_key": _columns("kind", "subject")}),
    ]
    return {table.name: table for table in tables}
