"""A problem told where the framework is not: at the front desk, and to what is no request."""

from http import HTTPStatus
from typing import Final

import msgspec

from api.problems import MEDIA_TYPE

_CODES: Final = {
    HTTPStatus.BAD_REQUEST: "INVALID_REQUEST",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "BODY_TOO_LARGE",
    HTTPStatus.REQUEST_TIMEOUT: "REQUEST_TIMEOUT",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "HEADERS_TOO_LARGE",
    HTTPStatus.SERVICE_UNAVAILABLE: "OVERLOADED",
}


def bare_problem(status: HTTPStatus) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Build the headers and the body of an answer that is the last on its connection."""
    body = msgspec.json.encode(
        {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": status.description or status.phrase,
            "code": _CODES.get(status, "INTERNAL"),
        }
    )
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        # What the client had still to say is not read, so it could not be told from a request.
        (b"connection", b"close"),
    ]
    return headers, body
