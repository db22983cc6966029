"""What has had its time is removed: a batch a round, until nothing is left.

A round cut short loses nothing: the next one begins with the oldest that are left. Safe to repeat.
"""

from jobs.metrics import JOBS
from models.engine import Database
from models.legacy_fields import empty_legacy_fields
from models.one_time_tokens import purge_tokens

# A statement this small is over before anybody notices the rows it holds.
BATCH = 1_000


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
