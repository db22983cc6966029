"""What the metrics page says of the doors."""

from functools import lru_cache

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "guichet_http_requests", "Requests answered, by route.", ["route", "method", "status"]
)
SECONDS = Histogram(
    "guichet_http_request_seconds",
    "How long requests took, from the first byte to the last.",
    ["route", "method"],
    # A sale takes milliseconds; a prepare waits for a provider up to ten seconds.
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
NOTICES = Counter(
    "guichet_webhook_requests",
    "Notices at the door, by what became of them.",
    ["provider", "outcome"],
)
PREPARES = Counter(
    "guichet_prepares",
    "Wishes to pay, by channel and what became of them: OK or a refusal's code.",
    ["channel", "code"],
)
# The codes are a closed list, whatever a client sends: every word would be a series for ever.
BRIDGE_REPORTS = Counter(
    "guichet_bridge_reports",
    "What pages say of payments through the Mini Program bridge; nothing is decided by it.",
    ["channel", "code"],
)
LEGACY_READS = Counter(
    "guichet_legacy_fields_read",
    "Answers with the fields of older clients, to clients that did not say where they are.",
    ["channel"],
)


@lru_cache(maxsize=1024)
def _request_counter(route: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(route, method, str(status))


@lru_cache(maxsize=256)
def _request_clock(route: str, method: str) -> Histogram:
    return SECONDS.labels(route, method)


def record_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count one answered request; *route* is a template and *method* a known word."""
    _request_counter(route, method, status).inc()
    _request_clock(route, method).observe(seconds)
