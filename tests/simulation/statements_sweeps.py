"""What the statements of sweeps and of the inbox do."""

from datetime import datetime, timedelta

from tests.simulation.sql import records, stands_for, stands_for_text
from tests.simulation.tables import Row
from tests.simulation.transactions import Transaction, Waiting

_LIVE = ("OPENING", "OPEN", "UNKNOWN")
_WAITING_NOTICES = ("RECEIVED", "FAILED")
_SECOND = timedelta(seconds=1)


@stands_for("models.sweeps", "_EXPIRED_ORDERS")
def expired_orders(tx: Transaction, limit: int, but_not: list[int]) -> list[Row]:
    """Find orders whose time is up."""
    due = [
        order
        for order in tx.rows("orders")
        if order["status"] == "PENDING"
        and order["expired_at"] <= tx.now
        and order["id"] not in but_not
    ]
    due.sort(key=lambda order: order["expired_at"])
    return [
        {
            "id": order["id"],
            "order_id": order["id"],
            "provider": order["payment_channel"],
            "channel": order["channel"],
            "trace_ctx": order["trace_ctx"],
        }
        for order in due[:limit]
    ]


def _claim(tx: Transaction, table: str, due: list[Row], limit: int) -> list[Row]:
    """Choose those rows nobody holds, as SKIP LOCKED does."""
    free = [row for row in due if tx.is_free(table, row["id"])]
    free.sort(key=lambda row: (row["due_at"], int(row["id"])))
    return free[:limit]


@stands_for("models.sweeps", "_CLAIM_NOTICES")
def claim_notices(tx: Transaction, limit: int, claim: timedelta) -> Waiting:
    """Claim notices nobody finished."""
    due = [
        notice
        for notice in tx.rows("webhook_events")
        if notice["status"] in _WAITING_NOTICES and notice["due_at"] <= tx.now
    ]
    found = []
    for notice in _claim(tx, "webhook_events", due, limit):
        held = claim * 2 ** min(max(notice["retry_count"] - 2, 0), 7)
        moved = {"retry_count": notice["retry_count"] + 1, "due_at": tx.now + held}
        yield from tx.update("webhook_events", notice["id"], **moved)
        found.append({name: notice[name] for name in ("id", "order_id", "provider", "trace_ctx")})
    return found


@stands_for("models.sweeps", "_CLAIM_ATTEMPTS")
def claim_attempts(tx: Transaction, limit: int, claim: timedelta, close_owed: bool) -> Waiting:  # noqa: FBT001 - as the statement has it
    """Claim attempts to close or to ask about."""
    due = [
        attempt
        for attempt in tx.rows("payment_attempts")
        if attempt["state"] in _LIVE
        and attempt["close_owed"] == close_owed
        and attempt["due_at"] is not None
        and attempt["due_at"] <= tx.now
    ]
    found = []
    for attempt in _claim(tx, "payment_attempts", due, limit):
        moved = {"due_at": tx.now + claim, "looks": attempt["looks"] + 1}
        yield from tx.update("payment_attempts", attempt["id"], **moved)
        own = ("id", "order_id", "attempt_no", "provider", "channel", "payable_until")
        found.append(
            {name: attempt[name] for name in own}
            | moved
            | {
                "claimed_at": tx.now,
                "opened_at": attempt["opened_at"] or attempt["created_at"],
                "trace_ctx": None,
            }
        )
    return found


@stands_for("models.sweeps", "_CLAIM_REFUNDS")
def claim_refunds(tx: Transaction, limit: int, claim: timedelta, between: timedelta) -> Waiting:
    """Claim refunds under way, of one payment at most one that was not asked for yet."""
    refunds = list(tx.rows("refunds"))
    due = [
        refund
        for refund in refunds
        if refund["status"] in ("requested", "processing")
        and refund["due_at"] is not None
        and refund["due_at"] <= tx.now
        and not (
            refund["status"] == "requested"
            and any(_is_in_the_way(tx, other, refund, between) for other in refunds)
        )
    ]
    found = []
    for refund in _claim(tx, "refunds", due, limit):
        moved = {"due_at": tx.now + claim, "looks": refund["looks"] + 1}
        yield from tx.update("refunds", refund["id"], **moved)
        payment = tx.get("payments", refund["payment_id"])
        order = tx.get("orders", refund["order_id"])
        assert payment is not None
        assert order is not None
        found.append(
            {name: refund[name] for name in ("id", "order_id", "refund_no", "status")}
            | moved
            | {
                "claimed_at": tx.now,
                "provider": payment["provider"],
                "channel": order["channel"],
                "trace_ctx": order["trace_ctx"],
            }
        )
    return found


def _is_in_the_way(tx: Transaction, other: Row, refund: Row, between: timedelta) -> bool:
    if other["payment_id"] != refund["payment_id"] or other["id"] == refund["id"]:
        return False
    if other["kind"] != "ours":
        return False
    if other["status"] == "requested":
        return bool(other["id"] < refund["id"])
    payment = tx.get("payments", refund["payment_id"])
    is_apart = payment is not None and payment["provider"] == "wechat"
    return is_apart and bool(other["updated_at"] > tx.now - between)


