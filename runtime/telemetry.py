"""Traces: the one place that owns the OpenTelemetry SDK.

1. Set up once per process, after it was forked or spawned: exporters own threads.
2. Without a collector nothing is recorded, yet every span has valid ids, so that what is stored
   with an order still links up.
"""

from urllib.parse import urlsplit

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from runtime.addresses import is_loopback

# A collector that does not answer must not hold up the end of the process.
_FLUSH_TIMEOUT_MS = 1000
_EXPORT_TIMEOUT_SECONDS = 5
# Often enough to follow one purchase by eye, seldom enough to fill a batch in a hot sale.
_EXPORT_EVERY_MS = 1000


def start_telemetry(process: str, endpoint: str | None) -> None:
    """Give this process a tracer that sends to *endpoint*, or nowhere. Later calls do nothing."""
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    resource = Resource.create({"service.name": f"guichet-{process}"})
    if endpoint:
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(
            BatchSpanProcessor(_exporter(endpoint), schedule_delay_millis=_EXPORT_EVERY_MS)
        )
    else:
        provider = TracerProvider(resource=resource, sampler=ParentBased(ALWAYS_OFF))
    trace.set_tracer_provider(provider)


def stop_telemetry() -> None:
    """Send what is still waiting."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(_FLUSH_TIMEOUT_MS)


def _exporter(endpoint: str) -> OTLPSpanExporter:
    session = requests.Session()
    # A proxy would look for this machine's collector on its own machine.
    session.trust_env = not is_loopback(urlsplit(endpoint).hostname or "")
    # The setting names the collector; the path of its signal is added, as the SDK would.
    url = f"{endpoint.rstrip('/')}/v1/traces"
    return OTLPSpanExporter(endpoint=url, timeout=_EXPORT_TIMEOUT_SECONDS, session=session)
