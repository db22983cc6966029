"""Each day's bill is checked for refunds made past us, until it was read and they are over.

A first start looks a week back, as does one after a week without a worker. Safe to repeat.
"""

from datetime import UTC, date, datetime, time, timedelta, timezone

import structlog

from actors.bills import Bills
from contracts.effects import Case, CaseKind
from contracts.errors import ProviderUnavailable
from jobs.pace import doubling
from models.bills import DueBill, claim_bills, ensure_bills, note_checked, put_off_bill
from models.engine import Database
from models.inbox import open_case
from providers.provider import ProviderError

# A bill is of a day in China. It is made from nine o'clock on the next, and to be fetched after
# ten (WeChat Pay v3, trade bill, read 2026-11).
_CHINA = timezone(timedelta(hours=8))
_READY = time(10, tzinfo=_CHINA)
_DAYS_BACK = 7
_LONGEST_BETWEEN_TRIES_SECONDS = 3600
# What failed for an hour needs a person; that it is tried for a week more spares them most work.
ALARM_TRIES = 12
MAX_TRIES = ALARM_TRIES + 7 * 24
# Banks take minutes to days.
_BETWEEN_LOOKS = timedelta(hours=1)

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


class BillChecks:
    """Checks bills whose day has come."""

    def __init__(self, *, database: Database, bills: Bills) -> None:
        self._database = database
        self._bills = bills

    async def claim(self, limit: int) -> list[DueBill]:
        """Claim bills to check, those of days that have just ended among them."""
        providers = self._bills.providers
        if not providers:
            return []
        await ensure_bills(self._database, providers, due_days(datetime.now(UTC)))
        return await claim_bills(self._database, limit, providers)

    async def check(self, row: DueBill) -> None:
        """Check one bill; while a refund of it is under way it is looked at again.

        :raises contracts.errors.Refusal: it was not read, or not all of it was recorded.
        """
        try:
            bill = await self._bills.check(row.provider, row.day)
        except ProviderError as failure:
            log.warning(
                "payments.bill.unread", provider=row.provider, code=failure.code, **row.name
            )
            raise ProviderUnavailable from failure
        if bill.failure is not None:
            raise ProviderUnavailable from bill.failure
        await note_checked(
            self._database,
            row,
            found=len(bill.past_us),
            unknown=bill.unknown,
            again_at=None if bill.is_over else row.claimed_at + _BETWEEN_LOOKS,
        )

    async def check_later(self, row: DueBill) -> None:
        """Try again after a while if it was not checked; tell a person, and in the end give up."""
        pause = doubling(row.tries, most_seconds=_LONGEST_BETWEEN_TRIES_SECONDS)
        until = None if row.tries >= MAX_TRIES else row.claimed_at + pause
        if await put_off_bill(self._database, row, until) and row.tries >= ALARM_TRIES:
            await open_case(self._database, _case_of(row))


def due_days(now: datetime) -> dict[date, datetime]:
    """List the last days that have ended in China, each with the instant its bill is ready."""
    today = now.astimezone(_CHINA).date()
    days = [today - timedelta(days=n) for n in range(1, _DAYS_BACK + 1)]
    return {day: datetime.combine(day + timedelta(days=1), _READY) for day in days}


def _case_of(row: DueBill) -> Case:
    return Case(
        kind=CaseKind.UNCHECKED_BILL,
        subject=f"bill:{row.provider}:{row.day.isoformat()}",
        reason="not_checked",
        details={"provider": row.provider, "day": row.day.isoformat()},
    )
