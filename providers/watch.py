"""Every call to a provider in the traces, the metrics and, when only a person can help, the log."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from time import perf_counter

import structlog
from opentelemetry import trace

from contracts.states import Channel
from providers import metrics
from providers.provider import ProviderError

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_tracer = trace.get_tracer("guichet.providers")


class Outcome:
    """How a call ended; *code* is from a closed set."""

    def __init__(self) -> None:
        self.code = "cancelled"


@contextmanager
def watched_call(
    provider: str, operation: str, channel: Channel | None, *, faults: Collection[str]
) -> Iterator[Outcome]:
    """Watch one call; whoever makes it says how it ended, unless it ends in a ProviderError.

    *faults* are the codes that only a person can put right.
    """
    outcome, started = Outcome(), perf_counter()
    with _tracer.start_as_current_span(
        f"{provider}.{operation}",
        kind=trace.SpanKind.CLIENT,
        attributes=_attributes(provider, channel),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield outcome
        except ProviderError as error:
            outcome.code = error.code
            span.set_status(trace.StatusCode.ERROR, error.code)
            if error.code in faults:
                _tell_configuration_fault(error)
            raise
        finally:
            span.set_attribute("guichet.provider.code", outcome.code)
            metrics.record(provider, operation, outcome.code, perf_counter() - started)


def _attributes(provider: str, channel: Channel | None) -> dict[str, str]:
    named = {"guichet.provider": provider}
    return named if channel is None else named | {"guichet.channel": channel.value}


def _tell_configuration_fault(error: ProviderError) -> None:
    _log.error(
        "payments.provider.misconfigured",
        provider=error.provider,
        operation=error.operation,
        code=error.code,
    )
