"""What providers told is forgotten when nobody needs it any more."""

import asyncio

import pytest

from contracts.evidence import Evidence, EvidenceKind
from jobs import purge
from jobs.purge import Purge
from models.engine import Database
from models.evidence import keep_all
from models.inbox import NewNotice, store
from models.replays import reopen_notices
from tests.jobs.conftest import Start
from tests.jobs.rows import until_found

BATCH = purge.BATCH
AGE = """UPDATE webhook_events SET received_at = now() - interval '181 d';
    UPDATE provider_records SET recorded_at = now() - interval '181 d'"""
EMPTIED = "SELECT count(*) FROM webhook_events WHERE body = '' AND headers = '{}'"
NO_EVIDENCE = "SELECT NOT EXISTS (SELECT FROM provider_records)"


def a_notice(n: int) -> NewNotice:
    return NewNotice(
        provider="wechat",
        event_id=str(n),
        headers={"a": "b"},
        body=b"openid and all",
        trace_ctx=None,
    )


async def notices(database: Database, count: int, status: str = "PROCESSED") -> None:
    await store(database, [a_notice(n) for n in range(count)])
    await database.execute("UPDATE webhook_events SET status = $1, due_at = NULL", status)


async def evidence(database: Database, count: int) -> None:
    kept = [
        Evidence(
            provider="pingxx",
            attempt_no="E1",
            kind=EvidenceKind.CHARGE,
            object_id=f"ch_{n}",
            source="query",
            body={},
        )
        for n in range(count)
    ]
    await keep_all(database, kept)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 2)


@pytest.fixture
def sweep(database: Database) -> Purge:
    return Purge(database=database, retention_days=180)


class TestThePurge:
    def test_never_takes_more_than_a_thousand_at_once(self) -> None:
        assert BATCH <= 1_000

    async def test_goes_on_while_a_batch_is_full(self, database: Database, sweep: Purge) -> None:
        await notices(database, 3)
        await evidence(database, 5)
        await database.execute(AGE)

        assert [await sweep.do_round() for _ in range(3)] == [True, True, False]
        assert await database.fetchval(EMPTIED) == 3
        assert await database.fetchval(NO_EVIDENCE)

    async def test_leaves_what_is_younger(self, database: Database, sweep: Purge) -> None:
        await notices(database, 1)
        await evidence(database, 1)

        assert not await sweep.do_round()

        assert await database.fetchval(EMPTIED) == 0
        assert not await database.fetchval(NO_EVIDENCE)

    async def test_leaves_what_a_person_must_still_read(
        self, database: Database, sweep: Purge
    ) -> None:
        await notices(database, 1, "DEAD")
        await database.execute(AGE)

        await sweep.do_round()

        assert await database.fetchval(EMPTIED) == 0
        assert len(await reopen_notices(database)) == 1

    async def test_keeps_a_late_repetition_out(self, database: Database, sweep: Purge) -> None:
        await notices(database, 1)
        await database.execute(AGE)
        await sweep.do_round()

        assert await store(database, [a_notice(0)]) == [None]
        assert await reopen_notices(database) == []

    async def test_goes_on_behind_what_it_has_looked_at(
        self, database: Database, sweep: Purge
    ) -> None:
        await notices(database, 4)
        await database.execute(AGE)
        while await sweep.do_round():
            pass
        # A body it has emptied would be emptied again by one that began anew.
        await database.execute("UPDATE webhook_events SET body = 'x'")

        assert not await sweep.do_round()
        assert await database.fetchval(EMPTIED) == 0
        assert await Purge(database=database, retention_days=180).do_round()

    async def test_may_run_twice_at_once(self, database: Database) -> None:
        await notices(database, 8)
        await evidence(database, 8)
        await database.execute(AGE)
        sweeps = [Purge(database=database, retention_days=180) for _ in range(4)]

        await asyncio.gather(*(one.do_round() for one in sweeps))
        while await sweeps[0].do_round():
            pass

        assert await database.fetchval(EMPTIED) == 8
        assert await database.fetchval(NO_EVIDENCE)

    async def test_is_done_by_the_worker(self, database: Database, start: Start) -> None:
        await notices(database, 3)
        await evidence(database, 3)
        await database.execute(AGE)
        start()

        await until_found(database, NO_EVIDENCE)
        await until_found(database, f"SELECT ({EMPTIED}) = 3")

    async def test_is_off_at_a_retention_of_nothing(self, database: Database, start: Start) -> None:
        await evidence(database, 1)
        await database.execute(AGE)
        await database.execute(
            """INSERT INTO effects (holder_kind, holder_id, cause, kind, due_at, tries)
               VALUES ('order', 7, 'expired', 'FAREWELL', now(), 0)"""
        )
        start(RETENTION_DAYS="0")

        await until_found(database, "SELECT done_at IS NOT NULL FROM effects")
        assert not await database.fetchval(NO_EVIDENCE)
