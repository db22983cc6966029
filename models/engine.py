"""One connection pool per process, and the only transactions we use.

1. A connection whose state is unknown (a failed COMMIT, a cancelled query) is closed, never
   pooled.
2. No session state is ever set on a pooled connection, so its reset costs nothing.
3. A frozen holder cannot freeze an event: the server ends idle transactions and long waits.
"""

import asyncio
from types import TracebackType
from typing import Any, Self, TypeAlias

import asyncpg
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

# Milliseconds, as PostgreSQL reads bare numbers; a waiting client gives up at three seconds.
SERVER_SETTINGS = {
    "application_name": "guichet",
    "idle_in_transaction_session_timeout": "5000",
    "lock_timeout": "5000",
    "statement_timeout": "10000",
    "plan_cache_mode": "force_generic_plan",
    # A dead client's locks are gone after about 25 seconds.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
# Above the server's own limit: this one only speaks when the server cannot.
COMMAND_TIMEOUT_SECONDS = 15.0
POOL_WAIT_SECONDS = 3.0

Record: TypeAlias = asyncpg.Record

# Another transaction was in the way: repeat the whole of ours, decisions included.
CONFLICTS = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # Somebody else wrote it a moment ago, so the next look will see it.
    asyncpg.UniqueViolationError,
)
# Somebody holds a lock longer than anyone should: trying again at once would only queue up.
HELD_UP = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
# The server went away, perhaps after a COMMIT whose answer was lost: only what is safe to repeat
# may be repeated.
GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)


class LazyEngine(PostgresEngine):
    """Piccolo's engine, without the connection it makes while it is being built."""

    async def check_version(self) -> None:
        """Ask nothing: the server's version is checked where the service is installed."""

    async def prep_database(self) -> None:
        """Install no extensions."""


class Tx(PostgresTransaction):
    """A transaction that gives its connection back, or closes it, whatever happens."""

    __slots__ = ()

    def __init__(self, engine: PostgresEngine) -> None:
        super().__init__(engine, allow_nested=False)

    async def get_connection(self) -> Any:  # noqa: ANN401 - asyncpg's pool proxy has no public type
        """Wait for a pooled connection, but not for ever."""
        return await _pool(self.engine).acquire(timeout=POOL_WAIT_SECONDS)

    async def __aenter__(self) -> Self:
        self.connection = await self.get_connection()
        try:
            self.transaction = self.connection.transaction()
            await self.transaction.start()
        except BaseException:
            self.connection.terminate()
            await asyncio.shield(_pool(self.engine).release(self.connection))
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            await self._end(exception)
        except BaseException:
            self.connection.terminate()
            if exception is None:
                raise
        finally:
            self.engine.current_transaction.reset(self.context)
            await asyncio.shield(_pool(self.engine).release(self.connection))
        return False

    async def _end(self, exception: BaseException | None) -> None:
        if isinstance(exception, asyncio.CancelledError):
            # The cancelled statement's answer may still be on its way to the next user.
            self.connection.terminate()
        elif exception is not None:
            if not self.connection.is_closed():
                await self.transaction.rollback()
        else:
            await self.transaction.commit()

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """Run a statement and return its rows."""
        rows: list[Record] = await self.connection.fetch(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        """Run a statement and return its first row."""
        row: Record | None = await self.connection.fetchrow(sql, *args)
        return row

    async def fetchval(self, sql: str, *args: object) -> Any:  # noqa: ANN401 - one column of any type
        """Run a statement and return the first column of its first row."""
        return await self.connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run a statement and return its command tag."""
        tag: str = await self.connection.execute(sql, *args)
        return tag


class Database:
    """The pool, with one statement per call or several in a transaction."""

    def __init__(self, engine: PostgresEngine) -> None:
        self._engine = engine

    @classmethod
    async def connect(cls, dsn: str, *, max_size: int = 8, is_patient: bool = False) -> Self:
        """Open the pool; the first connection is made at once, so a wrong DSN fails here.

        With *is_patient* a statement may take as long as it takes: for an operator, not for a sale.
        """
        patience = {"statement_timeout": "0"} if is_patient else {}
        engine = LazyEngine(config={"dsn": dsn}, extensions=())
        await engine.start_connection_pool(
            min_size=1,
            max_size=max_size,
            reset=_keep_as_it_is,
            command_timeout=None if is_patient else COMMAND_TIMEOUT_SECONDS,
            server_settings=SERVER_SETTINGS | patience,
        )
        return cls(engine)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.close_connection_pool()

    def transaction(self) -> Tx:
        """Start a transaction: ``async with database.transaction() as tx``; nesting raises."""
        return Tx(self._engine)

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """Run a statement and return its rows."""
        async with _pool(self._engine).acquire(timeout=POOL_WAIT_SECONDS) as connection:
            return await connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        """Run a statement and return its first row."""
        async with _pool(self._engine).acquire(timeout=POOL_WAIT_SECONDS) as connection:
            return await connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:  # noqa: ANN401 - one column of any type
        """Run a statement and return the first column of its first row."""
        async with _pool(self._engine).acquire(timeout=POOL_WAIT_SECONDS) as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run a statement and return its command tag."""
        async with _pool(self._engine).acquire(timeout=POOL_WAIT_SECONDS) as connection:
            return await connection.execute(sql, *args)


Connection: TypeAlias = Database | Tx


def _pool(engine: PostgresEngine) -> "asyncpg.Pool[Any]":
    assert engine.pool is not None
    return engine.pool


async def _keep_as_it_is(_connection: object) -> None:
    """Skip the reset batch asyncpg sends on every release: half the cost of a pooled query."""
