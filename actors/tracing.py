"""Spans below the doors, and trace contexts as they travel in rows, valid without Redis.

1. A row remembers the span that caused it as a W3C traceparent; whoever takes the row up links
   its own span to that one.
2. Of an error a span tells the kind, never the message: drivers put rows into theirs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts.errors import Refusal
from contracts.order import Order

tracer = trace.get_tracer("guichet")

_propagator = TraceContextTextMapPropagator()


def context_of(traceparent: str | None) -> SpanContext | None:
    """Read a span's identity off a row; None for anything malformed."""
    if traceparent is None:
        return None
    # Read into an empty context: a malformed row must not pass for the span at work here.
    span = trace.get_current_span(_propagator.extract({"traceparent": traceparent}, Context()))
    context = span.get_span_context()
    return context if context.is_valid else None


def links_to(*traceparents: str | None) -> list[Link]:
    """Link to the spans that rows remember."""
    contexts = [context_of(traceparent) for traceparent in traceparents]
    return [Link(context) for context in contexts if context is not None]


def link(span: Span, traceparent: str | None) -> None:
    """Link *span* to the one a row remembers, unless both are of one trace already."""
    if not span.is_recording():
        return
    context = context_of(traceparent)
    if context is not None and context.trace_id != span.get_span_context().trace_id:
        span.add_link(context)


def describe_order(span: Span, order: Order) -> None:
    """Say on *span* which order it is about, and who would be paid how."""
    if not span.is_recording():
        return
    attempt = order.attempts[-1] if order.attempts else None
    span.set_attribute("guichet.order.id", order.id)
    span.set_attribute("guichet.order.status", order.status)
    span.set_attribute(
        "guichet.provider", attempt.request.provider if attempt else order.payment_channel
    )
    span.set_attribute("guichet.channel", order.channel or "none")


def work_span(
    name: str,
    *,
    attributes: Mapping[str, str | int],
    links: Sequence[Link] = (),
    context: Context | None = None,
) -> AbstractContextManager[Span]:
    """Span a piece of work; a refusal is told by its code and is no error.

    Below a span that is not sampled there is nothing to tell, and that span stands for this one.
    """
    parent = trace.get_current_span(context)
    about = parent.get_span_context()
    # Not whether it is recording: one that has ended is not, and may have been.
    if about.is_valid and not about.trace_flags.sampled:
        return nullcontext(parent)
    return _told(name, attributes=attributes, links=links, context=context)


@contextmanager
def _told(
    name: str,
    *,
    attributes: Mapping[str, str | int],
    links: Sequence[Link],
    context: Context | None,
) -> Iterator[Span]:
    with tracer.start_as_current_span(
        name,
        context=context,
        attributes=attributes,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Refusal as refusal:
            span.set_attribute("error.type", refusal.code)
            raise
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise


def commit_span(lane: str, waiting: Iterable[Span], *, size: int) -> AbstractContextManager[object]:
    """Span one commit, a root with a link to everyone who waits for it.

    Nothing at all when nobody who waits is recorded: this is on the way of every order.
    """
    contexts = [span.get_span_context() for span in waiting]
    links = [Link(context) for context in contexts if context.trace_flags.sampled]
    if not links:
        return nullcontext()
    attributes = {"guichet.group.size": size}
    return work_span(f"{lane}.commit", attributes=attributes, links=links, context=Context())
