"""What the statements of coupons do."""

from collections import Counter

from tests.simulation.sql import records, stands_for
from tests.simulation.tables import Row
from tests.simulation.transactions import Transaction, Waiting


def used_by(tx: Transaction, order_id: int) -> Row | None:
    """Say which coupon an order has, as it is loaded."""
    used = tx.find("coupon_usages", "coupon_usages_pkey", (order_id,))
    if used is None:
        return None
    return {
        "coupon_id": used["coupon_id"],
        "discount_minor": used["discount_minor"],
        "is_released": used["released_at"] is not None,
    }


@stands_for("models.coupon_uses", "_LOCK_CODES")
def lock_codes(tx: Transaction, codes: list[str]) -> Waiting:
    """Lock coupons by code."""
    return _locked(tx, [row["id"] for row in tx.rows("coupons") if row["code"] in codes])


@stands_for("models.coupon_uses", "_LOCK_IDS")
def lock_coupons(tx: Transaction, ids: list[int]) -> Waiting:
    """Lock coupons by id."""
    return _locked(tx, ids)


def _locked(tx: Transaction, ids: list[int]) -> Waiting:
    found = []
    for coupon_id in sorted(ids):
        yield from tx.lock("coupons", coupon_id)
        row = tx.get("coupons", coupon_id)
        assert row is not None
        found.append({name: value for name, value in row.items() if name != "created_at"})
    return found


@stands_for("models.coupon_uses", "_NEW_USES")
def take_uses(tx: Transaction, rows: str) -> Waiting:
    """Note who uses which coupon."""
    found = []
    for record in sorted(records(rows), key=lambda r: int(r["order_id"])):
        yield from tx.insert("coupon_usages", record | {"released_at": None})
        found.append({"coupon_id": record["coupon_id"]})
    return found


@stands_for("models.coupon_uses", "_MOVED_USES")
def move_uses(tx: Transaction, rows: str) -> Waiting:
    """Give uses back, or take them again."""
    found = []
    for record in records(rows):
        used = tx.find("coupon_usages", "coupon_usages_pkey", (record["order_id"],))
        is_released = record["is_released"]
        if used is None or (used["released_at"] is not None) is is_released:
            continue
        yield from tx.update(
            "coupon_usages", used["id"], released_at=tx.now if is_released else None
        )
        found.append({"coupon_id": used["coupon_id"], "is_released": is_released})
    return found


@stands_for("models.coupon_uses", "_COUNT_USES")
def count_uses(tx: Transaction, rows: str) -> Waiting:
    """Move the counts."""
    moves: Counter[int] = Counter()
    for record in records(rows):
        moves[record["id"]] += record["uses"]
    for coupon_id, uses in sorted(moves.items()):
        yield from tx.lock("coupons", coupon_id)
        row = tx.get("coupons", coupon_id)
        assert row is not None
        yield from tx.update("coupons", coupon_id, used_count=row["used_count"] + uses)
