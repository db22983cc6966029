"""The promises, asked of every committed snapshot, and of how it all ended.

The first half says in Python what models/invariants.sql says in SQL.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from contracts.facts import RefundOutcome
from tests.simulation.tables import Row, Table
from tests.simulation.wechat import Trade, returned_minor

if TYPE_CHECKING:
    from tests.simulation.world import World

_LIVE_ATTEMPTS = ("OPENING", "OPEN", "UNKNOWN")
_ENDED = ("EXPIRED", "CANCELLED")
_SETTLED = ("PAID", "REFUNDED")
_IN_VAIN = ("failed", "returned")
_WENT = ("succeeded", "returned")
_PLACED = ("PENDING", "CLOSING", "PAID")
_LIVE_PLACES = ("PENDING_PAYMENT", "PENDING", "APPROVED")


def broken(tables: dict[str, Table]) -> list[str]:
    """Name every promise the committed rows break."""
    snapshot = Snapshot(tables)
    said = [*_seats(snapshot), *_money(snapshot), *_coupons(snapshot)]
    return [*said, *_state(snapshot), *_delivery(snapshot)]


class Snapshot:
    """The committed rows, by order."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self._tables = tables
        self.orders = self.rows("orders")
        self.payments = self.by_order("payments")
        self.attempts = self.by_order("payment_attempts")
        self.refunds = self.by_order("refunds")
        self.places = self.by_order("registrations")
        self.invites = self.by_order("order_invites")
        # All of their money had gone back, and their seats with it, before some came back.
        self.emptied = {
            event["order_id"]
            for event in self.rows("order_events")
            if event["kind"] == "order_refund_returned"
        }

    def rows(self, table: str) -> Iterable[Row]:
        """List all rows."""
        return self._tables[table].rows.values()

    def by_order(self, table: str) -> defaultdict[int, list[Row]]:
        """Group rows by their order."""
        found: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self.rows(table):
            found[row["order_id"] or 0].append(row)
        return found


def _seats(s: Snapshot) -> list[str]:
    said = []
    held, noted = _held(s), _sums(s.rows("seat_ledger"), "ticket_type_id", "seats")
    sold: defaultdict[int, int] = defaultdict(int)
    for kind in s.rows("ticket_types"):
        count = kind["current_quantity"]
        sold[kind["event_id"]] += count
        if count != held[kind["id"]]:
            said.append(f"seats.count: ticket type {kind['id']}")
        if count != noted[kind["id"]]:
            said.append(f"seats.ledger: ticket type {kind['id']}")
        if kind["max_quantity"] is not None and held[kind["id"]] > kind["max_quantity"]:
            said.append(f"oversold: ticket type {kind['id']}")
    for row in s.rows("event_attendance"):
        if row["seats_held"] != sold[row["id"]]:
            said.append("seats.event")
        if row["max_attendees"] is not None and sold[row["id"]] > row["max_attendees"]:
            said.append("oversold: event")
    return said + _held_seats(s)


def _held(s: Snapshot) -> defaultdict[int, int]:
    held = _sums(s.orders, "ticket_type_id", "seats_held")
    for place in s.rows("registrations"):
        if place["status"] in ("PENDING", "APPROVED"):
            held[place["ticket_type_id"]] += place["seats_held"]
    return held


def _sums(rows: Iterable[Row], key: str, value: str) -> defaultdict[int, int]:
    sums: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        sums[row[key]] += row[value]
    return sums


def _held_seats(s: Snapshot) -> list[str]:
    moves = [entry for entry in s.rows("seat_ledger") if entry["holder_kind"] == "order"]
    by_holder = _sums(moves, "holder_id", "seats")
    said = [
        f"seats.holder: order {order['id']}"
        for order in s.orders
        if order["seats_held"] != by_holder[order["id"]]
    ]
    said += [
        f"seats.returned_too_soon: {attempt['attempt_no']}"
        for order in s.orders
        if order["status"] in _ENDED
        for attempt in s.attempts[order["id"]]
        if attempt["state"] in _LIVE_ATTEMPTS and not attempt["close_owed"]
    ]
    return said