@stands_for("models.sweeps", "_CLAIM_EFFECTS")
def claim_effects(tx: Transaction, limit: int, claim: timedelta) -> Waiting:
    """Claim duties that are owed."""
    due = [
        effect
        for effect in tx.rows("effects")
        if effect["done_at"] is None and effect["due_at"] is not None and effect["due_at"] <= tx.now
    ]
    found = []
    for effect in _claim(tx, "effects", due, limit):
        moved = {"due_at": tx.now + claim, "tries": effect["tries"] + 1}
        yield from tx.update("effects", effect["id"], **moved)
        order_id = effect["holder_id"] if effect["holder_kind"] == "order" else None
        order = (tx.get("orders", order_id) if order_id else None) or {}
        own = ("id", "holder_kind", "holder_id", "cause", "kind", "trace_ctx")
        found.append(
            {name: effect[name] for name in own}
            | moved
            | {
                "claimed_at": tx.now,
                "order_id": order_id,
                "provider": order.get("payment_channel"),
                "channel": order.get("channel"),
            }
        )
    return found


def _put_off(table: str) -> None:
    @stands_for_text(
        f"""UPDATE {table}
        SET due_at = greatest($3::timestamptz, now() + interval '1 s')
        WHERE id = $1 AND due_at = $2"""  # noqa: S608 - never sent anywhere
    )
    def put_off(tx: Transaction, row_id: int, due_at: datetime, until: datetime) -> Waiting:
        row = tx.get(table, row_id)
        if row is None or row["due_at"] != due_at:
            return
        yield from tx.lock(table, row_id)
        row = tx.get(table, row_id)
        if row is not None and row["due_at"] == due_at:
            yield from tx.update(table, row_id, due_at=max(until, tx.now + _SECOND))


for _table in ("payment_attempts", "refunds", "effects"):
    _put_off(_table)


@stands_for("models.people", "_PAID")
def note_payers(tx: Transaction, order_ids: list[int]) -> Waiting:
    """Note that buyers have paid."""
    payers = {order["user_id"] for order in tx.rows("orders") if order["id"] in order_ids}
    for user_id in sorted(payers):
        user = tx.get("users", user_id)
        if user is not None and user["state"] == "registered":
            yield from tx.update("users", user_id, state="paid")


@stands_for("models.sweeps", "_FINISH_EFFECTS")
def finish_effects(tx: Transaction, effect_ids: list[int]) -> Waiting:
    """Note that duties were done."""
    for effect_id in effect_ids:
        yield from tx.update("effects", effect_id, done_at=tx.now, due_at=None)


@stands_for("models.sweeps", "_GIVE_UP_EFFECT")
def give_up_effect(tx: Transaction, effect_id: int, due_at: datetime) -> Waiting:
    """Leave a duty undone for good."""
    yield from tx.lock("effects", effect_id)
    row = tx.get("effects", effect_id)
    if row is None or row["due_at"] != due_at:
        return []
    yield from tx.update("effects", effect_id, due_at=None)
    return [{"id": effect_id}]


@stands_for_text(
    """UPDATE payment_attempts SET asked_at = clock_timestamp()
       WHERE attempt_no = $1
         AND (asked_at IS NULL OR asked_at <= clock_timestamp() - make_interval(secs => $2))
       RETURNING id"""
)
def may_ask(tx: Transaction, attempt_no: str, every_seconds: float) -> Waiting:
    """Take the right to ask about an attempt."""
    seen = tx.find("payment_attempts", "payment_attempts_attempt_no_key", (attempt_no,))
    if seen is None:
        return []
    yield from tx.lock("payment_attempts", seen["id"])
    row = tx.get("payment_attempts", seen["id"])
    assert row is not None
    asked_at = row["asked_at"]
    if asked_at is not None and asked_at > tx.clock - timedelta(seconds=every_seconds):
        return []
    yield from tx.update("payment_attempts", row["id"], asked_at=tx.clock)
    return [{"id": row["id"]}]


def _locked_refund(tx: Transaction, refund_no: str) -> Waiting:
    seen = tx.find("refunds", "refunds_refund_no_key", (refund_no,))
    if seen is None:
        return None
    yield from tx.lock("refunds", seen["id"])
    return tx.get("refunds", seen["id"])


@stands_for("models.refunds", "_CLAIM")
def claim_refund(tx: Transaction, refund_no: str, seconds: float) -> Waiting:
    """Take the right to call about a refund."""
    row = yield from _locked_refund(tx, refund_no)
    if row is None or row["status"] not in ("requested", "processing"):
        return []
    if row["claim_until"] is not None and row["claim_until"] > tx.clock:
        return []
    claim_until = tx.clock + timedelta(seconds=seconds)
    yield from tx.update("refunds", row["id"], claim_until=claim_until)
    return [{"claim_until": claim_until}]


@stands_for("models.refunds", "_RELEASE")
def release_refund(tx: Transaction, refund_no: str, claim_until: datetime) -> Waiting:
    """Let others have a refund."""
    row = yield from _locked_refund(tx, refund_no)
    if row is not None and row["claim_until"] == claim_until:
        yield from tx.update("refunds", row["id"], claim_until=None)


