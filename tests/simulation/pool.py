"""asyncpg's pool and connections, speaking to the stand-in server."""

import asyncio
from collections.abc import Generator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
from piccolo.engine.postgres import PostgresEngine

from models.engine import Database
from tests.simulation.loop import WORLD
from tests.simulation.server import Server, Session
from tests.simulation.tables import Row
from tests.simulation.wires import Wire

_POOL_SIZE = 8
# Longer than anything is on its way.
_ARRIVED_SECONDS = 1.5


class Pool:
    """The connections of one process."""

    def __init__(self, server: Server, wire: Wire) -> None:
        self._server = server
        self._wire = wire
        self._free = asyncio.Semaphore(_POOL_SIZE)
        self._idle: list[Connection] = []

    def acquire(self, *, timeout: float | None = None) -> "_Acquire":
        """Take a connection, as asyncpg does."""
        return _Acquire(self, timeout)

    async def take(self, seconds: float | None) -> "Connection":
        """Wait for a connection."""
        async with asyncio.timeout(seconds):
            await self._free.acquire()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await self._connect()
        except BaseException:
            self._free.release()
            raise

    async def release(self, connection: "Connection") -> None:
        """Take a connection back."""
        if not connection.is_closed() and not self._wire.is_cut:
            assert connection.session.transaction is None, "a transaction went back to the pool"
            self._idle.append(connection)
        self._free.release()

    async def _connect(self) -> "Connection":
        def answer(future: "asyncio.Future[Any]") -> None:
            if not future.done():
                future.set_result(None)

        if self._wire.is_cut:
            raise ConnectionRefusedError
        await self._wire.call(self._wire.delay(), answer)
        if self._wire.is_cut or self._server.is_away:
            raise ConnectionRefusedError
        return Connection(self._server, self._wire)


class _Acquire:
    """Both ``await pool.acquire()`` and ``async with pool.acquire()``."""

    def __init__(self, pool: Pool, seconds: float | None) -> None:
        self._pool = pool
        self._seconds = seconds
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, "Connection"]:
        return self._pool.take(self._seconds).__await__()

    async def __aenter__(self) -> "Connection":
        self._connection = await self._pool.take(self._seconds)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        assert self._connection is not None
        await self._pool.release(self._connection)


class Connection:
    """One connection; a lost or cancelled answer ends it."""

    def __init__(self, server: Server, wire: Wire) -> None:
        self._server = server
        self._wire = wire
        self._is_dropped = False
        self.session: Session = server.connect(wire.owner.name)

    def is_closed(self) -> bool:
        """Tell whether it can still be used."""
        return self._is_dropped or self.session.is_closed

    def terminate(self) -> None:
        """Drop it; what is on its way to the server may still arrive."""
        if self._wire.is_cut or self._is_dropped:
            return
        self._is_dropped = True
        if self.session.is_expecting:
            self._wire.loop.call_later(_ARRIVED_SECONDS, self.session.kill, context=WORLD)
        else:
            self.session.kill()

    def transaction(self) -> "_Transaction":
        """Prepare a transaction, as asyncpg does."""
        return _Transaction(self)

    async def fetch(self, sql: str, *args: Any) -> list[Row]:  # noqa: ANN401 - any parameter
        """Run a statement and return its rows."""
        rows: list[Row] = await self.run(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> Row | None:  # noqa: ANN401 - any parameter
        """Run a statement and return its first row."""
        rows = await self.run(sql, *args)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *args: Any) -> Any:  # noqa: ANN401 - any value
        """Run a statement and return the first value of its first row."""
        row = await self.fetchrow(sql, *args)
        return None if row is None else next(iter(row.values()))

    async def execute(self, sql: str, *args: Any) -> str:  # noqa: ANN401 - any parameter
        """Run a statement."""
        await self.run(sql, *args)
        return "OK"

    async def run(self, sql: str, *args: Any) -> Any:  # noqa: ANN401 - rows
        """Send a statement and wait for its answer, which may be lost on either way."""
        wire, session = self._wire, self.session
        if wire.is_cut or self.is_closed():
            raise session.ended_by or asyncpg.InterfaceError("connection is closed")
        wire.note(self._server.name_of(sql))
        if wire.happens(wire.chances.statement_lost):
            session.kill()
            raise lost()
        conflicts = session.transaction is not None and wire.happens(
            wire.chances.statement_conflict
        )
        answer_lost = wire.happens(wire.chances.answer_lost)

        def work(future: "asyncio.Future[Any]") -> None:
            session.is_expecting = False
            if conflicts:
                session.fail(asyncpg.DeadlockDetectedError("deadlock detected"))
                _tell(future, None, asyncpg.DeadlockDetectedError("deadlock detected"))
            elif answer_lost:
                session.run(sql, args, _nobody)
                session.kill()
                _tell(future, None, lost())
            else:
                session.run(sql, args, lambda rows, failure: _tell(future, rows, failure))

        session.is_expecting = True
        try:
            return await wire.call(wire.delay(), work)
        except asyncio.CancelledError:
            self._is_dropped = True
            wire.loop.call_later(_ARRIVED_SECONDS, session.kill, context=WORLD)
            raise


def lost() -> Exception:
    """Build what the driver raises when the connection breaks."""
    return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


def _nobody(_rows: object, _failure: object) -> None:
    """Hear an answer that is lost."""


def _tell(future: "asyncio.Future[Any]", rows: Any, failure: Exception | None) -> None:  # noqa: ANN401 - rows
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(rows)


class _Transaction:
    """asyncpg's transaction object, as far as our Tx uses it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def start(self) -> None:
        """Begin."""
        await self._connection.run("BEGIN")

    async def commit(self) -> None:
        """Commit."""
        await self._connection.run("COMMIT")

    async def rollback(self) -> None:
        """Roll back."""
        await self._connection.run("ROLLBACK")


_current: ContextVar[Any] = ContextVar("simulated_transaction", default=None)


def database_over(server: Server, wire: Wire) -> Database:
    """Build the real Database, and with it the real Tx, over the stand-in."""
    # Of Piccolo's engine they need these two; building one would start threads.
    engine = SimpleNamespace(pool=Pool(server, wire), current_transaction=_current)
    return Database(cast("PostgresEngine", engine))
