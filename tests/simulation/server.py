"""PostgreSQL as far as our statements can tell: transactions, locks that make others wait.

1. READ COMMITTED: a statement sees what was committed when it began, and its own transaction.
2. Rows and unique keys are locked until the transaction ends; who would close a circle of
   waiters is told of a deadlock, who waits for five seconds is told so too.
3. A statement that fails ends its transaction; a holder that says nothing for five seconds, or
   whose client is gone, is ended by the server.
"""

from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg

from models.engine import SERVER_SETTINGS
from tests.simulation.loop import WORLD, VirtualLoop
from tests.simulation.tables import Key, new_tables
from tests.simulation.transactions import Transaction, Waiting

LOCK_SECONDS = int(SERVER_SETTINGS["lock_timeout"]) / 1000
IDLE_SECONDS = int(SERVER_SETTINGS["idle_in_transaction_session_timeout"]) / 1000

Statement: TypeAlias = Callable[..., Any]


class Session:
    """The server's side of one connection."""

    def __init__(self, server: "Server", client: str) -> None:
        self.server = server
        self.client = client
        self.is_closed = False
        # A statement is on its way here.
        self.is_expecting = False
        self.ended_by: Exception | None = None
        self.transaction: Transaction | None = None
        self.is_failed = False
        self.last_heard_at = 0.0
        self._work: Waiting | None = None
        self._own: Transaction | None = None
        self._done: Callable[[Any, Exception | None], None] | None = None
        self._waiting_since: float | None = None

    def run(
        self, sql: str, args: tuple[Any, ...], done: Callable[[Any, Exception | None], None]
    ) -> None:
        """Run one statement; *done* hears its rows or its failure, perhaps much later."""
        if self.is_closed:
            done(
                None, self.ended_by or asyncpg.ConnectionDoesNotExistError("connection was closed")
            )
            return
        self._done = done
        self.last_heard_at = self.server.loop.time()
        if sql in _CONTROL:
            self._control(sql)
        elif self.is_failed:
            self._finish(None, asyncpg.InFailedSQLTransactionError("transaction is aborted"))
        else:
            self._begin(sql, args)

    def kill(self, reason: Exception | None = None) -> None:
        """End the session: whatever it had not committed never was."""
        if self.is_closed:
            return
        self.is_closed, self.ended_by = True, reason
        self.server.sessions.pop(self, None)
        self._drop_work()
        if self.transaction is not None:
            self.transaction.end()
            self.transaction = None
        if self._done is not None:
            self._finish(
                None, reason or asyncpg.ConnectionDoesNotExistError("connection was closed")
            )

    def fail(self, failure: Exception) -> None:
        """Let the transaction under way fail, as a victim of others does."""
        if self.transaction is not None:
            self.transaction.end()
            self.is_failed = True
        self.server.note_failure(self.client, failure)

    def resume(self) -> None:
        """Try again to get the lock the statement waits for."""
        if self._work is not None and self._own is not None and self._own.waits_for is not None:
            self._own.waits_for = None
            self._step()

    def _control(self, word: str) -> None:
        if word == "BEGIN":
            assert self.transaction is None
            self.transaction, self.is_failed = Transaction(self.server), False
            self.server.watch_idle(self)
            self._finish([], None)
            return
        transaction, self.transaction = self.transaction, None
        failed, self.is_failed = self.is_failed, False
        if transaction is not None:
            if word == "COMMIT" and not failed:
                self.server.commit(transaction, self.client)
            else:
                transaction.end()
        self._finish([], None)

    def _begin(self, sql: str, args: tuple[Any, ...]) -> None:
        self._own = self.transaction or Transaction(self.server)
        try:
            result = self.server.statement(sql)(self._own, *args)
        except Exception as failure:  # noqa: BLE001 - the client is told
            self._fail(failure)
            return
        if isinstance(result, Generator):
            self._work = result
            self._waiting_since = None
            self._step()
        else:
            self._succeed(result)

    def _step(self) -> None:
        assert self._work is not None
        assert self._own is not None
        try:
            key = next(self._work)
        except StopIteration as stop:
            self._work = None
            self._succeed(stop.value)
        except Exception as failure:  # noqa: BLE001 - the client is told
            self._work = None
            self._fail(failure)
        else:
            self._own.waits_for = key
            self.server.wait(self, key)
            if self._waiting_since is None:
                self._waiting_since = self.server.loop.time()
                self.server.watch_lock(self, self._work)

    def give_up(self, work: Waiting) -> None:
        """Stop waiting for a lock, if it is still *work* that waits."""
        if self._work is work:
            self._drop_work()
            self._fail(asyncpg.LockNotAvailableError("canceling statement due to lock timeout"))

    def _drop_work(self) -> None:
        if self._work is not None:
            self._work.close()
            self._work = None
        if self._own is not None:
            self._own.waits_for = None

    def _succeed(self, result: Any) -> None:  # noqa: ANN401 - rows, or nothing
        own, self._own = self._own, None
        if self.transaction is None and own is not None:
            self.server.commit(own, self.client)
        self._finish(result or [], None)

    def _fail(self, failure: Exception) -> None:
        own, self._own = self._own, None
        assert own is not None
        own.waits_for = None
        own.end()
        if self.transaction is not None:
            self.is_failed = True
        self.server.note_failure(self.client, failure)
        self._finish(None, failure)

    def _finish(self, result: Any, failure: Exception | None) -> None:  # noqa: ANN401 - rows
        self.last_heard_at = self.server.loop.time()
        done, self._done = self._done, None
        if done is not None:
            done(result, failure)


