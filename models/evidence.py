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


_KEEP = """
INSERT INTO provider_records (attempt_no, provider, kind, object_id, source, digest, body)
SELECT r.attempt_no, r.provider, r.kind, r.object_id, r.source, r.digest, r.body
FROM json_to_recordset($1::json) AS r(attempt_no text, provider text, kind text, object_id text,
  source text, digest text, body jsonb)
ON CONFLICT (attempt_no, object_id, digest) DO NOTHING
"""
_LATEST = """
SELECT DISTINCT ON (attempt_no, kind)
  attempt_no, provider, kind, object_id, body, recorded_at
FROM provider_records WHERE attempt_no = ANY($1::text[])
ORDER BY attempt_no, kind, id DESC
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
    """Keep a group of objects; the same words about the same object are kept once."""
    await db.execute(_KEEP, rows([_row(evidence) for evidence in evidences]))


async def latest_evidence(db: Connection, attempt_nos: Sequence[str]) -> list[KeptEvidence]:
    """Read the newest object of each kind for each attempt."""
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


def _row(evidence: Evidence) -> dict[str, object]:
    digest = hashlib.sha256(_deterministic.encode(evidence.body)).hexdigest()
    return {**msgspec.structs.asdict(evidence), "digest": digest}
