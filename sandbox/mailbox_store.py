"""Received mail, in a table of its own beside the simulators' others."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import msgspec

# Enough for an afternoon of trying; a load test must not fill a disk with letters.
KEPT = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, subject TEXT NOT NULL,
    message_id TEXT NOT NULL, text TEXT NOT NULL, html TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS mails_recipient ON mails (recipient);
"""
_MAIL = "SELECT id, recipient AS 'to', subject, message_id, text, html, received_at_ms FROM mails"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One mail as one of its recipients got it."""

    id: int
    to: str
    subject: str
    message_id: str
    text: str
    html: str
    received_at_ms: int

    @property
    def received_at(self) -> str:
        """When it came, RFC 3339."""
        at = datetime.fromtimestamp(self.received_at_ms / 1000, UTC)
        return at.isoformat(timespec="milliseconds")


class MailboxStore:
    """The newest mails, also after a restart. Used from the event loop's thread only."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def add(
        self,
        *,
        to: str,
        subject: str,
        message_id: str,
        text: str,
        html: str,
        received_at_ms: int,
    ) -> None:
        """Keep a mail and forget the oldest beyond those kept."""
        added = self._db.execute(
            "INSERT INTO mails (recipient, subject, message_id, text, html, received_at_ms)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (to, subject, message_id, text, html, received_at_ms),
        )
        assert added.lastrowid is not None
        self._db.execute("DELETE FROM mails WHERE id <= ?", (added.lastrowid - KEPT,))

    def mails(self, to: str | None) -> list[Mail]:
        """List mails, newest first."""
        where, values = (" WHERE recipient = ?", [to]) if to else ("", [])
        rows = self._db.execute(f"{_MAIL}{where} ORDER BY id DESC", values)
        return [Mail(**dict(row)) for row in rows]

    def mail(self, number: int) -> Mail | None:
        """Find one."""
        row = self._db.execute(f"{_MAIL} WHERE id = ?", (number,)).fetchone()
        return None if row is None else Mail(**dict(row))
