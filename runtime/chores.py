"""What an operator runs by hand: bring up to date, try again, check the promises.

Each is one command of the command line, runs to its end and returns an exit status.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import TypeAlias

from actors.bills import Bills, PastUs
from models.backfill import Drift, correct, drifts
from models.engine import Database
from models.invariants import Finding, check_invariants
from models.replays import reopen_notices
from models.schema import MigrationFailedError
from models.schema import migrate as migrate_database
from providers.provider import ProviderError
from runtime.house import House
from runtime.logs import configure_logs
from runtime.settings import AppEnv, Settings, read_settings

OpenHouse: TypeAlias = Callable[[Settings], AbstractAsyncContextManager[House]]

_BROKEN = 1
_NO_DATABASE = 78  # a configuration fault, by the old convention of sysexits.h


def migrate() -> int:
    """Bring the database up to date; in the sandbox put two events on sale."""
    dsn = os.environ.get("DATABASE_URL")
    if not dsn:
        return _complain("DATABASE_URL is missing", _NO_DATABASE)
    is_sandbox = os.environ.get("APP_ENV") == AppEnv.SANDBOX.value
    try:
        asyncio.run(migrate_database(dsn, with_demo_data=is_sandbox))
    except MigrationFailedError as error:
        return _complain(str(error), _BROKEN)
    return 0


def invariants() -> int:
    """Print every invariant and how often it is broken; the status says whether any is."""
    dsn = os.environ.get("DATABASE_URL")
    if not dsn:
        return _complain("DATABASE_URL is missing", _NO_DATABASE)
    findings = asyncio.run(_findings(dsn))
    sys.stdout.write(_table(findings))
    return _BROKEN if any(finding.violations for finding in findings) else 0


def backfill(*, is_applied: bool) -> int:
    """Print every count of seats that is wrong, and correct it where *is_applied*.

    The status says whether any is still wrong.
    """
    dsn = os.environ.get("DATABASE_URL")
    if not dsn:
        return _complain("DATABASE_URL is missing", _NO_DATABASE)
    return asyncio.run(_backfill(dsn, is_applied=is_applied))


def replay(open_house: OpenHouse) -> int:
    """Process again every stored notice that is not processed."""
    settings = read_settings()
    configure_logs(settings.log_level)
    count = asyncio.run(_replay(settings, open_house))
    sys.stdout.write(f"{count} notices processed again\n")
    return 0


async def replay_notices(house: House) -> int:
    """Reopen and process every notice that failed or was given up; return how many."""
    notice_ids = await reopen_notices(house.database)
    for notice_id in notice_ids:
        await house.inbox.process(notice_id)
    return len(notice_ids)


def bill(open_house: OpenHouse, day: date) -> int:
    """Check one day's bill of every provider that keeps bills, and print what was made past us.

    The status says whether a bill could not be read, or not all of it was recorded.
    """
    settings = read_settings()
    configure_logs(settings.log_level)
    return asyncio.run(_bill(settings, open_house, day))


async def check_bills(house: House, day: date) -> bool:
    """Check one day's bills; return whether all of them were read and recorded."""
    bills = Bills(actor=house.actor, database=house.database, providers=house.providers)
    if not bills.providers:
        sys.stdout.write("no provider keeps bills\n")
    results = [await _check_bill(bills, provider, day) for provider in bills.providers]
    return all(results)


async def _bill(settings: Settings, open_house: OpenHouse, day: date) -> int:
    async with open_house(settings) as house:
        return 0 if await check_bills(house, day) else _BROKEN


async def _check_bill(bills: Bills, provider: str, day: date) -> bool:
    try:
        checked = await bills.check(provider, day)
    except ProviderError as failure:
        sys.stdout.write(f"{provider} {day}: not read, {failure.code}\n")
        return False
    for refund in checked.past_us:
        sys.stdout.write(f"{provider} {day}: {_told_of(refund)}\n")
    sys.stdout.write(
        f"{provider} {day}: {len(checked.past_us)} refunds past us,"
        f" {checked.unknown} of other services\n"
    )
    return checked.failure is None


def _told_of(refund: PastUs) -> str:
    about = f"refund {refund.billed.refund_no} of {refund.billed.attempt_no}"
    if refund.failure is not None:
        return f"{about}: not recorded, {refund.failure.code}"
    if refund.moved is None:
        return f"{about}: known"
    money = refund.moved.refunded
    return f"{about}: {refund.moved.outcome}, {money.amount_minor} {money.currency}"


async def _replay(settings: Settings, open_house: OpenHouse) -> int:
    async with open_house(settings) as house:
        return await replay_notices(house)


async def _findings(dsn: str) -> list[Finding]:
    database = await Database.connect(dsn, max_size=1, is_patient=True)
    try:
        return await check_invariants(database)
    finally:
        await database.close()


async def _backfill(dsn: str, *, is_applied: bool) -> int:
    database = await Database.connect(dsn, max_size=1, is_patient=True)
    try:
        found = await drifts(database)
        if is_applied:
            event_ids = sorted({drift.event_id for drift in found})
            found = [drift for each in event_ids for drift in _told(await correct(database, each))]
        else:
            _told(found)
        wrong = await drifts(database) if is_applied else found
    finally:
        await database.close()
    sys.stdout.write(f"{len(found)} differences, {len(wrong)} left\n")
    return _BROKEN if wrong else 0


def _told(found: Sequence[Drift]) -> Sequence[Drift]:
    for drift in found:
        whose = f"event {drift.event_id}"
        if drift.ticket_type_id is not None:
            whose += f", ticket type {drift.ticket_type_id}"
        line = f"{whose}: {drift.what} {drift.counted} -> {drift.held}"
        if drift.holders is not None:
            line += f", {drift.holders} holders"
        if not drift.has_room:
            line += f", more than its maximum of {drift.room}: raise that first"
        sys.stdout.write(line + "\n")
    return found


def _table(findings: list[Finding]) -> str:
    width = max((len(finding.id) for finding in findings), default=0)
    lines = [
        f"{finding.id:<{width}}  {'ok' if not finding.violations else finding.violations}"
        f"{'  ' + finding.detail if finding.violations and finding.detail else ''}"
        for finding in findings
    ]
    return "\n".join([*lines, ""])


def _complain(words: str, status: int) -> int:
    sys.stderr.write(words + "\n")
    return status
