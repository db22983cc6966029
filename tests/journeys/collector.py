"""A collector of traces: takes what the service's processes send, and shows it as a graph."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2

Value: TypeAlias = str | int | float | bool


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One span as it was sent; it points to its parent and to what it links to."""

    process: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: frozenset[str]
    attributes: dict[str, Value]

    @property
    def points_to(self) -> frozenset[str]:
        """The spans it names."""
        return self.links | {self.parent_id} if self.parent_id else self.links

    @property
    def is_shared(self) -> bool:
        """Whether it works for many at once: a commit of a group, a round of a sweep."""
        return self.name.endswith((".commit", ".sweep"))


class Collector:
    """What was received so far."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._read = 0
        self._spans: list[Span] = []
        self._lock = threading.Lock()

    def spans(self) -> list[Span]:
        """List every span, in the order of arrival."""
        with self._lock:
            for body in self.bodies[self._read :]:
                self._read += 1
                self._spans += _spans_of(body)
            return list(self._spans)

    def around(self, start: Span) -> list[Span]:
        """List the spans that parents and links join to *start*, itself among them.

        What works for many belongs to each of them, but joins nobody to anybody: else all who
        were ever in one group would be one story.
        """
        spans = self.spans()
        neighbours = _neighbours(spans)
        reached, beyond = {start.span_id}, [start.span_id]
        shared = {span.span_id for span in spans if span.is_shared}
        while beyond:
            for span_id in neighbours.get(beyond.pop(), set()) - reached:
                reached.add(span_id)
                if span_id not in shared:
                    beyond.append(span_id)
        return [span for span in spans if span.span_id in reached]


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """Listen on a port of this machine; yields what is received and the address to send to."""
    collector = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield collector, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _neighbours(spans: Iterable[Span]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for span in spans:
        for other in span.points_to:
            found.setdefault(span.span_id, set()).add(other)
            found.setdefault(other, set()).add(span.span_id)
    return found


def _spans_of(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        named = {each.key: _value(each.value) for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _span(str(named["service.name"]), span)


def _span(process: str, span: trace_pb2.Span) -> Span:
    return Span(
        process=process,
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=frozenset(link.span_id.hex() for link in span.links),
        attributes={each.key: _value(each.value) for each in span.attributes},
    )


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    assert kind is not None
    found: Value = getattr(value, kind)
    return found
