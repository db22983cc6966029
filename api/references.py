"""Ids and cursors as they come in paths and queries."""

import re

from api.bodies import invalid
from contracts.errors import NotFound
from contracts.wire.fields import ID_MAX

# int() alone would take other scripts' digits, signs, blanks and underscores.
_DIGITS = re.compile(r"[0-9]{1,16}")
PAGE_SIZE = 50
PAGE_SIZE_MAX = 100


def id_of(text: str) -> int:
    """Read an id out of a path.

    :raises NotFound: it is none, so nothing has it.
    """
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= ID_MAX:
        raise NotFound
    return int(text)


def cursor_of(text: str | None, *, start: int) -> int:
    """Read where a list goes on; without a cursor it begins at *start*.

    :raises InvalidRequest: the cursor is none of ours.
    """
    if text is None:
        return start
    if not _DIGITS.fullmatch(text):
        raise invalid("cursor", "This is no cursor of ours.")
    return int(text)


def next_cursor(ids: list[int], *, asked: int) -> str | None:
    """Say where the list goes on, when a full page suggests that it does."""
    return str(ids[-1]) if len(ids) == asked else None
