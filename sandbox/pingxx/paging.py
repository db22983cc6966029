"""Lists as Ping++ gives them: newest first, by cursor, ten unless said.

Source: Ping++ API, paging, and lists of Charges, read 2026-11.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from sandbox.pingxx.refusal import invalid


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a list may be asked for."""

    app: str | None = msgspec.field(name="app[id]", default=None)
    channel: str | None = None
    paid: Literal["true", "false"] | None = None
    created_gt: int | None = msgspec.field(name="created[gt]", default=None)
    created_gte: int | None = msgspec.field(name="created[gte]", default=None)
    created_lt: int | None = msgspec.field(name="created[lt]", default=None)
    created_lte: int | None = msgspec.field(name="created[lte]", default=None)
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    starting_after: str | None = None

    def span(self, now_seconds: int) -> tuple[int, int]:
        """Return the first and the last second that are asked for; a month unless said."""
        firsts = [self.created_gte, None if self.created_gt is None else self.created_gt + 1]
        lasts = [self.created_lte, None if self.created_lt is None else self.created_lt - 1]
        is_dated = any(at is not None for at in (*firsts, *lasts))
        earliest = 0 if is_dated else now_seconds - 30 * 86_400
        first = max((at for at in firsts if at is not None), default=earliest)
        return first, min((at for at in lasts if at is not None), default=2**40)


def read_wanted(query: Mapping[str, str]) -> Wanted:
    """Read the parameters of a list.

    :raises Refusal: one of them is unknown or malformed.
    """
    try:
        return msgspec.convert(query, Wanted, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error


def page_of(objects: Sequence[dict[str, Any]], wanted: Wanted, url: str) -> dict[str, Any]:
    """Cut one page out of *objects*, which come newest first.

    :raises Refusal: the cursor is none of theirs.
    """
    ids = [found["id"] for found in objects]
    if wanted.starting_after is not None and wanted.starting_after not in ids:
        raise invalid("starting_after: no such object")
    first = 0 if wanted.starting_after is None else ids.index(wanted.starting_after) + 1
    data = list(objects[first : first + wanted.limit])
    has_more = len(objects) > first + wanted.limit
    return {"object": "list", "url": url, "has_more": has_more, "data": data}
