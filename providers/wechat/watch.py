"""Every call to WeChat in the traces, the metrics and, when only a person can help, the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import structlog
from opentelemetry import trace

from contracts.states import Channel
from providers import metrics
from providers.provider import ProviderError
from providers.wechat import errors, exchange
from providers.wechat.words import PROVIDER

_CONFIGURATION_FAULTS = errors.CONFIGURATION_FAULTS | exchange.CONFIGURATION_FAULTS
_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_tracer = trace.get_tracer("guichet.providers")


class Outcome:
    """How a call ended; *code* is from a closed set."""

    def __init__(self) -> None:
        self.code = "cancelled"


@contextmanager
def watched(operation: str, channel: Channel | None = None) -> Iterator[Outcome]:
    """Watch one call; whoever makes it says how it ended, unless it ends in a ProviderError."""
    outcome, started = Outcome(), perf_counter()
    with _tracer.start_as_current_span(
        f"{PROVIDER}.{operation}",
        kind=trace.SpanKind.CLIENT,
        attributes=_attributes(channel),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield outcome
        except ProviderError as error:
            outcome.code = error.code
            span.set_status(trace.StatusCode.ERROR, error.code)
            _tell_configuration_fault(error)
            raise
        finally:
            span.set_attribute("guichet.provider.code", outcome.code)
            metrics.record(PROVIDER, operation, outcome.code, perf_counter() - started)


def _attributes(channel: Channel | None) -> dict[str, str]:
    provider = {"guichet.provider": PROVIDER}
    return provider if channel is None else provider | {"guichet.channel": channel.value}


def _tell_configuration_fault(error: ProviderError) -> None:
    if error.code in _CONFIGURATION_FAULTS:
        _log.error(
            "payments.provider.misconfigured",
            provider=error.provider,
            operation=error.operation,
            code=error.code,
        )
