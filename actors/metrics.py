"""What is counted about turns, sales and leases."""

from prometheus_client import Counter, Histogram

TURNS = Counter(
    "guichet_turns", "Turns taken, by what was asked and how it ended.", ["command", "outcome"]
)
OVERTAKEN = Counter("guichet_fence_rejected", "Writes refused because the order had moved on.")
GROUP_SIZE = Histogram(
    "guichet_commit_group_size",
    "Turns or sales per commit.",
    ["lane"],
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
RETRIES = Counter("guichet_db_tx_retries", "Commits repeated after a conflict.", ["lane"])
CREATED = Counter("guichet_orders_created", "Orders made.", ["payment_channel"])
REFUSED = Counter("guichet_sales_refused", "Orders refused, by reason.", ["code"])
SETTLED = Counter(
    "guichet_orders_settled", "Orders paid, by how we came to know.", ["channel", "source", "late"]
)
PAYMENT_STATUS = Counter(
    "guichet_payment_status", "Attempts to pay, by how they ended.", ["status", "provider"]
)
REFUND_STATUS = Counter(
    "guichet_refund_status", "Refunds, by how they ended.", ["status", "provider"]
)
TRANSITIONS_SEEN = Counter(
    "guichet_order_transitions", "Moves of orders.", ["from_status", "to_status"]
)
QUARANTINED = Counter(
    "guichet_quarantine", "Verified money that contradicts its attempt.", ["reason"]
)
LEASE_FALLBACKS = Counter(
    "guichet_lock_fallback", "Commits that used advisory locks: Redis is away."
)
LEASES_MISSED = Counter("guichet_lock_missed", "Orders found leased by another process.")
PREPARED = Counter(
    "guichet_orders_prepared", "Attempts to open a way to pay.", ["channel", "outcome"]
)
NOTICES = Counter("guichet_notices", "Notices taken out of the inbox.", ["provider", "outcome"])
EVIDENCE = Counter(
    "guichet_evidence",
    "What providers sent about attempts: kept for audits, or lost and why.",
    ["provider", "outcome"],
)
