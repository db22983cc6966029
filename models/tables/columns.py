"""Columns as we want them: no default nobody asked for, parents that cannot vanish.

Piccolo gives every column ``DEFAULT 0`` or ``''``, lets foreign keys cascade and be NULL, and
does not enforce ``choices``. Rows about money must say what they hold.
"""

from enum import StrEnum
from typing import Any

from piccolo.columns import (
    JSONB,
    BigInt,
    Boolean,
    Bytea,
    Column,
    Date,
    ForeignKey,
    Integer,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.base import OnDelete, OnUpdate
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Check
from piccolo.table import Table


def big(*, null: bool = False, default: int | None = None) -> BigInt:
    """Hold a 64-bit number."""
    return BigInt(default=default, null=null)


def number(*, null: bool = False, default: int | None = None) -> Integer:
    """Hold a 32-bit number."""
    return Integer(default=default, null=null)


def word(length: int, *, null: bool = False, default: str | None = None) -> Varchar:
    """Hold up to *length* characters."""
    return Varchar(length=length, default=default, null=null)


def prose() -> Text:
    """Hold text of any length."""
    return Text(default=None, null=True)


def flag(*, default: bool | None = None) -> Boolean:
    """Hold yes or no."""
    return Boolean(default=default, null=False)


def document(*, null: bool = False) -> JSONB:
    """Hold a JSON document."""
    return JSONB(default=None, null=null)


def octets() -> Bytea:
    """Hold bytes exactly as received."""
    return Bytea(default=None, null=False)


def instant(*, null: bool = False) -> Timestamptz:
    """Hold an aware point in time."""
    return Timestamptz(default=None, null=null)


def on_day() -> Date:
    """Hold a day of a calendar, without a time."""
    return Date(default=None, null=False)


def stamped() -> Timestamptz:
    """Hold the time of the insert, by the database's clock."""
    return Timestamptz(default=TimestamptzNow(), null=False)


def parent(table: type[Table], *, null: bool = False, primary_key: bool = False) -> ForeignKey[Any]:
    """Refer to a row that cannot be deleted while referred to."""
    return ForeignKey(
        references=table,
        null=null,
        primary_key=primary_key,
        default=None,
        on_delete=OnDelete.restrict,
        on_update=OnUpdate.restrict,
    )


def one_of(column: str, words: type[StrEnum], *, null: bool = False) -> Check:
    """Let the database refuse a word that is not in the list."""
    listed = ", ".join(f"'{word.value}'" for word in words)
    condition = f"{column} IN ({listed})"
    return Check(f"{column} IS NULL OR {condition}" if null else condition)


__all__ = [
    "Check",
    "Column",
    "big",
    "document",
    "flag",
    "instant",
    "number",
    "octets",
    "on_day",
    "one_of",
    "parent",
    "prose",
    "stamped",
    "word",
]
