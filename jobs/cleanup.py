"""What has had its time is removed: a batch a round, until nothing is left."""

from jobs.metrics import JOBS
from models.engine import Database
from models.legacy_fields import empty_legacy_fields
from models.one_time_tokens import purge_tokens

# A statement this small is over before anybody notices the rows it holds.
BATCH = 1_000


class Cleanup:
    """Removes what older clients paid with, and tokens nobody can use. Safe to repeat.

    A round cut short loses nothing: the next one begins with the oldest that are left.
    """

    def __init__(self, *, database: Database, window_days: float) -> None:
        self._database = database
        self._window_days = window_days

    async def do_round(self) -> bool:
        """Remove a batch of each; return whether more may be left."""
        fields = await empty_legacy_fields(
            self._database, older_than_days=self._window_days, limit=BATCH
        )
        tokens = await purge_tokens(self._database, limit=BATCH)
        JOBS.labels("cleanup", "done").inc(fields + tokens)
        return BATCH in (fields, tokens)
