# ruff: noqa: S608 - the pieces put together here are the tests' own words
"""Rows as the worker finds them, with everything left out that a test does not speak of."""

import asyncio
import time
from collections.abc import Callable
from itertools import count

from models.engine import Database

_numbers = count(1)
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
ALL_EFFECTS_DONE = "SELECT NOT EXISTS (SELECT FROM effects WHERE done_at IS NULL)"
TRACE_CTX = f"00-{TRACE_ID}-b7ad6b7169203331-01"


async def an_order(
    database: Database, *, status: str = "PENDING", expired_at: str = "now() + interval '1 h'"
) -> int:
    event_id: int = await database.fetchval(
        """INSERT INTO events (organizer_user_id, title, status, starts_at, ends_at,
             require_approval)
           VALUES (1, 'Night', 'PUBLISHED', now(), now(), false) RETURNING id"""
    )
    paid = status in ("PAID", "REFUNDED")
    order_id: int = await database.fetchval(
        f"""INSERT INTO orders (order_no, biz_type, event_id, user_id, ticket_type_id, quantity,
              total_minor, currency, status, payment_status, payment_channel, channel,
              closing_for, seats_held, expired_at, paid_at, version, trace_ctx)
            VALUES ($1, 'event_ticket', $2, 1, 1, 1, 9900, 'CNY', $3, $4, 'wechat',
              'WECHAT_NATIVE', $5, $6, {expired_at}, $7, 1, '{TRACE_CTX}') RETURNING id""",
        f"E{next(_numbers):015}",
        event_id,
        status,
        "PAID" if paid else "UNPAID",
        "EXPIRE" if status == "CLOSING" else None,
        0 if status in ("EXPIRED", "CANCELLED") else 1,
        await database.fetchval("SELECT now()") if paid else None,
    )
    return order_id


async def an_attempt(
    database: Database,
    *,
    state: str = "OPEN",
    close_owed: bool = False,
    opened: str = "now() - interval '6 s'",
    payable_until: str = "now() + interval '1 h'",
    due_at: str = "now()",
) -> int:
    order_id = await an_order(database)
    attempt_id: int = await database.fetchval(
        f"""INSERT INTO payment_attempts (order_id, attempt_no, provider, channel, state,
              merchant_id, appid, amount_minor, currency, request, opened_at, payable_until,
              close_owed, due_at, looks)
            VALUES ($1, $2, 'wechat', 'WECHAT_NATIVE', $3, 'm', 'a', 9900, 'CNY', '{{}}',
              {opened}, {payable_until}, $4, {due_at}, 0) RETURNING id""",
        order_id,
        f"E{next(_numbers):015}01",
        state,
        close_owed,
    )
    return attempt_id


async def a_payment(database: Database, *, honoured: bool = False, order_id: int = 0) -> int:
    payment_id: int = await database.fetchval(
        """INSERT INTO payments (order_id, attempt_no, provider, provider_txn_id, amount_minor,
             currency, honoured, refund_minor, source, paid_at)
           VALUES ($1, 'x', 'wechat', $2, 9900, 'CNY', $3, 0, 'notice', now()) RETURNING id""",
        order_id or await an_order(database, status="EXPIRED"),
        str(next(_numbers)),
        honoured,
    )
    return payment_id


async def a_refund(
    database: Database,
    payment_id: int,
    *,
    status: str = "requested",
    updated_at: str = "now()",
    due_at: str = "now()",
) -> int:
    refund_id: int = await database.fetchval(
        f"""INSERT INTO refunds (order_id, payment_id, refund_no, idempotency_key, amount_minor,
              currency, status, kind, reason, due_at, looks, updated_at)
            SELECT order_id, id, $2, $2, 100, 'CNY', $3, 'ours', 'surplus', {due_at}, 0,
              {updated_at} FROM payments WHERE id = $1 RETURNING id""",
        payment_id,
        f"R{next(_numbers):06}",
        status,
    )
    return refund_id


async def a_notice(database: Database, *, status: str = "RECEIVED", due_at: str = "now()") -> int:
    notice_id: int = await database.fetchval(
        f"""INSERT INTO webhook_events (provider, event_id, headers, body, status, retry_count,
              due_at, trace_ctx)
            VALUES ('wechat', $1, '{{}}', '', $2, 0, {due_at}, '{TRACE_CTX}') RETURNING id""",
        str(next(_numbers)),
        status,
    )
    return notice_id


async def an_effect(database: Database, *, tries: int = 0) -> int:
    effect_id: int = await database.fetchval(
        f"""INSERT INTO effects (holder_kind, holder_id, cause, kind, due_at, tries, trace_ctx)
            VALUES ('order', 7, $1, 'TICKETS', now(), $2, '{TRACE_CTX}') RETURNING id""",
        f"paid:{next(_numbers)}",
        tries,
    )
    return effect_id


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until *condition* holds; fail when it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        await asyncio.sleep(0.01)


async def until_found(database: Database, question: str, seconds: float = 90) -> None:
    """Wait until the database says yes to *question*."""
    async with asyncio.timeout(seconds):
        while not await database.fetchval(question):  # noqa: ASYNC110 - rows set no event
            await asyncio.sleep(0.02)
