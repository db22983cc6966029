"""Orders that kept money without being paid are mended, and counted while there are any."""

from functools import partial

import structlog

from actors.failpoints import Reach, nowhere
from actors.repairs import Repairs
from jobs import metrics
from jobs.batch import Batch
from models.engine import Database
from models.repairs import Unsettled, unsettled, unsettled_and_untold

# There should be none; a hundred in a minute is pace enough for a database restored in part.
_AT_ONCE = 100

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


class Repair:
    """One round: mend what can be, then say how many are left. Safe to repeat."""

    def __init__(self, *, database: Database, repairs: Repairs, reach: Reach = nowhere) -> None:
        self._database = database
        self._repairs = repairs
        self._batch: Batch[Unsettled] = Batch(
            job="repair",
            noun="order",
            size=_AT_ONCE,
            claim=partial(unsettled_and_untold, database),
            handle=self._mend,
            reach=reach,
        )

    async def do_round(self) -> bool:
        """Mend a batch; never at once again, for what cannot be mended would be found again."""
        await self._batch.do_round()
        left = await unsettled(self._database, _AT_ONCE)
        metrics.UNPAID_THOUGH_HONOURED.set(len(left))
        if left:
            log.error("repair.unpaid_though_honoured", count=len(left), order_id=left[0].id)
        return False

    async def _mend(self, row: Unsettled) -> None:
        if await self._repairs.mend(row.order_id):
            metrics.SETTLEMENTS_REPAIRED.inc()