def _money(s: Snapshot) -> list[str]:
    said = []
    stuck = {case["subject"] for case in s.rows("cases")}
    for order in s.orders:
        payments = s.payments[order["id"]]
        honoured = sum(payment["honoured"] for payment in payments)
        if (order["status"] in _SETTLED) != (honoured == 1) or honoured > 1:
            said.append(f"money.settlement: order {order['id']}")
        asked = {a["attempt_no"]: a["amount_minor"] for a in s.attempts[order["id"]]}
        for payment in payments:
            refunds = [r for r in s.refunds[order["id"]] if r["payment_id"] == payment["id"]]
            under_way = sum(r["amount_minor"] for r in refunds if r["status"] not in _IN_VAIN)
            if payment["source"] == "free":
                if (payment["amount_minor"], order["total_minor"]) != (0, 0):
                    said.append(f"money.free: order {order['id']}")
            elif asked.get(payment["attempt_no"]) != payment["amount_minor"]:
                said.append(f"money.snapshot: payment {payment['id']}")
            if payment["refund_minor"] != under_way:
                said.append(f"money.refunds: payment {payment['id']}")
            asked_a_person = any(
                f"{why}:{r['refund_no']}" in stuck
                for r in refunds
                for why in ("refund", "refused", "failed_after_success")
            )
            if (
                not payment["honoured"]
                and payment["refund_minor"] != payment["amount_minor"]
                and not asked_a_person
            ):
                said.append(f"money.surplus: payment {payment['id']}")
    return said


def _coupons(s: Snapshot) -> list[str]:
    uses = {use["order_id"]: use for use in s.rows("coupon_usages")}
    orders = {order["id"]: order for order in s.orders}
    held = [use["coupon_id"] for use in uses.values() if use["released_at"] is None]
    said = [
        f"coupons.uses: coupon {coupon['id']}"
        for coupon in s.rows("coupons")
        if coupon["used_count"] != held.count(coupon["id"])
    ]
    said += [
        f"coupons.released: order {order_id}"
        for order_id, use in uses.items()
        if (use["released_at"] is not None) != (orders[order_id]["status"] in _ENDED)
    ]
    said += [
        f"money.free: order {order['id']}"
        for order in s.orders
        if order["total_minor"] == 0 and order["id"] not in uses
    ]
    return said


def _state(s: Snapshot) -> list[str]:
    said = []
    versions: defaultdict[int, set[int]] = defaultdict(set)
    for event in s.rows("order_events"):
        versions[event["order_id"]].add(event["version"])
    for order in s.orders:
        paid = {payment["attempt_no"] for payment in s.payments[order["id"]]}
        if order["version"] != len(versions[order["id"]]):
            said.append(f"state.audit: order {order['id']}")
        said += [
            f"state.attempt_paid: {attempt['attempt_no']}"
            for attempt in s.attempts[order["id"]]
            if (attempt["state"] == "PAID") != (attempt["attempt_no"] in paid)
        ]
        said += _places(s, order)
    return said + _refunded_seats(s)


def _places(s: Snapshot, order: Row) -> list[str]:
    said = []
    places, invites = s.places[order["id"]], s.invites[order["id"]]
    of = f"order {order['id']}"
    own = [
        place
        for place in places
        if place["user_id"] == order["user_id"]
        and place["invite_id"] is None
        and (place["status"] != "CANCELLED" or place["refund_no"] is not None)
    ]
    live = [place for place in places if place["status"] in _LIVE_PLACES]
    gifts = [i for i in invites if i["status"] == "PENDING"]
    if order["status"] in _PLACED and order["id"] not in s.emptied:
        rejected = {p["invite_id"] for p in places if p["status"] == "REJECTED"}
        taken = [i for i in invites if i["status"] == "REDEEMED" and i["id"] not in rejected]
        freed = [i for i in invites if i["status"] == "INVALID" and i["refund_no"] is not None]
        if len(own) != 1:
            said.append(f"places.owner: {of}")
        if len(gifts) + len(taken) + len(freed) != order["quantity"] - 1:
            said.append(f"places.gifts: {of}")
    else:
        said += [f"places.owner: {of}"] * bool(live) + [f"places.gifts: {of}"] * bool(gifts)
    is_open = order["status"] in ("PENDING", "CLOSING")
    if not is_open and any(place["status"] == "PENDING_PAYMENT" for place in places):
        said.append(f"places.waiting: {of}")
    gone = {r["refund_no"] for r in s.refunds[order["id"]] if r["status"] in _WENT}
    waiting = [
        place
        for place in own
        if place["status"] == "REJECTED"
        and order["status"] == "PAID"
        and order["id"] not in s.emptied
        and place["refund_no"] not in gone
    ]
    held = len(live) + len(waiting) + len(gifts)
    if order["seats_held"] != held:
        said.append(f"places.seats: {of}")
    made = Counter(place["invite_id"] for place in places)
    said += [
        f"places.redeemed: invite {invite['id']}"
        for invite in invites
        if made[invite["id"]] != (invite["redeemed_by"] is not None)
    ]
    return said


