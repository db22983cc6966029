"""What providers sent is kept for whoever audits it, in groups and behind everybody's back.

1. Whoever hands in an object never waits and never fails for it.
2. What cannot be kept is lost and counted: nothing is decided by it.
3. An object's secrets are left out here once more, and one that is too long is cut and says so.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from actors.lane import Lane
from actors.metrics import EVIDENCE
from contracts.evidence import Evidence
from contracts.scrubbing import scrubbed
from models.engine import Database
from models.evidence import keep_all

BODY_MAX_BYTES = 64 * 1024
# Of the largest bodies this is as much memory as a small process can spare.
WAITING_MAX = 512
# What a cut body says in place of what was left out.
CUT = "_cut"
# Of what was left out so many names are told, and so much of each; JSON may write six bytes a sign.
_NAME_MAX = 60
_NAMES_MAX_BYTES = 6 * _NAME_MAX * _NAME_MAX + 1024

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


class EvidenceTrail:
    """Keeps evidence for one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lane: Lane[Evidence, None] = Lane("evidence", self._commit)
        self._waiting: dict[asyncio.Task[None], str] = {}

    def keep(self, evidence: Evidence) -> None:
        """Have one object kept soon; lost and counted where that cannot be."""
        try:
            if len(self._waiting) >= WAITING_MAX:
                EVIDENCE.labels(evidence.provider, "full").inc()
                return
            keepable = msgspec.structs.replace(evidence, body=fitted(scrubbed(evidence.body)))
            task = asyncio.get_running_loop().create_task(self._keep(keepable))
        except Exception as error:  # noqa: BLE001 - a payment must not fail for its audit
            _lose(evidence, error)
        else:
            self._waiting[task] = evidence.attempt_no
            task.add_done_callback(self._waiting.pop)

    def is_settled(self, attempt_no: str | None = None) -> bool:
        """Tell whether nothing of an attempt, or of any, waits to be committed."""
        return attempt_no not in self._waiting.values() if attempt_no else not self._waiting

    async def settled(self, attempt_no: str | None = None) -> None:
        """Wait until what was kept of an attempt before, or of all, is committed or lost."""
        waiting = [task for task, no in self._waiting.items() if attempt_no in (None, no)]
        if waiting:
            await asyncio.wait(waiting)

    async def close(self) -> None:
        """Wait for what is queued and in flight."""
        while self._waiting:
            await self.settled()

    async def _keep(self, evidence: Evidence) -> None:
        try:
            await self._lane.submit(evidence)
        except Exception as error:  # noqa: BLE001 - nobody waits for it
            _lose(evidence, error)
        else:
            EVIDENCE.labels(evidence.provider, "kept").inc()

    async def _commit(self, evidences: Sequence[Evidence]) -> list[None]:
        await keep_all(self._database, evidences)
        return [None] * len(evidences)


def fitted(body: dict[str, Any]) -> dict[str, Any]:
    """Cut a body that is too long: its longest fields go, their names and its length stay."""
    sizes = {name: len(msgspec.json.encode({name: value})) for name, value in body.items()}
    length = left = sum(sizes.values())
    if length <= BODY_MAX_BYTES:
        return body
    kept, gone = dict(body), []
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if left <= BODY_MAX_BYTES - _NAMES_MAX_BYTES:
            break
        del kept[name]
        gone.append(name)
        left -= sizes[name]
    names = [name[:_NAME_MAX] for name in gone[:_NAME_MAX]]
    return {**kept, CUT: {"bytes": length, "fields": names}}


def _lose(evidence: Evidence, error: Exception) -> None:
    EVIDENCE.labels(evidence.provider, "failed").inc()
    log.warning(
        "payments.evidence.lost",
        provider=evidence.provider,
        attempt_no=evidence.attempt_no,
        kind=str(evidence.kind),
        error=type(error).__name__,
    )
