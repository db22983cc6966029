"""What the metrics page says of our calls to providers."""

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "guichet_provider_requests",
    "Calls made to payment providers, by how they ended.",
    ["provider", "operation", "code"],
)
SECONDS = Histogram(
    "guichet_provider_request_seconds",
    "How long calls to payment providers took, signing and checking included.",
    ["provider", "operation"],
    # A signature costs a millisecond and the slowest call is cut off after ten seconds.
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


def record(provider: str, operation: str, code: str, seconds: float) -> None:
    """Count one finished call; *code* comes from a closed set."""
    REQUESTS.labels(provider, operation, code).inc()
    SECONDS.labels(provider, operation).observe(seconds)