def _refunded_seats(s: Snapshot) -> list[str]:
    status = {refund["refund_no"]: refund["status"] for refund in s.rows("refunds")}
    return [
        f"places.refund: refund {place['refund_no']}"
        for order in s.orders
        if order["status"] == "PAID"
        for place in (*s.invites[order["id"]], *s.places[order["id"]])
        if place["refund_no"] is not None
        and (place["status"] in ("INVALID", "CANCELLED"))
        != (status.get(place["refund_no"]) in _WENT)
    ]


def _delivery(s: Snapshot) -> list[str]:
    effects = list(s.rows("effects"))
    ticketed = {e["holder_id"] for e in effects if e["kind"] == "TICKETS"}
    alarmed = {e["cause"] for e in effects if e["kind"] == "ALARM"}
    return [
        f"delivery.tickets: order {order['id']}"
        for order in s.orders
        if order["status"] == "PAID" and order["id"] not in ticketed
    ] + [
        f"delivery.alarm: case {case['id']}"
        for case in s.rows("cases")
        if case["subject"] not in alarmed
    ]


def unfinished(world: "World") -> list[str]:
    """Name what still waits for somebody."""
    s = Snapshot(world.server.tables)
    now = world.clock()
    waits = [
        f"order {order['id']} is {order['status']}"
        for order in s.orders
        if order["status"] == "CLOSING"
        or (order["status"] == "PENDING" and order["expired_at"] <= now)
    ]
    waits += [
        f"attempt {attempt['attempt_no']} is {attempt['state']}"
        for attempt in s.rows("payment_attempts")
        if attempt["state"] in _LIVE_ATTEMPTS
    ]
    waits += [
        f"refund {refund['refund_no']} is {refund['status']}"
        for refund in s.rows("refunds")
        if refund["status"] in ("requested", "processing")
        and f"refund:{refund['refund_no']}" not in {c["subject"] for c in s.rows("cases")}
    ]
    waits += [
        f"notice {notice['id']} is {notice['status']}"
        for notice in s.rows("webhook_events")
        if notice["status"] in ("RECEIVED", "FAILED")
    ]
    waits += [f"duty {e['id']} is owed" for e in s.rows("effects") if e["done_at"] is None]
    waits += [f"a notice of {n}" for n in sorted(world.notices.undelivered)]
    return waits


def broken_at_the_end(world: "World") -> list[str]:
    """Name every promise to buyers and to the provider that was not kept."""
    s = Snapshot(world.server.tables)
    orders = {order["id"]: order for order in s.orders}
    places = {place["id"]: place for place in s.rows("registrations")}
    said = [f"not finished: {what}" for what in unfinished(world)]
    said += [
        f"still pending: order {order['id']}" for order in s.orders if order["status"] == "PENDING"
    ]
    for trade in world.wechat.trades.values():
        said += _unaccounted(s, trade)
    for told in world.acknowledged:
        made = orders.get(told.order_id or 0) or places.get(told.registration_id or 0)
        if made is None or made["user_id"] != told.user_id:
            said.append(f"acknowledged but gone: {told}")
    made_of: defaultdict[str, set[int]] = defaultdict(set)
    for told in world.acknowledged:
        if told.key is not None and told.order_id is not None:
            made_of[f"{told.user_id}:{told.key}"].add(told.order_id)
    for order in s.orders:
        key = world.key_of.get(order["order_no"])
        if key is not None:
            made_of[key].add(order["id"])
    said += [f"sold twice for one key: {key}" for key, ids in made_of.items() if len(ids) > 1]
    return said


def _unaccounted(s: Snapshot, trade: Trade) -> list[str]:
    """Say so when money is neither kept for a paid order, nor returned, nor before a person."""
    if not trade.is_paid:
        return []
    number = trade.request.attempt_no
    cases = {case["subject"] for case in s.rows("cases")}
    if any(case.startswith((f"wechat:{trade.txn_id}", f"refund:{number}R")) for case in cases):
        return []
    if returned_minor(trade, RefundOutcome.SUCCESS) == trade.paid_minor:
        return []
    kept = [p["id"] for p in s.rows("payments") if p["attempt_no"] == number and p["honoured"]]
    sent_back = sum(
        refund["amount_minor"]
        for refund in s.rows("refunds")
        if refund["payment_id"] in kept and refund["status"] == "succeeded"
    )
    is_known = kept and sent_back == returned_minor(trade, RefundOutcome.SUCCESS)
    return [] if is_known else [f"money unaccounted for: {number}"]
