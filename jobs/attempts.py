"""Attempts are closed when that is owed, and asked about while somebody could pay them."""

from datetime import timedelta

from actors.attempt_calls import AttemptCalls
from jobs.pace import doubling, next_look_at
from models.engine import Database
from models.sweeps import DueAttempt, put_off

# A provider that refuses a close for minutes is asked once a minute; seats wait for it.
_LONGEST_BETWEEN_CLOSES_SECONDS = 60


class Attempts:
    """Speaks with providers about attempts whose time has come. Safe to repeat.

    *grace_seconds* after an attempt's last pay time, "not paid" is final.
    """

    def __init__(self, *, database: Database, attempts: AttemptCalls, grace_seconds: int) -> None:
        self._database = database
        self._attempts = attempts
        self._grace = timedelta(seconds=grace_seconds)

    async def close(self, row: DueAttempt) -> None:
        """Have one attempt closed by its provider.

        When nobody can pay it any more, "not paid" frees the seats as well as a close does, so
        every other time is a question: some attempts cannot be closed at all.
        """
        if row.claimed_at > row.payable_until + self._grace and row.looks % 2:
            await self._attempts.look(row.order_id, row.attempt_no)
        else:
            await self._attempts.close(row.order_id, row.attempt_no)

    async def look(self, row: DueAttempt) -> None:
        """Ask the provider what became of one attempt."""
        await self._attempts.look(row.order_id, row.attempt_no)

    async def close_later(self, row: DueAttempt) -> None:
        """Try the close again after a while, if the attempt is still live."""
        pause = doubling(row.looks, most_seconds=_LONGEST_BETWEEN_CLOSES_SECONDS)
        await put_off(self._database, "payment_attempts", row, row.claimed_at + pause)

    async def look_later(self, row: DueAttempt) -> None:
        """Ask again at the attempt's next age, if it is still live."""
        again_at = next_look_at(
            opened_at=row.opened_at,
            now=row.claimed_at,
            payable_until=row.payable_until,
            grace_seconds=int(self._grace.total_seconds()),
        )
        await put_off(self._database, "payment_attempts", row, again_at)
