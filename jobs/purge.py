"""What providers told is forgotten when nobody needs it any more: raw notices, and evidence.

A round cut short loses nothing, two at once only share the work. Safe to repeat.
"""

from jobs.metrics import JOBS
from models.engine import Database
from models.evidence import purge_evidence
from models.notice_bodies import empty_notices

# A statement this small is over before anybody notices the rows it holds.
BATCH = 1_000


class Purge:
    """Forgets what is older than *retention_days*."""

    def __init__(self, *, database: Database, retention_days: float) -> None:
        self._database = database
        self._days = retention_days
        # What came before was looked at; what was a person's to decide then is found after a start.
        self._from_id = 0

    async def do_round(self) -> bool:
        """Forget a batch of each; return whether more may be left."""
        gone = await purge_evidence(self._database, older_than_days=self._days, limit=BATCH)
        emptied = await empty_notices(
            self._database, from_id=self._from_id, older_than_days=self._days, limit=BATCH
        )
        self._from_id = emptied.next_id
        JOBS.labels("purge", "done").inc(gone + emptied.count)
        return gone == BATCH or emptied.is_full
