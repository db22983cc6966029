"""What every request passes before the framework sees it: its size, its span, its count.

1. A body is read whole before anything is decided, and never more of it than a limit: what is too
   large but delivered is drained, so that the client reads our answer instead of a broken pipe.
2. A side door is offered its requests before the framework is.
3. A span is named by method and route template and is always a root: a stranger's trace context
   at a public door could make us record anything.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from time import perf_counter
from typing import Final

import structlog
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPRequestEvent,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    HTTPScope,
    Message,
    Receive,
    ReceiveMessage,
    Scope,
    Send,
)
from opentelemetry import context as otel_context
from opentelemetry import trace

from api.bare_problem import bare_problem
from api.metrics import record_request
from api.side_doors import SideDoor, taken_by

BODY_BYTES_MAX: Final = 256 * 1024
NOTICE_BYTES_MAX: Final = 64 * 1024
DRAINED_BYTES_MAX: Final = 1024 * 1024
# A sale's first second: who cannot be served at once waits with what it has sent, and no more.
IN_FLIGHT_MAX: Final = 1024
_NOTICE_PATHS: Final = (
    *("/api/webhooks/", "/payments/webhook"),
    *("/api/callback/", "/api/order/stripe/webhook"),
)
# Whoever starts us anew when we do not answer must not do so because we are busy.
_ALWAYS_OPEN: Final = frozenset({"/health/live", "/health/ready"})
_NO_PLACE: Final = contextlib.nullcontext()
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KNOWN_METHODS: Final = _WITH_BODY | {"GET", "HEAD", "OPTIONS"}
_NO_CONTEXT: Final = otel_context.Context()

_tracer = trace.get_tracer("guichet.api")
log: structlog.stdlib.BoundLogger = structlog.get_logger("api")


class Refused(Exception):
    """The body was not taken; *status* says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class FrontDesk:
    """The outermost ASGI application; *side_doors* by path take what is posted most."""

    def __init__(self, app: ASGIApp, side_doors: Mapping[str, SideDoor] | None = None) -> None:
        self._app = app
        self._side_doors = side_doors or {}
        self._places = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; everything else passes untouched."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, send)
        span = _tracer.start_span("HTTP", _NO_CONTEXT, kind=trace.SpanKind.SERVER)
        token = otel_context.attach(trace.set_span_in_context(span, _NO_CONTEXT))
        try:
            await self._serve(visit, receive)
        finally:
            otel_context.detach(token)
            visit.record(span)
            span.end()

    async def _serve(self, visit: "_Visit", receive: Receive) -> None:
        try:
            body = None
            if visit.method in _WITH_BODY:
                body = await _read(receive, _limit(visit.scope["path"]))
                receive = _replayed(body, receive)
            # Not before: whoever is slow to send would keep a place from the others.
            async with _NO_PLACE if visit.scope["path"] in _ALWAYS_OPEN else self._places:
                if body is None or not await self._taken_aside(visit, body):
                    await self._app(visit.scope, receive, visit.send)
        except Refused as refused:
            await visit.refuse(refused.status)
        except asyncio.CancelledError:
            # We are told to end and have waited for it as long as we may.
            await visit.refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            raise
        except Exception:  # the last place that can answer
            log.exception("api.request.failed", method=visit.method)
            await visit.refuse(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _taken_aside(self, visit: "_Visit", body: bytes) -> bool:
        door = self._side_doors.get(visit.scope["path"]) if visit.method == "POST" else None
        if door is None or not await taken_by(door, visit.scope, body):
            return False
        visit.scope["path_template"] = visit.scope["path"]
        await visit.thank()
        return True


class _Visit:
    """One request and what became of it."""

    __slots__ = ("_send", "_started", "method", "scope", "status")

    def __init__(self, scope: HTTPScope, send: Send) -> None:
        self.scope = scope
        self.method = scope["method"] if scope["method"] in _KNOWN_METHODS else "OTHER"
        self.status = 0
        self._send = send
        self._started = perf_counter()

    async def send(self, message: Message) -> None:
        """Pass an answer on and remember its status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def thank(self) -> None:
        """Answer that the request was taken, and nothing else."""
        await self.send(_TAKEN)
        await self.send(_NOTHING)

    async def refuse(self, status: HTTPStatus) -> None:
        """Answer with a problem, unless an answer has begun."""
        if self.status:
            return
        headers, body = bare_problem(status)
        await self.send({"type": "http.response.start", "status": status.value, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def record(self, span: trace.Span) -> None:
        """Count the request and name its span."""
        route = str(self.scope.get("path_template") or "unmatched")
        record_request(route, self.method, self.status, perf_counter() - self._started)
        if span.is_recording():
            span.update_name(f"{self.method} {route}")
            span.set_attribute("http.request.method", self.method)
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", self.status)
            if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                span.set_status(trace.StatusCode.ERROR)


_TAKEN: Final[HTTPResponseStartEvent] = {
    "type": "http.response.start",
    "status": HTTPStatus.NO_CONTENT.value,
    "headers": [],
}
_NOTHING: Final[HTTPResponseBodyEvent] = {
    "type": "http.response.body",
    "body": b"",
    "more_body": False,
}


def _replayed(body: bytes, receive: Receive) -> Receive:
    whole: HTTPRequestEvent = {"type": "http.request", "body": body, "more_body": False}
    waiting: list[HTTPRequestEvent] = [whole]

    async def replayed() -> ReceiveMessage:
        return waiting.pop() if waiting else await receive()

    return replayed


def _limit(path: str) -> int:
    return NOTICE_BYTES_MAX if path.startswith(_NOTICE_PATHS) else BODY_BYTES_MAX


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(HTTPStatus.BAD_REQUEST)
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > DRAINED_BYTES_MAX:
            break
    if size > limit:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return b"".join(parts)
