"""What becomes of a stored notice that cannot be processed at once."""

from collections.abc import AsyncIterator, Mapping

import pytest

from actors.actor import Actor
from actors.inbox import RETRY_SECONDS, Inbox
from contracts.facts import Fact
from models.engine import Database
from models.sweeps import claim_notices
from providers.provider import NoticeRefused, RefusalReason, VerifiedNotice

NOTICE = VerifiedNotice(provider="wechat", event_id="N1", serial="PUB_KEY_ID_1")


class Reader:
    """A provider's reading of notices, failing as told."""

    name = "wechat"
    can_verify = True

    def verify_stored(self, _headers: Mapping[str, str], _body: bytes) -> None:
        """Know the key, or know it no more."""
        if not self.can_verify:
            raise NoticeRefused(RefusalReason.UNKNOWN_SERIAL)

    def read(self, _body: bytes) -> list[Fact]:
        """Fail in a way nobody foresaw."""
        raise ZeroDivisionError


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
async def inbox(actor: Actor, database: Database, reader: Reader) -> AsyncIterator[Inbox]:
    inbox = Inbox(actor=actor, database=database, providers={"wechat": reader})  # type: ignore[dict-item]  # as much as notices need
    yield inbox
    await inbox.close()


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
