"""The only SQL of the simulators: trades, refunds, notices and call counts in one SQLite file."""

import sqlite3
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sandbox.records import Notice, Refund, Reply, Send, Trade

# A trade number carries its order number in front, at every provider.
ORDER_NO_LENGTH = 16

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trades (
    seq INTEGER PRIMARY KEY, provider TEXT NOT NULL, out_trade_no TEXT NOT NULL,
    order_no TEXT NOT NULL, channel TEXT NOT NULL, amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL, status TEXT NOT NULL, created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER, provider_txn_id TEXT, detail BLOB NOT NULL,
    UNIQUE (out_trade_no, provider));
CREATE INDEX IF NOT EXISTS trades_order ON trades (order_no);
CREATE UNIQUE INDEX IF NOT EXISTS trades_txn ON trades (provider_txn_id, provider)
    WHERE provider_txn_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY, provider TEXT NOT NULL, out_refund_no TEXT NOT NULL,
    out_trade_no TEXT NOT NULL, amount_minor INTEGER NOT NULL, status TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL, settle_at_ms INTEGER, detail BLOB NOT NULL,
    UNIQUE (out_refund_no, provider));
CREATE INDEX IF NOT EXISTS refunds_trade ON refunds (out_trade_no);
CREATE INDEX IF NOT EXISTS refunds_due ON refunds (settle_at_ms) WHERE settle_at_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS notices (
    seq INTEGER PRIMARY KEY, notice_id TEXT NOT NULL UNIQUE, provider TEXT NOT NULL,
    out_trade_no TEXT NOT NULL, url TEXT NOT NULL, event_type TEXT NOT NULL,
    content BLOB NOT NULL, signing TEXT NOT NULL, copies INTEGER NOT NULL,
    attempt INTEGER NOT NULL, attempt_max INTEGER NOT NULL, due_at_ms INTEGER);
