"""Traces: the one place that owns the OpenTelemetry SDK.

1. Set up once per process, after it was forked or spawned: exporters own threads.
2. Without a collector nothing is recorded, yet every span has valid ids, so that what is stored
   with an order still links up.
3. A collector that is down or hangs costs spans and nothing else: what does not fit is dropped,
   and the end of the process waits a second at most.
4. What a span says of its order holds for the spans that begin below it.
"""

import logging
import threading
from urllib.parse import urlsplit

import requests
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from runtime.addresses import is_loopback

# The supervisor gives a process two seconds to end; its work comes first.
_LAST_SEND_SECONDS = 1.0
_EXPORT_TIMEOUT_SECONDS = 5
# Often enough to follow one purchase by eye, seldom enough to fill a batch in a hot sale.
_EXPORT_EVERY_MS = 1000
_INHERITED = ("guichet.order.id", "guichet.provider", "guichet.channel")


def start_telemetry(process: str, endpoint: str | None) -> None:
    """Give this process a tracer that sends to *endpoint*, or nowhere. Later calls do nothing."""
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    resource = Resource.create({"service.name": f"guichet-{process}"})
    if endpoint:
        # The SDK's own end at exit waits half a minute for a collector that hangs.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(_Inheritance())
        provider.add_span_processor(
            BatchSpanProcessor(_exporter(endpoint), schedule_delay_millis=_EXPORT_EVERY_MS)
        )
    else:
        provider = TracerProvider(resource=resource, sampler=ParentBased(ALWAYS_OFF))
    trace.set_tracer_provider(provider)


def stop_telemetry() -> None:
    """Send what is still waiting; what the collector does not take in a second is lost."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        # In a thread that may be left behind: the SDK takes no time limit here.
        sending = threading.Thread(target=provider.shutdown, daemon=True)
        sending.start()
        sending.join(_LAST_SEND_SECONDS)


class _Inheritance(SpanProcessor):
    """Repeats what a span says of its order on the spans that begin below it."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        parent = trace.get_current_span(parent_context)
        if not isinstance(parent, ReadableSpan) or not parent.attributes:
            return
        said, own = parent.attributes, span.attributes or {}
        for name in _INHERITED:
            if name in said and name not in own:
                span.set_attribute(name, said[name])


def _exporter(endpoint: str) -> OTLPSpanExporter:
    # Each failed batch is one error line; its tries need none.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    session = requests.Session()
    # A proxy would look for this machine's collector on its own machine.
    session.trust_env = not is_loopback(urlsplit(endpoint).hostname or "")
    # The setting names the collector; the path of its signal is added, as the SDK would.
    url = f"{endpoint.rstrip('/')}/v1/traces"
    return OTLPSpanExporter(endpoint=url, timeout=_EXPORT_TIMEOUT_SECONDS, session=session)
