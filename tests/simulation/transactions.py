"""One transaction: what it sees, what it wrote, and the locks that make others wait."""

from collections.abc import Generator, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from tests.simulation.tables import Key, Row, Table, unique_violation

if TYPE_CHECKING:
    from tests.simulation.server import Server

Waiting: TypeAlias = Generator[Key, None, Any]


class Transaction:
    """One transaction: its own rows, and the locks it holds."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.now = server.clock()
        self.held: list[Key] = []
        self.waits_for: Key | None = None
        self._rows: dict[str, dict[int, Row]] = {}
        self._keys: dict[tuple[str, Key], int | None] = {}

    @property
    def clock(self) -> datetime:
        """Read clock_timestamp()."""
        return self.server.clock()

    @property
    def has_written(self) -> bool:
        """Tell whether a commit changes anything."""
        return bool(self._rows)

    def rows(self, table: str) -> Iterable[Row]:
        """List the rows this transaction sees, in order of id."""
        committed = self.server.tables[table].rows
        own = self._rows.get(table)
        return ({**committed, **own} if own else committed).values()

    def get(self, table: str, row_id: int) -> Row | None:
        """Find a row this transaction sees."""
        own = self._rows.get(table)
        if own and row_id in own:
            return own[row_id]
        return self.server.tables[table].rows.get(row_id)

    def find(self, table: str, unique: str, key: Key) -> Row | None:
        """Find the row that has a key of a unique index."""
        if (unique, key) in self._keys:
            row_id = self._keys[unique, key]
        else:
            row_id = self.server.tables[table].index[unique].get(key)
        return None if row_id is None else self.get(table, row_id)

    def lock(self, *key: Any) -> Waiting:  # noqa: ANN401 - keys are made of words and numbers
        """Hold a lock until the end, after whoever holds it now."""
        locks = self.server.locks
        while (holder := locks.get(key)) is not self:
            if holder is None:
                locks[key] = self
                self.held.append(key)
                return
            self._refuse_deadlock(holder)
            yield key

    def is_free(self, *key: Any) -> bool:  # noqa: ANN401 - keys are made of words and numbers
        """Tell whether a lock could be had without waiting."""
        return self.server.locks.get(key) in (None, self)

    def insert(self, table: str, row: Row, *, or_find: str | None = None) -> Waiting:
        """Add a row and return it; with *or_find* return the row that has that key already."""
        home = self.server.tables[table]
        for unique, key_of in home.uniques.items():
            key = key_of(row)
            if key is None:
                continue
            while not self.is_free(unique, key):
                self._refuse_deadlock(self.server.locks[unique, key])
                yield (unique, key)
            existing = self.find(table, unique, key)
            if existing is not None:
                if unique == or_find:
                    return existing
                raise unique_violation(unique)
            yield from self.lock(unique, key)
        row = {"id": home.next_id(), "created_at": self.now} | row
        home.check(None, row)
        self._keep(home, None, row)
        return None if or_find else row

    def update(self, table: str, row_id: int, **changes: object) -> Waiting:
        """Change the latest version of a row, after whoever is changing it."""
        yield from self.lock(table, row_id)
        home, old = self.server.tables[table], self.get(table, row_id)
        assert old is not None
        row = old | changes
        for unique, key_of in home.uniques.items():
            before, after = key_of(old), key_of(row)
            if before == after:
                continue
            for key in (before, after):
                if key is not None:
                    yield from self.lock(unique, key)
            if after is not None and self.find(table, unique, after) is not None:
                raise unique_violation(unique)
        home.check(old, row)
        self._keep(home, old, row)

    def commit(self) -> None:
        """Make it all true at once."""
        for table, rows in self._rows.items():
            for row in rows.values():
                self.server.tables[table].put(row)
        self.end()

    def end(self) -> None:
        """Let go of every lock; what was not committed never was."""
        self._rows.clear()
        held, self.held = self.held, []
        for key in held:
            del self.server.locks[key]
            self.server.wake(key)

    def _keep(self, home: Table, old: Row | None, row: Row) -> None:
        self._rows.setdefault(home.name, {})[row["id"]] = row
        for unique, key_of in home.uniques.items():
            before, after = None if old is None else key_of(old), key_of(row)
            if before != after:
                if before is not None:
                    self._keys[unique, before] = None
                if after is not None:
                    self._keys[unique, after] = row["id"]

    def _refuse_deadlock(self, holder: "Transaction") -> None:
        seen: Transaction | None = holder
        while seen is not None and seen.waits_for is not None:
            seen = self.server.locks.get(seen.waits_for)
            if seen is self:
                raise asyncpg.DeadlockDetectedError("deadlock detected")
