"""What the metrics page says of the worker; the API's page merges it in."""

from prometheus_client import Counter, Gauge

JOBS = Counter(
    "guichet_jobs",
    "Rows the worker handled, and rounds that failed as a whole.",
    ["job", "outcome"],
)
HEARTBEAT = Gauge(
    "guichet_worker_heartbeat_timestamp_seconds",
    "When a worker last said it is alive.",
    multiprocess_mode="mostrecent",
)
INBOX_PENDING = Gauge(
    "guichet_inbox_pending",
    "Stored notices not processed yet.",
    multiprocess_mode="mostrecent",
)
INBOX_OLDEST_SECONDS = Gauge(
    "guichet_inbox_oldest_seconds",
    "Age of the oldest notice not processed yet.",
    multiprocess_mode="mostrecent",
)
INBOX_DEAD = Gauge(
    "guichet_inbox_dead",
    "Stored notices that a person must look at.",
    multiprocess_mode="mostrecent",
)
EFFECTS_PENDING = Gauge(
    "guichet_effects_pending",
    "Duties owed and not delivered yet.",
    multiprocess_mode="mostrecent",
)
EFFECTS_DEAD = Gauge(
    "guichet_effects_dead",
    "Duties given up; a person must look.",
    multiprocess_mode="mostrecent",
)
ORDERS_STUCK = Gauge(
    "guichet_orders_stuck",
    "Open orders that should have moved on ten minutes ago.",
    ["state"],
    multiprocess_mode="mostrecent",
)
UNPAID_THOUGH_HONOURED = Gauge(
    "guichet_orders_unpaid_though_honoured",
    "Orders that kept money without being paid; anything but 0 is a defect.",
    multiprocess_mode="mostrecent",
)

SETTLEMENTS_REPAIRED = Counter(
    "guichet_settlements_repaired",
    "Orders that kept money without being paid, and were made whole.",
)
INTENTS_EXPIRED = Counter(
    "guichet_intents_expired",
    "Intents that were ended because nobody did anything with them.",
)

# A row is done or failed; a round is stalled when its rows could not even be claimed.
OUTCOMES = ("done", "failed", "stalled")


def announce(job: str) -> None:
    """Show a job's counters at 0, so that its first failure counts as a rise."""
    for outcome in OUTCOMES:
        JOBS.labels(job, outcome)
