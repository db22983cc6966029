import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from models.engine import Database


@pytest.fixture
async def narrow(database_url: str) -> AsyncIterator[Database]:
    """Open a pool of one connection: whoever leaks it stops the next."""
    database = await Database.connect(database_url, max_size=1)
    yield database
    # A connection that never came back must not hold up the tests behind it.
    async with asyncio.timeout(30):
        await database.close()


async def answers(database: Database) -> None:
    async with asyncio.timeout(60):
        assert await database.fetchval("SELECT 1") == 1


class TestATransaction:
    async def test_that_fails_to_commit_gives_its_connection_back(self, narrow: Database) -> None:
        await narrow.execute("DROP TABLE IF EXISTS deferred")
        await narrow.execute("CREATE TABLE deferred (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")

        with pytest.raises(asyncpg.UniqueViolationError):
            async with narrow.transaction() as tx:
                await tx.execute("INSERT INTO deferred VALUES (1), (1)")

        await answers(narrow)
        await narrow.execute("DROP TABLE deferred")

    async def test_whose_server_process_is_killed_gives_its_place_back(
        self, narrow: Database, pool: Database
    ) -> None:
        async def lose_the_server() -> None:
            async with narrow.transaction() as tx:
                pid = await tx.fetchval("SELECT pg_backend_pid()")
                await pool.execute("SELECT pg_terminate_backend($1, 1000)", pid)
                await tx.execute("SELECT 1")

        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await lose_the_server()

        await answers(narrow)

    async def test_cancelled_in_the_middle_leaves_nothing_to_the_next_user(
        self, narrow: Database
    ) -> None:
        pids: asyncio.Queue[int] = asyncio.Queue()

        async def linger() -> None:
            async with narrow.transaction() as tx:
                await tx.execute("SELECT set_config('guichet.left', 'behind', true)")
                await pids.put(await tx.fetchval("SELECT pg_backend_pid()"))
                await tx.execute("SELECT pg_sleep(5)")

        task = asyncio.get_running_loop().create_task(linger())
        cancelled_pid = await pids.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await answers(narrow)
        left = await narrow.fetchval("SELECT current_setting('guichet.left', true)")
        assert left in (None, "")
        # Nobody knows what its connection was up to, so it is another one.
        assert await narrow.fetchval("SELECT pg_backend_pid()") != cancelled_pid

    async def test_cannot_be_nested_by_mistake(self, pool: Database) -> None:
        async with pool.transaction():
            with pytest.raises(Exception, match="already active"):
                pool.transaction()

    async def test_rolls_back_what_raised(self, narrow: Database) -> None:
        await narrow.execute("DROP TABLE IF EXISTS rolled")
        await narrow.execute("CREATE TABLE rolled (id int)")

        async def change_my_mind() -> None:
            async with narrow.transaction() as tx:
                await tx.execute("INSERT INTO rolled VALUES (1)")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await change_my_mind()

        assert await narrow.fetchval("SELECT count(*) FROM rolled") == 0
        await narrow.execute("DROP TABLE rolled")


class TestAConnection:
    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("idle_in_transaction_session_timeout", "5s"),
            ("lock_timeout", "5s"),
            ("statement_timeout", "10s"),
        ],
    )
    async def test_cannot_freeze_others_for_long(
        self, pool: Database, setting: str, value: str
    ) -> None:
        assert await pool.fetchval("SELECT current_setting($1)", setting) == value
