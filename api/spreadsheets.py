"""Rows as CSV that a spreadsheet shows and never runs.

Comma, CRLF and double quotes by RFC 4180, UTF-8 with a byte order mark, without which Excel takes
it for something else. Amounts are integer minor units.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime

MEDIA_TYPE = "text/csv"
_BYTE_ORDER_MARK = "\ufeff"
# A cell that begins like this, whatever blanks stand before, is a formula to a spreadsheet, and in
# full width to some; behind an apostrophe it is text.
_FORMULA_BEGINS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


async def spreadsheet(
    columns: Sequence[str], pages: AsyncIterator[Sequence[Iterable[object]]]
) -> AsyncIterator[bytes]:
    """Write a header and then each page as it comes."""
    yield (_BYTE_ORDER_MARK + _written([columns])).encode()
    async for page in pages:
        yield _written(page).encode()


def _written(rows: Iterable[Iterable[object]]) -> str:
    sheet = io.StringIO(newline="")
    csv.writer(sheet).writerows([_cell(value) for value in row] for row in rows)
    return sheet.getvalue()


def _cell(value: object) -> str | int:
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = "" if value is None else str(value)
    is_formula = text.lstrip().startswith(_FORMULA_BEGINS) or text[:1].isspace()
    return f"'{text}" if is_formula else text
