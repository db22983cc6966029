"""What the worker claims, and how a claim ends.

1. A claim moves ``due_at`` ``CLAIM`` ahead in the statement that finds the row, so two workers
   never hold one row, and the rows of a killed worker come back by themselves.
2. A claim never waits: rows that somebody holds are skipped and found again a moment later.
3. A claim ends by :func:`put_off` only while ``due_at`` is still the claim's own: a turn that
   moved it meanwhile knows better.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import msgspec

from contracts.effects import EffectKind
from contracts.states import RefundStatus
from models.engine import Connection

# A killed worker's rows must be in other hands within 60 s; the rest is for finding them.
CLAIM = timedelta(seconds=30)
# WeChat Pay wants parts of one payment's refund a minute apart, and nobody else does.
_BETWEEN_PARTS = timedelta(seconds=60)
_Table = Literal["payment_attempts", "refunds", "effects"]


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A row whose time has come; *trace_ctx* names the span that caused it."""

    id: int
    trace_ctx: str | None
    order_id: int | None = None
    provider: str | None = None
    channel: str | None = None

    @property
    def name(self) -> dict[str, str | int]:
        """What people call the row, fit for logs."""
        return {}


class DueOrder(Due, frozen=True, kw_only=True):
    """An order that nobody paid in time."""


class DueNotice(Due, frozen=True, kw_only=True):
    """A stored notice that nobody has finished."""

    @property
    def name(self) -> dict[str, str | int]:
        """The inbox's number of it."""
        return {"notice_id": self.id}


class Held(Due, frozen=True, kw_only=True):
    """A claimed row; *due_at* is when the claim runs out, *claimed_at* when it began."""

    due_at: datetime
    claimed_at: datetime


class DueAttempt(Held, frozen=True, kw_only=True):
    """An attempt to ask about, or to close; *looks* counts this time, too."""

    order_id: int
    attempt_no: str
    looks: int
    opened_at: datetime
    payable_until: datetime

    @property
    def name(self) -> dict[str, str | int]:
        """The number its provider knows."""
        return {"attempt_no": self.attempt_no}


class DueRefund(Held, frozen=True, kw_only=True):
    """A refund to ask for or about; *looks* counts this time too."""

    order_id: int
    refund_no: str
    status: RefundStatus
    looks: int

    @property
    def name(self) -> dict[str, str | int]:
        """The number its provider knows."""
        return {"refund_no": self.refund_no}


class DueEffect(Held, frozen=True, kw_only=True):
    """A duty to deliver; *tries* counts this time too."""

    holder_kind: str
    holder_id: int
    cause: str
    kind: EffectKind
    tries: int

    @property
    def effect_id(self) -> str:
        """The id under which it is delivered, every time."""
        return f"{self.holder_kind}:{self.holder_id}:{self.cause}:{self.kind.value}"

    @property
    def name(self) -> dict[str, str | int]:
        """The id its receiver knows."""
        return {"effect_id": self.effect_id}


_EXPIRED_ORDERS = """
SELECT id, id AS order_id, payment_channel AS provider, channel, trace_ctx
FROM orders
WHERE status = 'PENDING' AND expired_at <= now() AND id <> ALL($2::bigint[])
ORDER BY expired_at
LIMIT $1
"""

_CLAIM_NOTICES = """
WITH due AS (
    SELECT id FROM webhook_events
    WHERE status IN ('RECEIVED', 'FAILED') AND due_at <= now()
    ORDER BY due_at
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_events AS notice SET retry_count = notice.retry_count + 1,
    due_at = now() + $2::interval * power(2, least(greatest(notice.retry_count - 2, 0), 7))
FROM due WHERE notice.id = due.id
RETURNING notice.id, notice.order_id, notice.provider, notice.trace_ctx
"""

_CLAIM_ATTEMPTS = """
WITH due AS (
    SELECT id FROM payment_attempts
    WHERE state IN ('OPENING', 'OPEN', 'UNKNOWN') AND close_owed = $3
      AND due_at <= now()
    ORDER BY due_at
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE payment_attempts AS attempt
SET due_at = now() + $2::interval, looks = attempt.looks + 1
FROM due, orders
WHERE attempt.id = due.id AND orders.id = attempt.order_id
RETURNING attempt.id, attempt.order_id, attempt.attempt_no, attempt.provider, attempt.channel,
    attempt.looks, attempt.due_at, attempt.payable_until, now() AS claimed_at,
    coalesce(attempt.opened_at, attempt.created_at) AS opened_at, orders.trace_ctx
"""

