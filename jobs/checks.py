"""What the worker measures and checks between its duties."""

import time

import structlog

from contracts.states import OrderStatus
from jobs import metrics
from models.backlog import backlog, unpaid_though_honoured
from models.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


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


async def check_settlements(database: Database) -> bool:
    """Report orders that kept money without being paid; mending them is a person's decision."""
    order_ids = await unpaid_though_honoured(database)
    metrics.UNPAID_THOUGH_HONOURED.set(len(order_ids))
    if order_ids:
        log.error("repair.unpaid_though_honoured", count=len(order_ids), order_id=order_ids[0])
    return False
