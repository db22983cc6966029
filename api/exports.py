"""The door through which organizers take their event's books home."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from api.organizers import managed_event
from api.problems import documented
from api.rooms import Visitor, house_of
from api.spreadsheets import MEDIA_TYPE, spreadsheet
from models.exports import COLUMNS, ExportKind, pages


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
    rows = pages(house_of(request).database, managed, kind)
    return Stream(
        spreadsheet(COLUMNS[kind], rows),
        media_type=MEDIA_TYPE,
        headers={
            "Content-Disposition": f'attachment; filename="event-{managed}-{kind.value}.csv"',
            # It is full of people.
            "Cache-Control": "no-store",
        },
    )
