"""What has had its time is removed."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

import pytest

from contracts.tokens import TokenKind
from jobs import cleanup
from models.engine import Database
from models.one_time_tokens import mint_token
from tests.jobs.conftest import Start
from tests.jobs.rows import an_order, until_found
from tests.storage.stage import keep_legacy_fields

Round: TypeAlias = Callable[[], Coroutine[Any, Any, bool]]

BATCH = cleanup.BATCH
OLD = "UPDATE orders SET created_at = now() - interval '31 days'"
NO_FIELDS = "SELECT NOT EXISTS (SELECT FROM order_legacy_payment_fields)"
NO_TOKENS = "SELECT NOT EXISTS (SELECT FROM one_time_tokens)"
ENDED = """UPDATE one_time_tokens SET created_at = created_at - interval '1 h',
    expires_at = expires_at - interval '1 h'"""


async def old_orders(database: Database, count: int) -> None:
    for _ in range(count):
        order_id = await an_order(database)
        await keep_legacy_fields(database, order_id)
    await database.execute(OLD)


async def ended_tokens(database: Database, count: int) -> None:
    for _ in range(count):
        await mint_token(database, TokenKind.MINI_BIND, user_id=1)
    await database.execute(ENDED)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "BATCH", 2)


@pytest.fixture
def do_round(database: Database) -> Round:
    return partial(cleanup.empty_fields, database, 30)


class TestTheCleanup:
    def test_never_takes_more_than_a_thousand_at_once(self) -> None:
        assert BATCH <= 1_000

    async def test_goes_on_while_a_batch_is_full(self, database: Database, do_round: Round) -> None:
        await old_orders(database, 5)

        assert [await do_round() for _ in range(3)] == [True, True, False]
        assert await database.fetchval(NO_FIELDS)

    async def test_goes_on_where_another_was_cut_short(
        self, database: Database, do_round: Round
    ) -> None:
        await old_orders(database, 5)
        await do_round()
        cut_short = asyncio.create_task(do_round())
        await asyncio.sleep(0)
        cut_short.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cut_short

        while await do_round():
            pass

        assert await database.fetchval(NO_FIELDS)

    async def test_may_run_twice_at_once(self, database: Database, do_round: Round) -> None:
        await old_orders(database, 8)

        await asyncio.gather(*(do_round() for _ in range(4)))
        await do_round()

        while await do_round():
            pass
        assert await database.fetchval(NO_FIELDS)

    async def test_keeps_the_orders_themselves(self, database: Database, do_round: Round) -> None:
        await old_orders(database, 1)

        await do_round()

        assert await database.fetchval("SELECT count(*) FROM orders") == 1

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


class TestTokensWhoseTimeIsOver:
    async def test_are_removed_in_batches(self, database: Database) -> None:
        await ended_tokens(database, 3)

        assert await cleanup.purge_ended_tokens(database)
        assert not await cleanup.purge_ended_tokens(database)
        assert await database.fetchval(NO_TOKENS)

    async def test_are_removed_even_where_the_cleanup_is_off(
        self, database: Database, start: Start
    ) -> None:
        await ended_tokens(database, 3)
        start(PAYMENTS_JOB_CLEANUP_INTERVAL_MIN="0")

        await until_found(database, NO_TOKENS)
