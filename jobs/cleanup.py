"""What has had its time is removed: a batch a round, until nothing is left.

A round cut short loses nothing: the next one begins with the oldest that are left. Safe to repeat.
"""

import structlog

from jobs.metrics import INTENTS_EXPIRED, JOBS
from models.engine import Database
from models.intent_expiry import expire_intents
from models.legacy_fields import empty_legacy_fields
from models.one_time_tokens import purge_tokens

# A statement this small is over before anybody notices the rows it holds.
BATCH = 1_000

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


async def empty_fields(database: Database, window_days: float) -> bool:
    """Remove a batch of what older clients paid with; return whether more may be left."""
    gone = await empty_legacy_fields(database, older_than_days=window_days, limit=BATCH)
    JOBS.labels("cleanup", "done").inc(gone)
    return gone == BATCH


async def purge_ended_tokens(database: Database) -> bool:
    """Remove a batch of tokens whose time is over; return whether more may be left."""
    gone = await purge_tokens(database, limit=BATCH)
    JOBS.labels("tokens", "done").inc(gone)
    return gone == BATCH


class IdleIntents:
    """Ends intents that nobody did anything with for *idle_minutes*."""

    def __init__(self, *, database: Database, idle_minutes: float) -> None:
        self._database = database
        self._idle_minutes = idle_minutes
        # Paid ones never end and grow without end: who looked at them once need not do so again.
        self._from_id = 0

    async def do_round(self) -> bool:
        """End a batch; return whether more may be left."""
        expired = await expire_intents(
            self._database,
            from_id=self._from_id,
            idle_minutes=self._idle_minutes,
            limit=BATCH,
        )
        self._from_id = expired.next_id
        JOBS.labels("intents", "done").inc(expired.count)
        INTENTS_EXPIRED.inc(expired.count)
        if expired.count:
            log.info("payments.intent.cleanup", count=expired.count)
        return expired.count == BATCH
