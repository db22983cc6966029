"""Where traces and measurements go."""

from dataclasses import dataclass
from typing import Annotated

from runtime.groups.kinds import Url
from runtime.registry import about


@dataclass(frozen=True, kw_only=True, repr=False)
class TelemetrySettings:
    """Where traces and measurements go."""

    otel_exporter_otlp_endpoint: Annotated[
        Url | None, about("telemetry", "Where traces go, OTLP over HTTP; unset: nowhere.")
    ] = None
    prometheus_multiproc_dir: Annotated[
        str | None, about("telemetry", "Folder in which all processes share their metrics.")
    ] = None