# The parts of one payment go out one after another, in the order they were asked for.
_CLAIM_REFUNDS = """
WITH due AS (
    SELECT id FROM refunds AS refund
    WHERE status IN ('requested', 'processing') AND due_at <= now()
      AND NOT (status = 'requested' AND EXISTS (
          SELECT FROM refunds AS other JOIN payments AS paid ON paid.id = other.payment_id
          WHERE other.order_id = refund.order_id AND other.payment_id = refund.payment_id
            AND other.id <> refund.id AND other.kind = 'ours'
            AND CASE WHEN other.status = 'requested' THEN other.id < refund.id
                     ELSE paid.provider = 'wechat'
                       AND other.updated_at > now() - $3::interval END))
    ORDER BY due_at
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE refunds AS refund SET due_at = now() + $2::interval, looks = refund.looks + 1
FROM due, payments, orders
WHERE refund.id = due.id AND payments.id = refund.payment_id AND orders.id = refund.order_id
RETURNING refund.id, refund.order_id, refund.refund_no, refund.status, refund.looks,
    refund.due_at, now() AS claimed_at, payments.provider, orders.channel, orders.trace_ctx
"""

_CLAIM_EFFECTS = """
WITH due AS (
    SELECT id, CASE holder_kind WHEN 'order' THEN holder_id END AS order_id FROM effects
    WHERE done_at IS NULL AND due_at <= now()
    ORDER BY due_at
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE effects AS effect SET due_at = now() + $2::interval, tries = effect.tries + 1
FROM due LEFT JOIN orders ON orders.id = due.order_id
WHERE effect.id = due.id
RETURNING effect.id, effect.holder_kind, effect.holder_id, effect.cause, effect.kind,
    effect.tries, effect.due_at, now() AS claimed_at, effect.trace_ctx,
    due.order_id, orders.payment_channel AS provider, orders.channel
"""

# Never sooner than a second from now, so that a slow answer is not followed by a rush.
_PUT_OFF: dict[_Table, str] = {
    "payment_attempts": """UPDATE payment_attempts
        SET due_at = greatest($3::timestamptz, now() + interval '1 s')
        WHERE id = $1 AND due_at = $2""",
    "refunds": """UPDATE refunds
        SET due_at = greatest($3::timestamptz, now() + interval '1 s')
        WHERE id = $1 AND due_at = $2""",
    "effects": """UPDATE effects
        SET due_at = greatest($3::timestamptz, now() + interval '1 s')
        WHERE id = $1 AND due_at = $2""",
}

_FINISH_EFFECTS = "UPDATE effects SET done_at = now(), due_at = NULL WHERE id = ANY($1::bigint[])"
_GIVE_UP_EFFECT = "UPDATE effects SET due_at = NULL WHERE id = $1 AND due_at = $2 RETURNING id"

_Row = TypeVar("_Row", bound=msgspec.Struct)


async def expired_orders(
    connection: Connection, limit: int, but_not: Sequence[int] = ()
) -> list[DueOrder]:
    """Find orders whose time is up, longest first, except those in *but_not*.

    No claim: two workers that expire one order do it once, for the version decides.
    """
    return _rows(DueOrder, await connection.fetch(_EXPIRED_ORDERS, limit, list(but_not)))


async def claim_notices(connection: Connection, limit: int) -> list[DueNotice]:
    """Claim stored notices that nobody is processing; each claim counts as a try.

    Who dies over a notice again and again holds it twice as long each time.
    """
    return _rows(DueNotice, await connection.fetch(_CLAIM_NOTICES, limit, CLAIM))


async def claim_closes(connection: Connection, limit: int) -> list[DueAttempt]:
    """Claim attempts their provider must be told to close."""
    return _rows(DueAttempt, await connection.fetch(_CLAIM_ATTEMPTS, limit, CLAIM, True))  # noqa: FBT003


async def claim_looks(connection: Connection, limit: int) -> list[DueAttempt]:
    """Claim attempts their provider should be asked about."""
    return _rows(DueAttempt, await connection.fetch(_CLAIM_ATTEMPTS, limit, CLAIM, False))  # noqa: FBT003


async def claim_refunds(connection: Connection, limit: int) -> list[DueRefund]:
    """Claim refunds under way; of one payment at most one that was not asked for yet."""
    return _rows(DueRefund, await connection.fetch(_CLAIM_REFUNDS, limit, CLAIM, _BETWEEN_PARTS))


async def claim_effects(connection: Connection, limit: int) -> list[DueEffect]:
    """Claim duties that are owed."""
    return _rows(DueEffect, await connection.fetch(_CLAIM_EFFECTS, limit, CLAIM))


async def put_off(connection: Connection, table: _Table, row: Held, until: datetime) -> None:
    """End a claim: the row is due again at *until*, unless a turn has moved it since."""
    await connection.execute(_PUT_OFF[table], row.id, row.due_at, until)


async def finish_effects(connection: Connection, effect_ids: Sequence[int]) -> None:
    """Note that duties were done. Safe to repeat."""
    await connection.execute(_FINISH_EFFECTS, list(effect_ids))


async def give_up_effect(connection: Connection, effect: DueEffect) -> bool:
    """Leave a duty undone for good, where a person can see it; False when it was done."""
    return await connection.fetchval(_GIVE_UP_EFFECT, effect.id, effect.due_at) is not None


def _rows(kind: type[_Row], records: Sequence[Any]) -> list[_Row]:
    return [msgspec.convert(dict(record), kind) for record in records]
