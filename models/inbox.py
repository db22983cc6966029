"""Notices as received: stored before they are answered, finished with the turn they cause."""

from collections.abc import Sequence

import msgspec

from contracts.effects import Case
from contracts.states import NoticeStatus
from models.encoding import document, rows
from models.engine import Connection, Database, Record


class NewNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A verified notice that is about to be stored; *attempt_no* where one could be read."""

    provider: str
    event_id: str
    headers: dict[str, str]
    body: bytes
    trace_ctx: str | None
    attempt_no: str | None = None


class StoredNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice in the inbox; *order_id* where its attempt was known when it was stored.

    *retry_count* tries came to nothing before this one.
    """

    id: int
    provider: str
    headers: dict[str, str]
    body: bytes
    trace_ctx: str | None
    retry_count: int
    order_id: int | None = None


# The claim of whoever stored it: the sweep takes over from a process that died since.
_STORE = """
WITH n AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[],
    $6::text[]) AS n(provider, event_id, headers, body, trace_ctx, attempt_no)),
new AS (INSERT INTO webhook_events (provider, event_id, headers, body, status, retry_count, due_at,
    trace_ctx)
  SELECT provider, event_id, headers::jsonb, body, 'RECEIVED', 0,
    clock_timestamp() + interval '15 seconds', trace_ctx
  FROM n ORDER BY provider, event_id
  ON CONFLICT (provider, event_id) DO NOTHING
  RETURNING id, provider, event_id)
SELECT new.id, new.provider, new.event_id, a.order_id
FROM new JOIN n USING (provider, event_id)
LEFT JOIN LATERAL (SELECT order_id FROM payment_attempts WHERE attempt_no = n.attempt_no
  LIMIT 1) a ON true
"""


async def store(database: Database, notices: Sequence[NewNotice]) -> list[StoredNotice | None]:
    """Store a group of notices, committed; None for one that was there already."""
    found = await database.fetch(
        _STORE,
        [notice.provider for notice in notices],
        [notice.event_id for notice in notices],
        [document(notice.headers) for notice in notices],
        [notice.body for notice in notices],
        [notice.trace_ctx for notice in notices],
        [notice.attempt_no for notice in notices],
    )
    new = {(row["provider"], row["event_id"]): row for row in found}
    return [
        _stored(notice, new.pop((notice.provider, notice.event_id), None)) for notice in notices
    ]


def _stored(notice: NewNotice, row: Record | None) -> StoredNotice | None:
    if row is None:
        return None
    return StoredNotice(
        id=row["id"],
        provider=notice.provider,
        headers=notice.headers,
        body=notice.body,
        trace_ctx=notice.trace_ctx,
        retry_count=0,
        order_id=row["order_id"],
    )


async def load_unfinished(connection: Connection, notice_id: int) -> StoredNotice | None:
    """Load a notice that still waits to be processed."""
    row = await connection.fetchrow(
        """SELECT id, provider, headers, body, trace_ctx, retry_count FROM webhook_events
           WHERE id = $1 AND status IN ('RECEIVED', 'FAILED')""",
        notice_id,
    )
    if row is None:
        return None
    headers = msgspec.json.decode(row["headers"], type=dict[str, str])
    return StoredNotice(**{**dict(row), "headers": headers})


async def find_unfinished(connection: Connection, provider: str, event_id: str) -> int | None:
    """Find a notice that still waits to be processed by its provider's id of it."""
    found: int | None = await connection.fetchval(
        """SELECT id FROM webhook_events
           WHERE provider = $1 AND event_id = $2 AND status IN ('RECEIVED', 'FAILED')""",
        provider,
        event_id,
    )
    return found


async def finish(
    connection: Connection, notice_id: int, status: NoticeStatus, reason: str | None = None
) -> None:
    """End a notice that caused no turn."""
    await connection.execute(
        """UPDATE webhook_events SET status = $2, reason = $3, due_at = NULL,
             processed_at = clock_timestamp() WHERE id = $1""",
        notice_id,
        status,
        reason,
    )


async def put_off(
    connection: Connection, notice_id: int, delay_seconds: float, reason: str, *, tries: int
) -> None:
    """Have a notice tried again later; *tries* count this one."""
    await connection.execute(
        """UPDATE webhook_events SET status = 'FAILED', reason = $3,
             retry_count = greatest(retry_count, $4::int),
             due_at = clock_timestamp() + make_interval(secs => $2)
           WHERE id = $1 AND status IN ('RECEIVED', 'FAILED')""",
        notice_id,
        delay_seconds,
        reason,
        tries,
    )


_OPEN_CASE = """
WITH opened AS (INSERT INTO cases (kind, subject, reason, details)
  SELECT r.kind, r.subject, r.reason, r.details FROM json_to_recordset($1::json)
    AS r(kind text, subject text, reason text, details jsonb)
  ON CONFLICT (kind, subject) DO NOTHING RETURNING id, subject)
INSERT INTO effects (holder_kind, holder_id, cause, kind, due_at, tries)
SELECT 'case', id, subject, 'ALARM', clock_timestamp(), 0 FROM opened
"""


async def open_case(connection: Connection, case: Case) -> None:
    """Ask a person about something no order is known for; once per kind and subject."""
    await connection.execute(_OPEN_CASE, rows([case]))