CREATE INDEX IF NOT EXISTS notices_due ON notices (due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS sends (
    seq INTEGER PRIMARY KEY, notice_id TEXT NOT NULL, out_trade_no TEXT NOT NULL,
    event_type TEXT NOT NULL, attempt INTEGER NOT NULL, status INTEGER,
    sent_at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS sends_trade ON sends (out_trade_no);
CREATE TABLE IF NOT EXISTS calls (
    out_trade_no TEXT NOT NULL, operation TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (out_trade_no, operation)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replies (
    provider TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL,
    body BLOB NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (provider, key)) WITHOUT ROWID;
"""
_TRADE = (
    "SELECT provider, out_trade_no, channel, amount_minor, currency, status, created_at_ms,"
    " expires_at_ms, provider_txn_id, detail FROM trades"
)
_REFUND = (
    "SELECT provider, out_refund_no, out_trade_no, amount_minor, status, created_at_ms,"
    " settle_at_ms, detail FROM refunds"
)
_NOTICE = (
    "SELECT notice_id, provider, out_trade_no, url, event_type, content, signing, copies,"
    " attempt, attempt_max, due_at_ms FROM notices"
)


class Store:
    """Everything the simulators must still know after a restart.

    Used from the event loop's thread only. Durability against power loss is not wanted here.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def add_trade(self, trade: Trade) -> None:
        """Remember a new trade."""
        self._db.execute(
            "INSERT INTO trades (provider, out_trade_no, channel, amount_minor, currency, status,"
            " created_at_ms, expires_at_ms, provider_txn_id, detail, order_no) VALUES"
            " (:provider, :out_trade_no, :channel, :amount_minor, :currency, :status,"
            " :created_at_ms, :expires_at_ms, :provider_txn_id, :detail, :order_no)",
            _row(trade) | {"order_no": trade.out_trade_no[:ORDER_NO_LENGTH]},
        )

    def save_trade(self, trade: Trade) -> None:
        """Write what may change of a trade."""
        self._db.execute(
            "UPDATE trades SET status = :status, provider_txn_id = :provider_txn_id,"
            " detail = :detail WHERE out_trade_no = :out_trade_no AND provider = :provider",
            _row(trade),
        )

    def trade(self, provider: str, out_trade_no: str) -> Trade | None:
        """Find one provider's trade by the merchant's number."""
        where = " WHERE out_trade_no = ? AND provider = ?"
        return _one(self._trades(_TRADE + where, out_trade_no, provider))

    def trade_of_txn(self, provider: str, provider_txn_id: str) -> Trade | None:
        """Find one provider's trade by the provider's number."""
        where = " WHERE provider_txn_id = ? AND provider = ?"
        return _one(self._trades(_TRADE + where, provider_txn_id, provider))

    def any_trade(self, out_trade_no: str) -> Trade | None:
        """Find the newest trade of that number, whoever holds it."""
        where = " WHERE out_trade_no = ? ORDER BY seq DESC LIMIT 1"
        return _one(self._trades(_TRADE + where, out_trade_no))

    def trades_of_order(self, order_no: str) -> list[Trade]:
        """List the trades of one order, oldest first."""
        return self._trades(_TRADE + " WHERE order_no = ? ORDER BY seq", order_no)

    def last_trades(self, limit: int) -> list[Trade]:
        """List the newest trades, oldest of them first."""
        return self._trades(_TRADE + " ORDER BY seq DESC LIMIT ?", limit)[::-1]

    def trades_between(self, provider: str, from_ms: int, to_ms: int) -> list[Trade]:
        """List one provider's trades that were opened in a span, oldest first."""
        where = " WHERE provider = ? AND created_at_ms >= ? AND created_at_ms < ? ORDER BY seq"
        return self._trades(_TRADE + where, provider, from_ms, to_ms)

    def trade_with(self, provider: str, text: str) -> Trade | None:
        """Find one provider's trade by a text in its detail; slow, for what has no index."""
        where = " WHERE provider = ? AND instr(detail, CAST(? AS BLOB)) > 0 LIMIT 1"
        return _one(self._trades(_TRADE + where, provider, text))

    def add_refund(self, refund: Refund) -> None:
        """Remember a new refund."""
        self._db.execute(
            "INSERT INTO refunds (provider, out_refund_no, out_trade_no, amount_minor, status,"
            " created_at_ms, settle_at_ms, detail) VALUES (:provider, :out_refund_no,"
            " :out_trade_no, :amount_minor, :status, :created_at_ms, :settle_at_ms, :detail)",
            _row(refund),
        )

    def save_refund(self, refund: Refund) -> None:
        """Write what may change of a refund."""
        self._db.execute(
            "UPDATE refunds SET status = :status, settle_at_ms = :settle_at_ms, detail = :detail"
            " WHERE out_refund_no = :out_refund_no AND provider = :provider",
            _row(refund),
        )

    def refund(self, provider: str, out_refund_no: str) -> Refund | None:
        """Find one provider's refund by the merchant's number."""
        where = " WHERE out_refund_no = ? AND provider = ?"
        return _one(self._refunds(_REFUND + where, out_refund_no, provider))

    def refund_with(self, provider: str, words: str) -> Refund | None:
        """Find one provider's refund by words that its detail alone has."""
        where = " WHERE provider = ? AND instr(CAST(detail AS TEXT), ?) > 0 LIMIT 1"
        return _one(self._refunds(_REFUND + where, provider, words))

    def any_refund(self, out_refund_no: str) -> Refund | None:
        """Find the newest refund of that number, whoever holds it."""
        where = " WHERE out_refund_no = ? ORDER BY seq DESC LIMIT 1"
        return _one(self._refunds(_REFUND + where, out_refund_no))

    def refunds_of(self, provider: str, out_trade_no: str) -> list[Refund]:
        """List the refunds of one trade, oldest first."""
        where = " WHERE out_trade_no = ? AND provider = ? ORDER BY seq"
        return self._refunds(_REFUND + where, out_trade_no, provider)

    def refunds_between(self, provider: str, from_ms: int, to_ms: int) -> list[Refund]:
        """List one provider's refunds that were asked for in a span, oldest first."""
        where = " WHERE provider = ? AND created_at_ms >= ? AND created_at_ms < ? ORDER BY seq"
        return self._refunds(_REFUND + where, provider, from_ms, to_ms)

    def due_refunds(self, now_ms: int) -> list[Refund]:
        """List the refunds whose time to settle has come, of every provider."""
        where = " WHERE settle_at_ms <= ? ORDER BY settle_at_ms LIMIT 100"
        return self._refunds(_REFUND + where, now_ms)

    def next_refund_at_ms(self) -> int | None:
        """Say when the next refund settles."""
        return self._number("SELECT min(settle_at_ms) FROM refunds WHERE settle_at_ms IS NOT NULL")

    def add_notice(self, notice: Notice) -> None:
        """Owe a notice to its merchant."""
        self._db.execute(
            "INSERT INTO notices (notice_id, provider, out_trade_no, url, event_type, content,"
            " signing, copies, attempt, attempt_max, due_at_ms) VALUES (:notice_id, :provider,"
            " :out_trade_no, :url, :event_type, :content, :signing, :copies, :attempt,"
            " :attempt_max, :due_at_ms)",
            _row(notice),
        )

    def notice_of(self, out_trade_no: str, event_type: str) -> Notice | None:
        """Find the genuine notice of one event of one trade."""
        where = " WHERE out_trade_no = ? AND event_type = ? AND signing = 'genuine'"
        found = self._notices(_NOTICE + where, out_trade_no, event_type)
        return found[0] if found else None

    def due_notices(self, now_ms: int) -> list[Notice]:
        """List the notices whose time to be sent has come."""
        return self._notices(_NOTICE + " WHERE due_at_ms <= ? ORDER BY due_at_ms", now_ms)

    def next_notice_at_ms(self, now_ms: int) -> int | None:
        """Say when the next notice after now is to be sent."""
        return self._number("SELECT min(due_at_ms) FROM notices WHERE due_at_ms > ?", now_ms)

    def pending_notices(self, out_trade_no: str) -> list[Notice]:
        """List the notices of a trade that will be sent again."""
        where = " WHERE out_trade_no = ? AND due_at_ms IS NOT NULL ORDER BY seq"
        return self._notices(_NOTICE + where, out_trade_no)

    def reschedule(self, notice: Notice) -> None:
        """Write how often a notice was sent and when it is sent next, if ever."""
        self._db.execute(
            "UPDATE notices SET attempt = :attempt, due_at_ms = :due_at_ms, copies = :copies"
            " WHERE notice_id = :notice_id",
            _row(notice),
        )

    def add_send(self, send: Send) -> None:
        """Record one copy that went out."""
        self._db.execute(
            "INSERT INTO sends (notice_id, out_trade_no, event_type, attempt, status, sent_at_ms)"
            " VALUES (:notice_id, :out_trade_no, :event_type, :attempt, :status, :sent_at_ms)",
            _row(send),
        )

    def sends_of(self, out_trade_no: str) -> list[Send]:
        """List what was sent for one trade, oldest first."""
        sql = (
            "SELECT notice_id, out_trade_no, event_type, attempt, status, sent_at_ms FROM sends"
            " WHERE out_trade_no = ? ORDER BY seq"
        )
        return [Send(**dict(row)) for row in self._db.execute(sql, (out_trade_no,))]

    def count_call(self, out_trade_no: str, operation: str) -> None:
        """Count one call that a provider received for a trade number."""
        self._db.execute(
            "INSERT INTO calls VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            (out_trade_no, operation),
        )

    def add_reply(self, reply: Reply) -> None:
        """Remember what a call under an idempotency key was answered."""
        self._db.execute(
            "INSERT OR REPLACE INTO replies (provider, key, fingerprint, status, body, at_ms)"
            " VALUES (:provider, :key, :fingerprint, :status, :body, :at_ms)",
            _row(reply),
        )

    def reply(self, provider: str, key: str) -> Reply | None:
        """Find what a call under an idempotency key was answered."""
        sql = "SELECT * FROM replies WHERE provider = ? AND key = ?"
        return _one([Reply(**dict(row)) for row in self._db.execute(sql, (provider, key))])

    def calls_of(self, out_trade_no: str) -> dict[str, int]:
        """Say how often each operation was called for a trade number."""
        sql = "SELECT operation, count FROM calls WHERE out_trade_no = ?"
        return {row["operation"]: row["count"] for row in self._db.execute(sql, (out_trade_no,))}

    def _trades(self, sql: str, *values: str | int) -> list[Trade]:
        return [Trade(**dict(row)) for row in self._db.execute(sql, values)]

    def _refunds(self, sql: str, *values: str | int) -> list[Refund]:
        return [Refund(**dict(row)) for row in self._db.execute(sql, values)]

    def _notices(self, sql: str, *values: str | int) -> list[Notice]:
        return [Notice(**dict(row)) for row in self._db.execute(sql, values)]

    def _number(self, sql: str, *values: int) -> int | None:
        row = self._db.execute(sql, values).fetchone()
        return None if row[0] is None else int(row[0])


def _row(record: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(record)


_Record = TypeVar("_Record")


def _one(found: list[_Record]) -> _Record | None:
    return found[0] if found else None
