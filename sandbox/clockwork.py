"""The one loop that makes things happen when their time has come."""

import time
from collections.abc import Mapping

from sandbox.alarm import Alarm
from sandbox.delivery import Delivery
from sandbox.provider import Provider
from sandbox.store import Store


async def run(
    *, store: Store, providers: Mapping[str, Provider], delivery: Delivery, alarm: Alarm
) -> None:
    """Settle refunds and send notices for ever; the waits end early when something new is due."""
    while True:
        now_ms = time.time_ns() // 1_000_000
        for refund in store.due_refunds(now_ms):
            providers[refund.provider].settle_refund(refund, "success")
        instants = (delivery.dispatch_due(now_ms), store.next_refund_at_ms())
        await alarm.wait(min((at for at in instants if at is not None), default=None))
