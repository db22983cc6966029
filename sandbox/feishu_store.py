"""Posts to the sandbox's Feishu group, in a table of their own beside the simulators' others."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import msgspec

# Enough for an afternoon of trying; a load test must not fill a disk with news.
KEPT = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS feishu_posts (
    id INTEGER PRIMARY KEY, title TEXT NOT NULL, lines BLOB NOT NULL,
    received_at_ms INTEGER NOT NULL);
"""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One message as the group shows it."""

    id: int
    title: str
    lines: list[str]
    received_at_ms: int

    @property
    def received_at(self) -> str:
        """When it came, RFC 3339."""
        at = datetime.fromtimestamp(self.received_at_ms / 1000, UTC)
        return at.isoformat(timespec="milliseconds")


class FeishuStore:
    """The newest posts, also after a restart. Used from the event loop's thread only."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def add(self, *, title: str, lines: list[str], received_at_ms: int) -> None:
        """Keep a post and forget the oldest beyond those kept."""
        added = self._db.execute(
            "INSERT INTO feishu_posts (title, lines, received_at_ms) VALUES (?, ?, ?)",
            (title, msgspec.json.encode(lines), received_at_ms),
        )
        assert added.lastrowid is not None
        self._db.execute("DELETE FROM feishu_posts WHERE id <= ?", (added.lastrowid - KEPT,))

    def posts(self) -> list[Post]:
        """List posts, newest first."""
        rows = self._db.execute(
            "SELECT id, title, lines, received_at_ms FROM feishu_posts ORDER BY id DESC"
        )
        return [
            Post(id=n, title=title, lines=msgspec.json.decode(lines), received_at_ms=at_ms)
            for n, title, lines, at_ms in rows
        ]
