"""Trace contexts as they travel in rows: W3C traceparent strings, valid without Redis."""

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts.order import Order

tracer = trace.get_tracer("guichet")

_propagator = TraceContextTextMapPropagator()


def current_traceparent() -> str | None:
    """Write down the current span, for a row."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def context_of(traceparent: str | None) -> SpanContext | None:
    """Read a span's identity off a row; None for anything malformed."""
    if traceparent is None:
        return None
    span = trace.get_current_span(_propagator.extract({"traceparent": traceparent}))
    context = span.get_span_context()
    return context if context.is_valid else None


def links_to(*traceparents: str | None) -> list[Link]:
    """Link to the spans that rows remember."""
    contexts = [context_of(traceparent) for traceparent in traceparents]
    return [Link(context) for context in contexts if context is not None]


def describe_order(span: trace.Span, order: Order) -> None:
    """Put an order's identity on a span, and link the span to the order's beginning."""
    attempt = order.attempts[-1] if order.attempts else None
    span.set_attribute("guichet.order.id", order.id)
    span.set_attribute("guichet.order.status", order.status)
    span.set_attribute(
        "guichet.provider", attempt.request.provider if attempt else order.payment_channel
    )
    span.set_attribute("guichet.channel", order.channel or "none")
    context = context_of(order.trace_ctx)
    if context is not None and context.trace_id != span.get_span_context().trace_id:
        span.add_link(context)
