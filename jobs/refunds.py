"""Refunds are asked for, and asked about, until their provider says how they ended."""

from actors.refund_calls import RefundCalls
from contracts.states import RefundStatus
from jobs.pace import doubling
from models.engine import Database
from models.sweeps import DueRefund, put_off

# Until a provider has accepted it, nobody is working on the buyer's money.
_LONGEST_UNACCEPTED_SECONDS = 60
# Banks take minutes to days, and a notice tells the end sooner than we could ask.
_LONGEST_ACCEPTED_SECONDS = 600


class Refunds:
    """Pursues refunds under way. Safe to repeat."""

    def __init__(self, *, database: Database, refunds: RefundCalls) -> None:
        self._database = database
        self._refunds = refunds

    async def pursue(self, row: DueRefund) -> None:
        """Ask for one refund, or about it."""
        await self._refunds.pursue(row.order_id, row.refund_no)

    async def pursue_later(self, row: DueRefund) -> None:
        """Come back to it after a while, if it is still under way."""
        waiting = row.status is RefundStatus.REQUESTED
        most = _LONGEST_UNACCEPTED_SECONDS if waiting else _LONGEST_ACCEPTED_SECONDS
        pause = doubling(row.looks, most_seconds=most)
        await put_off(self._database, "refunds", row, row.claimed_at + pause)
