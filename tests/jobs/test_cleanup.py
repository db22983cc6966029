"""What has had its time is removed."""

import asyncio
import contextlib

import pytest

from contracts.tokens import TokenKind
from jobs import cleanup
from jobs.cleanup import Cleanup
from models.engine import Database
from models.legacy_fields import LegacyFields, note_legacy_fields
from models.one_time_tokens import mint_token
from tests.jobs.conftest import Start
from tests.jobs.rows import an_order, until_found

OLD = "UPDATE orders SET created_at = now() - interval '31 days'"
NO_FIELDS = "SELECT NOT EXISTS (SELECT FROM order_legacy_payment_fields)"
NO_TOKENS = "SELECT NOT EXISTS (SELECT FROM one_time_tokens)"
ENDED = """UPDATE one_time_tokens SET created_at = created_at - interval '1 h',
    expires_at = expires_at - interval '1 h'"""


async def old_orders(database: Database, count: int) -> None:
    for _ in range(count):
        order_id = await an_order(database)
        await note_legacy_fields(
            database, [LegacyFields(order_id=order_id, code_url="weixin://1", prepay_id=None)]
        )
    await database.execute(OLD)


@pytest.fixture
def job(database: Database, monkeypatch: pytest.MonkeyPatch) -> Cleanup:
    monkeypatch.setattr(cleanup, "BATCH", 2)
    return Cleanup(database=database, window_days=30)


class TestTheCleanup:
    def test_never_takes_more_than_a_thousand_at_once(self) -> None:
        assert cleanup.BATCH <= 1_000

    async def test_goes_on_while_a_batch_is_full(self, database: Database, job: Cleanup) -> None:
        await old_orders(database, 5)

        assert [await job.do_round() for _ in range(3)] == [True, True, False]
        assert await database.fetchval(NO_FIELDS)

    async def test_goes_on_where_another_was_cut_short(
        self, database: Database, job: Cleanup
    ) -> None:
        await old_orders(database, 5)
        await job.do_round()
        cut_short = asyncio.create_task(job.do_round())
        await asyncio.sleep(0)
        cut_short.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cut_short

        while await job.do_round():
            pass

        assert await database.fetchval(NO_FIELDS)

    async def test_may_run_twice_at_once(self, database: Database, job: Cleanup) -> None:
        await old_orders(database, 8)

        await asyncio.gather(*(job.do_round() for _ in range(4)))
        await job.do_round()

        while await job.do_round():
            pass
        assert await database.fetchval(NO_FIELDS)

    async def test_keeps_the_orders_themselves(self, database: Database, job: Cleanup) -> None:
        await old_orders(database, 1)

        await job.do_round()

        assert await database.fetchval("SELECT count(*) FROM orders") == 1

    async def test_removes_tokens_whose_time_is_over(
        self, database: Database, job: Cleanup
    ) -> None:
        for _ in range(3):
            await mint_token(database, TokenKind.MINI_BIND, user_id=1)
        await database.execute(ENDED)

        assert await job.do_round()
        assert not await job.do_round()
        assert await database.fetchval(NO_TOKENS)

    async def test_is_done_by_the_worker_in_its_interval(
        self, database: Database, start: Start
    ) -> None:
        await old_orders(database, 3)
        start(PAYMENTS_JOB_CLEANUP_INTERVAL_MIN="0.001", LEGACY_FIELDS_WINDOW_DAYS="30.5")

        await until_found(database, NO_FIELDS)

    async def test_is_off_at_an_interval_of_nothing(self, database: Database, start: Start) -> None:
        await old_orders(database, 1)
        expired = await an_order(database, expired_at="now() - interval '1 s'")
        start(PAYMENTS_JOB_CLEANUP_INTERVAL_MIN="0")

        await until_found(
            database,
            f"SELECT status = 'EXPIRED' FROM orders WHERE id = {expired}",  # noqa: S608
        )
        assert not await database.fetchval(NO_FIELDS)