@stands_for("models.refunds", "_MAY_MAKE")
def may_make_refund(tx: Transaction, refund_no: str, every_seconds: float) -> Waiting:
    """Note that a refund is made now, unless it was a while ago."""
    row = yield from _locked_refund(tx, refund_no)
    if row is None:
        return []
    if row["made_at"] is not None and row["made_at"] > tx.clock - timedelta(seconds=every_seconds):
        return []
    yield from tx.update("refunds", row["id"], made_at=tx.clock)
    return [{"id": row["id"]}]


@stands_for("models.refunds", "_NOT_MADE")
def note_refund_not_made(tx: Transaction, refund_no: str) -> Waiting:
    """Take back that a refund was made."""
    row = yield from _locked_refund(tx, refund_no)
    if row is not None:
        yield from tx.update("refunds", row["id"], made_at=None)


@stands_for("models.inbox", "_STORE")
def store(  # noqa: PLR0917 - as the statement has it
    tx: Transaction,
    providers: list[str],
    events: list[str],
    headers: list[str],
    bodies: list[bytes],
    traces: list[str | None],
    attempts: list[str | None],
) -> Waiting:
    """Store notices, each once, and say whose they are."""
    found = []
    given = zip(providers, events, headers, bodies, traces, attempts, strict=True)
    for provider, event_id, words, body, trace_ctx, number in sorted(given, key=lambda n: n[:2]):
        row = {
            "provider": provider,
            "event_id": event_id,
            "headers": words,
            "body": body,
            "status": "RECEIVED",
            "retry_count": 0,
            "due_at": tx.clock + timedelta(seconds=15),
            "reason": None,
            "order_id": None,
            "trace_ctx": trace_ctx,
            "received_at": tx.now,
            "processed_at": None,
        }
        unique = "webhook_events_provider_event_key"
        if (yield from tx.insert("webhook_events", row, or_find=unique)) is None:
            new = tx.find("webhook_events", unique, (provider, event_id))
            assert new is not None
            attempt = tx.find("payment_attempts", "payment_attempts_attempt_no_key", (number,))
            found.append(
                {
                    "id": new["id"],
                    "provider": provider,
                    "event_id": event_id,
                    "order_id": attempt and attempt["order_id"],
                }
            )
    return found


@stands_for_text(
    """SELECT id, provider, headers, body, trace_ctx, retry_count FROM webhook_events
       WHERE id = $1 AND status IN ('RECEIVED', 'FAILED')"""
)
def load_unfinished(tx: Transaction, notice_id: int) -> list[Row]:
    """Read a notice that still waits."""
    row = tx.get("webhook_events", notice_id)
    if row is None or row["status"] not in _WAITING_NOTICES:
        return []
    own = ("id", "provider", "headers", "body", "trace_ctx", "retry_count")
    return [{name: row[name] for name in own}]


@stands_for_text(
    """UPDATE webhook_events SET status = $2, reason = $3, due_at = NULL,
         processed_at = clock_timestamp() WHERE id = $1"""
)
def finish_notice(tx: Transaction, notice_id: int, status: str, reason: str | None) -> Waiting:
    """End a notice that caused no turn."""
    yield from tx.update(
        "webhook_events",
        notice_id,
        status=str(status),
        reason=reason,
        due_at=None,
        processed_at=tx.clock,
    )


@stands_for_text(
    """UPDATE webhook_events SET status = 'FAILED', reason = $3,
         retry_count = greatest(retry_count, $4::int),
         due_at = clock_timestamp() + make_interval(secs => $2)
       WHERE id = $1 AND status IN ('RECEIVED', 'FAILED')"""
)
def put_off_notice(
    tx: Transaction, notice_id: int, delay_seconds: float, reason: str, tries: int
) -> Waiting:
    """Have a notice tried again later."""
    yield from tx.lock("webhook_events", notice_id)
    row = tx.get("webhook_events", notice_id)
    if row is None or row["status"] not in _WAITING_NOTICES:
        return
    yield from tx.update(
        "webhook_events",
        notice_id,
        status="FAILED",
        retry_count=max(row["retry_count"], tries),
        reason=reason,
        due_at=tx.clock + timedelta(seconds=delay_seconds),
    )


@stands_for("models.inbox", "_OPEN_CASE")
def open_case(tx: Transaction, rows: str) -> Waiting:
    """Ask a person, once, and owe the alarm."""
    for record in records(rows):
        unique = "cases_kind_subject_key"
        row = {**record, "order_id": None}
        if (yield from tx.insert("cases", row, or_find=unique)) is not None:
            continue
        case = tx.find("cases", unique, (record["kind"], record["subject"]))
        assert case is not None
        yield from tx.insert(
            "effects",
            {
                "holder_kind": "case",
                "holder_id": case["id"],
                "cause": case["subject"],
                "kind": "ALARM",
                "due_at": tx.clock,
                "tries": 0,
                "done_at": None,
                "trace_ctx": None,
            },
            or_find="effects_holder_cause_kind_key",
        )
