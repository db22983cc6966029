"""What must be true when the dust has settled, and how long that takes."""

import time
from typing import Any

from models.engine import Database
from models.invariants import check_invariants
from tests.faults.buyers import Ledger
from tests.faults.house import FaultHouse

# The whole promise: every duty in other hands within a minute of any one fault.
SETTLED_WITHIN_SECONDS = 60.0
_CLAIMS_RUN_OUT_EVERY_SECONDS = 0.7

_STILL_OPEN = """
SELECT format('order %s is %s', id, status) AS open FROM orders
  WHERE status IN ('PENDING', 'CLOSING')
UNION ALL SELECT format('attempt %s is %s', attempt_no, state) FROM payment_attempts
  WHERE state IN ('OPENING', 'OPEN', 'UNKNOWN')
UNION ALL SELECT format('refund %s is %s', refund_no, status) FROM refunds
  WHERE status IN ('requested', 'processing')
UNION ALL SELECT format('notice %s is %s', id, status) FROM webhook_events
  WHERE status IN ('RECEIVED', 'FAILED')
UNION ALL SELECT format('effect %s of %s %s', kind, holder_kind, holder_id) FROM effects
  WHERE done_at IS NULL AND due_at IS NOT NULL
"""


def let_settle(house: FaultHouse) -> None:
    """Wait until every order has ended and every duty is done."""
    house.resume_all()
    house.wire.answers_to_lose = 0
    house.sandbox.delete("/control/faults")
    house.until(house.is_ready, within=SETTLED_WITHIN_SECONDS)
    still_open: list[dict[str, Any]] = []
    hurried_at = 0.0
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        house.tend()
        if time.monotonic() - hurried_at > _CLAIMS_RUN_OUT_EVERY_SECONDS:
            hurried_at = time.monotonic()
            _let_time_pass(house)
        still_open = house.rows(_STILL_OPEN)
        if not still_open:
            return
        time.sleep(0.05)
    raise AssertionError(f"still open after {SETTLED_WITHIN_SECONDS} s: {still_open[:5]}")


def violations(house: FaultHouse, ledger: Ledger, *, since_order_id: int = 0) -> list[str]:
    """List every promise that is broken."""
    orders = house.rows(
        "SELECT id, order_no, status, quantity, total_minor FROM orders WHERE id > $1",
        since_order_id,
    )
    return [
        *ledger.broken,
        *_broken_invariants(house),
        *_lost_yeses(ledger, {order["id"]: order for order in orders}),
        *(line for order in orders for line in _books_disagree(house, order)),
        *_given_up(house),
    ]


def _let_time_pass(house: FaultHouse) -> None:
    house.rows("UPDATE orders SET expired_at = now() - interval '1 s' WHERE status = 'PENDING'")
    house.time_passes()
    # An attempt the provider never heard of can only be waited out.
    for row in house.rows(
        "SELECT attempt_no FROM payment_attempts WHERE state <> 'CLOSED'"
        " AND state <> 'PAID' AND close_owed"
    ):
        if row["attempt_no"] not in _trades(house, row["attempt_no"][:16]):
            house.rows(
                """UPDATE payment_attempts SET payable_until = now() - interval '5 min',
                     request = jsonb_set(request::jsonb, '{payable_until}',
                       to_jsonb(now() - interval '5 min'))
                   WHERE attempt_no = $1""",
                row["attempt_no"],
            )


def _broken_invariants(house: FaultHouse) -> list[str]:
    async def check() -> list[str]:
        database = await Database.connect(house.postgres.url, max_size=1)
        try:
            found = await check_invariants(database)
        finally:
            await database.close()
        return [f"{f.id}: {f.violations} ({f.detail})" for f in found if f.violations]

    return house.run(check())


def _lost_yeses(ledger: Ledger, orders: dict[int, dict[str, Any]]) -> list[str]:
    lost = []
    for order_id, told in list(ledger.sold.items()):
        kept = orders.get(order_id)
        if kept is None or (kept["order_no"], kept["quantity"], kept["total_minor"]) != (
            told["orderNo"],
            told["quantity"],
            told["totalAmount"],
        ):
            lost.append(f"order {order_id} was confirmed and is gone or changed")
    for order_id, status in list(ledger.seen.items()):
        if order_id in orders and orders[order_id]["status"] != status:
            lost.append(f"order {order_id} was {status} and is {orders[order_id]['status']}")
    return lost


def _books_disagree(house: FaultHouse, order: dict[str, Any]) -> list[str]:
    trades = _trades(house, order["order_no"])
    kept = {
        row["attempt_no"]: row
        for row in house.rows(
            """SELECT p.attempt_no, p.honoured, p.amount_minor, coalesce((
                 SELECT sum(f.amount_minor) FROM refunds f
                 WHERE f.payment_id = p.id AND f.status = 'succeeded'), 0) AS returned
               FROM payments p WHERE p.order_id = $1""",
            order["id"],
        )
    }
    found = [f"{number} is paid here and not there" for number in kept.keys() - trades.keys()]
    for number, status in trades.items():
        ours = kept.get(number)
        agrees = {
            "SUCCESS": ours is not None and ours["honoured"] and order["status"] == "PAID",
            "REFUND": ours is not None and ours["returned"] == ours["amount_minor"],
            "CLOSED": ours is None,
        }
        if not agrees.get(status, False):
            found.append(f"{number} is {status} there; here: order {order['status']}, {ours}")
        found += _lost_notices(house, number)
    return found


def _lost_notices(house: FaultHouse, number: str) -> list[str]:
    answer = house.sandbox.get("/control/notices", params={"out_trade_no": number}).json()
    accepted = {n["id"] for n in answer["notices"] if n["status"] in (200, 204)}
    if not accepted:
        return []
    stored = house.rows(
        "SELECT event_id FROM webhook_events WHERE event_id = ANY($1::text[])"
        " AND status IN ('PROCESSED', 'QUARANTINED')",
        list(accepted),
    )
    lost = accepted - {row["event_id"] for row in stored}
    return [f"notice {notice_id} was accepted and is not processed" for notice_id in lost]


def _given_up(house: FaultHouse) -> list[str]:
    dead = house.rows(
        """SELECT format('notice %s is dead', id) AS what FROM webhook_events WHERE status = 'DEAD'
           UNION ALL SELECT format('effect %s is dead', id) FROM effects
             WHERE done_at IS NULL AND due_at IS NULL"""
    )
    return [row["what"] for row in dead]


def _trades(house: FaultHouse, order_no: str) -> dict[str, str]:
    answer = house.sandbox.get("/control/trades", params={"order_no": order_no}).json()
    return {trade["out_trade_no"]: trade["status"] for trade in answer["trades"]}
