"""What becomes of a stored notice that cannot be processed at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from actors.actor import Actor
from actors.inbox import Inbox
from actors.notice_ends import RETRY_SECONDS
from contracts.facts import Fact
from models.engine import Database
from models.replays import reopen_notices
from models.sweeps import DueNotice, claim_notices
from providers.provider import NoticeRefused, RefusalReason, VerifiedNotice

NOTICE = VerifiedNotice(provider="wechat", event_id="N1", serial="PUB_KEY_ID_1")


class Reader:
    """A provider's reading of notices, failing as told."""

    name = "wechat"
    can_verify = True
    facts: list[Fact] | None = None

    def verify_stored(self, _headers: Mapping[str, str], _body: bytes) -> None:
        """Know the key, or know it no more."""
        if not self.can_verify:
            raise NoticeRefused(RefusalReason.UNKNOWN_SERIAL)

    def read(self, _body: bytes) -> list[Fact]:
        """Fail in a way nobody foresaw, unless there is something to tell."""
        if self.facts is None:
            raise ZeroDivisionError
        return self.facts


class Counting:
    """The database, and how often one value was asked of it."""

    def __init__(self, database: Database) -> None:
        self.looks = 0
        self._database = database

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a database can
        return getattr(self._database, name)

    async def fetchval(self, sql: str, *args: object) -> object:
        """Count, and ask."""
        self.looks += 1
        return await self._database.fetchval(sql, *args)


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
async def inbox(actor: Actor, database: Database, reader: Reader) -> AsyncIterator[Inbox]:
    inbox = Inbox(actor=actor, database=database, providers={"wechat": reader})  # type: ignore[dict-item]  # as much as notices need
    yield inbox
    await inbox.close()


@pytest.fixture
async def few(actor: Actor, database: Database, reader: Reader) -> AsyncIterator[Inbox]:
    """Try everything again twice."""
    inbox = Inbox(
        actor=actor,
        database=database,
        providers={"wechat": reader},  # type: ignore[dict-item]  # as above
        max_retries=2,
    )
    yield inbox
    await inbox.close()


async def next_claim(database: Database) -> list[DueNotice]:
    """Claim what waits, as if its time had come."""
    await database.execute("UPDATE webhook_events SET due_at = now() WHERE due_at IS NOT NULL")
    return await claim_notices(database, 10)


async def replayed(inbox: Inbox, database: Database) -> float:
    """Do one round over one notice; return in how many seconds it is due again."""
    (claimed,) = await next_claim(database)
    await inbox.process(claimed.id, is_claimed=True)
    return await due_in_seconds(database)


async def due_in_seconds(database: Database) -> float:
    seconds: float = await database.fetchval(
        "SELECT coalesce(extract(epoch FROM due_at - clock_timestamp()), 0)::float8"
        " FROM webhook_events"
    )
    return seconds


async def alarms(database: Database) -> int:
    count: int = await database.fetchval(
        "SELECT count(*) FROM effects e JOIN cases c ON c.id = e.holder_id AND c.subject = e.cause"
        " WHERE e.kind = 'ALARM' AND e.holder_kind = 'case' AND e.done_at IS NULL"
    )
    return count


async def how_it_stands(database: Database) -> tuple[str, int, str | None]:
    row = await database.fetchrow("SELECT status, retry_count, reason FROM webhook_events")
    assert row is not None
    return row["status"], row["retry_count"], row["reason"]


class TestAStoredNotice:
    async def test_is_stored_once_by_two_processes(
        self, inbox: Inbox, actor: Actor, database: Database
    ) -> None:
        other = Inbox(actor=actor, database=database, providers={})

        first = await inbox.store(NOTICE, {}, b"{}", None)
        second = await other.store(NOTICE, {}, b"{}", None)
        await other.close()

        assert first is not None
        assert second is None
        assert await database.fetchval("SELECT count(*) FROM webhook_events") == 1

    async def test_is_left_to_who_stored_it_for_a_while(
        self, inbox: Inbox, database: Database
    ) -> None:
        await inbox.store(NOTICE, {}, b"{}", None)

        assert await claim_notices(database, 10) == []

        await database.execute("UPDATE webhook_events SET due_at = due_at - interval '15 s'")
        assert len(await claim_notices(database, 10)) == 1

    async def test_that_nobody_can_verify_now_waits_for_its_key(
        self, inbox: Inbox, database: Database, reader: Reader
    ) -> None:
        stored = await inbox.store(NOTICE, {}, b"{}", None)
        assert stored is not None
        reader.can_verify = False

        await inbox.process(stored.notice.id)

        assert await how_it_stands(database) == ("FAILED", 1, "NoticeRefused")

    async def test_that_always_fails_goes_to_a_person(
        self, inbox: Inbox, database: Database
    ) -> None:
        stored = await inbox.store(NOTICE, {}, b"{}", None)
        assert stored is not None

        for tries in range(1, len(RETRY_SECONDS) + 1):
            await inbox.process(stored.notice.id)
            assert await how_it_stands(database) == ("FAILED", tries, "ZeroDivisionError")
        await inbox.process(stored.notice.id)

        assert (await how_it_stands(database))[0] == "DEAD"
        assert await database.fetchval("SELECT kind FROM cases") == "UNREADABLE_NOTICE"
        assert await alarms(database) == 1


