"""The door through which organizers take their event's books home."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from api.organizers import managed_event
from api.problems import documented
from api.rooms import Visitor, house_of
from api.spreadsheets import MEDIA_TYPE, spreadsheet
from models.engine import Record
from models.exports import COLUMNS, ExportKind, pages

# Between two pages of this process, whoever's they are: sales go before.
_REST_SECONDS = 0.02


@get(
    "/api/events/{event_id:str}/export.csv",
    media_type=MEDIA_TYPE,
    responses=documented(401, 403, 404),
)
async def export_event(
    request: Visitor,
    event_id: FromPath[str],
    kind: Annotated[ExportKind, QueryParameter()],
) -> Stream:
    """Download all orders or registrations of your event as CSV."""
    managed = await managed_event(request, event_id)
    house = house_of(request)
    rows = _in_turn(house.downloads, pages(house.database, managed, kind))
    return Stream(
        spreadsheet(COLUMNS[kind], rows),
        media_type=MEDIA_TYPE,
        headers={
            "Content-Disposition": f'attachment; filename="event-{managed}-{kind.value}.csv"',
            # It is full of people.
            "Cache-Control": "no-store",
        },
    )


async def _in_turn(
    turn: asyncio.Semaphore, rows: AsyncIterator[list[Record]]
) -> AsyncIterator[list[Record]]:
    """Read one page at a time, however many download at once."""
    while True:
        async with turn:
            page = await anext(rows, None)
            await asyncio.sleep(_REST_SECONDS)
        if page is None:
            return
        yield page
