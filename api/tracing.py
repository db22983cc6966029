"""What a request says of itself in its span."""

from opentelemetry import trace
from opentelemetry.trace import format_span_id, format_trace_id

from actors.tracing import describe_order, link
from contracts.order import Order
from models.bridge import ReportedOrder
from models.order_views import OrderOverview


def trace_context() -> str | None:
    """Name the current span in the W3C form, to be stored with what it causes."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    trace_id, span_id = format_trace_id(context.trace_id), format_span_id(context.span_id)
    return f"00-{trace_id}-{span_id}-{context.trace_flags:02x}"


def mark_provider(provider: str) -> None:
    """Say whose notice this request is."""
    trace.get_current_span().set_attribute("guichet.provider", provider)


def mark_order(order: Order) -> None:
    """Say which order this request is about, and link it to the request that made the order."""
    span = trace.get_current_span()
    describe_order(span, order)
    link(span, order.trace_ctx)


def mark_view(order: OrderOverview | ReportedOrder) -> None:
    """Say which order this request only looks at."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("guichet.order.id", order.id)
        span.set_attribute("guichet.provider", order.payment_channel)
        span.set_attribute("guichet.channel", order.channel or "none")
