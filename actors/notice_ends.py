"""How a notice ends that moved nothing: set aside, left to a person, or tried again later.

A person is told of it before the row says that it is over.
"""

import structlog

from actors.event_held import EventHeld
from actors.failpoints import Reach
from actors.metrics import NOTICES
from contracts.effects import Case, CaseKind
from contracts.facts import WholeFact
from contracts.states import NoticeStatus
from models import inbox
from models.engine import Database
from models.inbox import StoredNotice

log = structlog.get_logger("payments")

# The last one for every further try, however many an operator wants.
RETRY_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 3600)


class NoticeEnds:
    """Ends notices, or puts them off until *max_retries* tries came to nothing."""

    def __init__(self, *, database: Database, reach: Reach, max_retries: int) -> None:
        self._database = database
        self._reach = reach
        self._max_retries = max_retries

    async def set_aside(self, notice: StoredNotice, reason: str) -> None:
        """End a notice that says nothing of ours."""
        await inbox.finish(self._database, notice.id, NoticeStatus.PROCESSED, reason)
        NOTICES.labels(provider=notice.provider, outcome="processed").inc()

    async def quarantine(self, notice: StoredNotice, fact: WholeFact) -> None:
        """Leave a notice to a person that names an attempt nobody knows."""
        case = Case(
            kind=CaseKind.UNKNOWN_ATTEMPT,
            subject=f"{fact.provider}:{fact.attempt_no}",
            reason="unknown_attempt",
            details={"attempt_no": fact.attempt_no, "notice_id": str(notice.id)},
        )
        await inbox.open_case(self._database, case)
        await self._reach("notice.case_opened")
        await inbox.finish(self._database, notice.id, NoticeStatus.QUARANTINED, "unknown_attempt")

    async def hold(self, notice: StoredNotice, held: EventHeld) -> None:
        """Leave a notice to a person by which nothing may move."""
        await inbox.open_case(self._database, held.case(notice.id))
        await self._reach("notice.case_opened")
        await inbox.finish(self._database, notice.id, NoticeStatus.QUARANTINED, held.reason)
        NOTICES.labels(provider=notice.provider, outcome="quarantined").inc()
        log.warning(
            "payments.webhook.quarantined",
            provider=notice.provider,
            notice_id=notice.id,
            reason=held.reason,
        )

    async def bury(self, notice: StoredNotice, reason: str) -> None:
        """Leave a notice to a person that nobody can process."""
        case = Case(
            kind=CaseKind.UNREADABLE_NOTICE,
            subject=f"notice:{notice.id}",
            reason=reason[:64],
            details={"provider": notice.provider},
        )
        await inbox.open_case(self._database, case)
        await self._reach("notice.case_opened")
        await inbox.finish(self._database, notice.id, NoticeStatus.DEAD, reason[:64])
        NOTICES.labels(provider=notice.provider, outcome="dead").inc()
        log.error(
            "payments.webhook.dead", provider=notice.provider, notice_id=notice.id, reason=reason
        )

    async def put_off(
        self, notice: StoredNotice, failure: Exception, *, is_try: bool = True
    ) -> None:
        """Try a notice again later, or bury it after the last try.

        Without *is_try* nothing is counted, and the time it is tried again stays.
        """
        reason = type(failure).__name__
        NOTICES.labels(provider=notice.provider, outcome="failed").inc()
        log.warning(
            "payments.webhook.failed", provider=notice.provider, notice_id=notice.id, reason=reason
        )
        if not is_try:
            return
        if notice.retry_count >= self._max_retries:
            await self.bury(notice, reason)
        else:
            delay_seconds = RETRY_SECONDS[min(notice.retry_count, len(RETRY_SECONDS) - 1)]
            tries = notice.retry_count + 1
            await inbox.put_off(self._database, notice.id, delay_seconds, reason[:64], tries=tries)
