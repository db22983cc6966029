"""What the worker measures between its duties."""

import time

from contracts.states import OrderStatus
from jobs import metrics
from models.backlog import backlog
from models.engine import Database


async def beat() -> bool:
    """Say that the worker is alive."""
    metrics.HEARTBEAT.set(time.time())
    return False


async def measure(database: Database) -> bool:
    """Show how much waits, and for how long."""
    waiting = await backlog(database)
    metrics.INBOX_PENDING.set(waiting.inbox_pending)
    metrics.INBOX_OLDEST_SECONDS.set(waiting.inbox_oldest_seconds)
    metrics.INBOX_DEAD.set(waiting.inbox_dead)
    metrics.EFFECTS_PENDING.set(waiting.effects_pending)
    metrics.EFFECTS_DEAD.set(waiting.effects_dead)
    metrics.ORDERS_STUCK.labels(OrderStatus.PENDING.value).set(waiting.pending_stuck)
    metrics.ORDERS_STUCK.labels(OrderStatus.CLOSING.value).set(waiting.closing_stuck)
    return False
