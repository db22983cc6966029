"""What providers sent about attempts, as it was kept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from contracts.evidence import EvidenceKind
from models.engine import Connection

_LATEST = """
SELECT DISTINCT ON (attempt_no, kind)
  json_build_object('attempt_no', attempt_no, 'provider', provider, 'kind', kind,
    'object_id', object_id, 'body', body, 'recorded_at', recorded_at)::text AS document
FROM provider_records WHERE attempt_no = ANY($1::text[])
ORDER BY attempt_no, kind, id DESC
"""


class KeptEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a provider's, and when it told us."""

    attempt_no: str
    provider: str
    kind: EvidenceKind
    object_id: str
    body: dict[str, Any]
    recorded_at: datetime


_decode = msgspec.json.Decoder(KeptEvidence).decode


async def latest_evidence(db: Connection, attempt_nos: Sequence[str]) -> list[KeptEvidence]:
    """Read the newest of each kind that providers sent about attempts."""
    found = await db.fetch(_LATEST, list(attempt_nos))
    return [_decode(row["document"]) for row in found]