class TestATwin:
    async def test_of_a_finished_notice_is_looked_up_once(
        self, actor: Actor, database: Database, reader: Reader
    ) -> None:
        counting = Counting(database)
        inbox = Inbox(
            actor=actor,
            database=counting,  # type: ignore[arg-type]  # it passes everything on
            providers={"wechat": reader},  # type: ignore[dict-item]  # as above
        )
        reader.facts = []
        stored = await inbox.store(NOTICE, {}, b"{}", None)
        assert stored is not None

        await inbox.process(stored.notice.id)
        for _ in range(5):
            assert await inbox.store(NOTICE, {}, b"{}", None) is None
            inbox.resume_soon(NOTICE)
            await asyncio.wait_for(inbox.close(), 10)

        assert counting.looks == 1

    async def test_finishes_what_failed_before(
        self, inbox: Inbox, database: Database, reader: Reader
    ) -> None:
        stored = await inbox.store(NOTICE, {}, b"{}", None)
        assert stored is not None
        await inbox.process(stored.notice.id)
        reader.facts = []

        inbox.resume_soon(NOTICE)
        await inbox.close()

        assert (await how_it_stands(database))[0] == "PROCESSED"


class TestAReplay:
    """What the sweep does with a notice, round after round, in which *max_retries* are two."""

    async def test_waits_longer_each_time_and_ends_with_a_person(
        self, few: Inbox, database: Database
    ) -> None:
        await few.store(NOTICE, {}, b"{}", None)

        waits = [await replayed(few, database) for _ in range(3)]

        # The last one was no wait: it is dead.
        assert waits[0] < waits[1]
        assert (await how_it_stands(database))[0] == "DEAD"
        assert await alarms(database) == 1
        assert await next_claim(database) == []

    async def test_is_given_up_when_its_workers_die_over_it(
        self, few: Inbox, database: Database
    ) -> None:
        await few.store(NOTICE, {}, b"{}", None)

        for _ in range(3):
            # Claimed, and nothing is ever heard of it.
            assert len(await next_claim(database)) == 1
        (claimed,) = await next_claim(database)
        await few.process(claimed.id, is_claimed=True)

        assert await how_it_stands(database) == ("DEAD", 4, "unfinished")
        assert await alarms(database) == 1
        assert await next_claim(database) == []

    async def test_is_rarer_where_workers_die_over_it(self, few: Inbox, database: Database) -> None:
        await few.store(NOTICE, {}, b"{}", None)

        waits = []
        for _ in range(6):
            await next_claim(database)
            waits.append(await due_in_seconds(database))

        assert [round(wait) for wait in waits] == [30, 30, 30, 60, 120, 240]

    async def test_takes_what_was_received_and_never_looked_at(
        self, few: Inbox, database: Database, reader: Reader
    ) -> None:
        await few.store(NOTICE, {}, b"{}", None)
        reader.facts = []

        await replayed(few, database)

        assert await how_it_stands(database) == ("PROCESSED", 1, "no_money")

    async def test_by_a_person_counts_its_tries_anew(
        self, few: Inbox, database: Database, reader: Reader
    ) -> None:
        await few.store(NOTICE, {}, b"{}", None)
        for _ in range(3):
            await replayed(few, database)
        reader.facts = []

        (notice_id,) = await reopen_notices(database)
        await few.process(notice_id)

        assert await how_it_stands(database) == ("PROCESSED", 0, "no_money")