_CONTROL = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})


class Server:
    """All tables and everybody connected to them."""

    def __init__(
        self,
        loop: VirtualLoop,
        clock: Callable[[], datetime],
        statements: Mapping[str, Statement],
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.tables = new_tables()
        self.locks: dict[Key, Transaction] = {}
        self.sessions: dict[Session, None] = {}
        self.is_away = False
        self.after_commit: Callable[[str], None] = lambda _client: None
        self.note_failure: Callable[[str, Exception], None] = lambda _client, _failure: None
        self._statements = statements
        self._waiters: dict[Key, list[Session]] = {}

    def name_of(self, sql: str) -> str:
        """Say what a statement does, in a word."""
        return sql if sql in _CONTROL else self.statement(sql).__name__

    def cut_off(self, client: str) -> None:
        """End the sessions of a client that died, but for what it sent before it died."""
        for session in [known for known in self.sessions if known.client == client]:
            if not session.is_expecting:
                session.kill()

    def stop(self) -> None:
        """Go away, and take every session along."""
        self.is_away = True
        for session in list(self.sessions):
            session.kill(asyncpg.AdminShutdownError("terminating connection"))

    def connect(self, client: str) -> Session:
        """Begin a session."""
        session = Session(self, client)
        self.sessions[session] = None
        return session

    def statement(self, sql: str) -> Statement:
        """Find what a statement does."""
        found = self._statements.get(sql) or self._statements.get(" ".join(sql.split()))
        if found is None:
            unknown = UnknownStatement(" ".join(sql.split())[:200])
            self.note_failure("somebody", unknown)
            raise unknown
        return found

    def commit(self, transaction: Transaction, client: str) -> None:
        """Commit, and let whoever looks on look."""
        has_written = transaction.has_written
        transaction.commit()
        if has_written:
            self.after_commit(client)

    def wait(self, session: Session, key: Key) -> None:
        """Queue a session for a lock."""
        self._waiters.setdefault(key, []).append(session)

    def wake(self, key: Key) -> None:
        """Let everybody who waits for a lock try again."""
        for session in self._waiters.pop(key, ()):
            self.loop.call_soon(session.resume, context=WORLD)

    def watch_lock(self, session: Session, work: Waiting) -> None:
        """Limit how long a statement waits for a lock."""
        self.loop.call_later(LOCK_SECONDS, session.give_up, work, context=WORLD)

    def watch_idle(self, session: Session) -> None:
        """Limit how long a transaction does nothing."""
        self.loop.call_later(
            IDLE_SECONDS, self._end_if_idle, session, session.transaction, context=WORLD
        )

    def _end_if_idle(self, session: Session, transaction: Transaction) -> None:
        if session.transaction is not transaction or session.is_closed:
            return
        left = session.last_heard_at + IDLE_SECONDS - self.loop.time()
        if transaction.waits_for is not None or left > 0:
            self.loop.call_later(
                max(left, 1.0), self._end_if_idle, session, transaction, context=WORLD
            )
            return
        session.kill(
            asyncpg.IdleInTransactionSessionTimeoutError(
                "terminating connection due to idle-in-transaction timeout"
            )
        )


class UnknownStatement(AssertionError):
    """The stand-in was not taught this statement: teach it in tests/simulation/statements_*.py."""
