"""What providers sent, kept beside the attempts it is about; nothing is decided by it."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from contracts.evidence import Evidence, EvidenceKind
from models.encoding import rows
from models.engine import Connection

_deterministic = msgspec.json.Encoder(order="deterministic")


class KeptEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a provider's as it was last told."""

    attempt_no: str
    provider: str
    kind: EvidenceKind
    object_id: str
    body: dict[str, Any]
    recorded_at: datetime


# What is told again becomes the newest. Numbered as told, written in one order everywhere, so that
# two processes that tell of the same objects do not wait for each other.
_KEEP = """
WITH told AS MATERIALIZED (
    SELECT nextval('provider_records_id_seq') AS id, r.*
    FROM json_to_recordset($1::json) AS r(attempt_no text, provider text, kind text, object_id text,
      source text, digest text, body jsonb)
)
INSERT INTO provider_records
  (id, attempt_no, provider, kind, object_id, source, digest, body, recorded_at)
SELECT id, attempt_no, provider, kind, object_id, source, digest, body, clock_timestamp()
FROM told ORDER BY attempt_no, object_id, digest
ON CONFLICT (attempt_no, object_id, digest) DO UPDATE
SET id = EXCLUDED.id, source = EXCLUDED.source, recorded_at = EXCLUDED.recorded_at
"""
_LATEST = """
SELECT attempt_no, provider, kind, object_id, body, recorded_at FROM (
    SELECT DISTINCT ON (attempt_no, kind, object_id) * FROM provider_records
    WHERE attempt_no = ANY($1::text[]) ORDER BY attempt_no, kind, object_id, id DESC
) AS latest ORDER BY id DESC
"""
# Rows are numbered as they come: among the first few, one that is young ends the search.
_PURGE = """
WITH first AS (
    SELECT id FROM provider_records ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM provider_records AS kept USING first
WHERE kept.id = first.id AND kept.recorded_at < now() - $2::interval
RETURNING kept.id
"""


async def keep_all(db: Connection, evidences: Sequence[Evidence]) -> None:
    """Keep a group of objects; what was told before is kept once, as the newest."""
    told: dict[tuple[str, str, str], dict[str, object]] = {}
    for evidence in evidences:
        key = (evidence.attempt_no, evidence.object_id, digest := _digest(evidence))
        told.pop(key, None)
        told[key] = {**msgspec.structs.asdict(evidence), "digest": digest}
    await db.execute(_KEEP, rows(list(told.values())))


async def latest_evidence(db: Connection, attempt_nos: Sequence[str]) -> list[KeptEvidence]:
    """Read the objects of each attempt as they were told last, the newest first."""
    found = await db.fetch(_LATEST, list(attempt_nos))
    return [
        KeptEvidence(
            attempt_no=row["attempt_no"],
            provider=row["provider"],
            kind=EvidenceKind(row["kind"]),
            object_id=row["object_id"],
            body=msgspec.json.decode(row["body"]),
            recorded_at=row["recorded_at"],
        )
        for row in found
    ]


async def purge_evidence(db: Connection, *, older_than_days: float, limit: int) -> int:
    """Remove up to *limit* objects kept longer ago; return how many."""
    return len(await db.fetch(_PURGE, limit, timedelta(days=older_than_days)))


def _digest(evidence: Evidence) -> str:
    return hashlib.sha256(_deterministic.encode(evidence.body)).hexdigest()
