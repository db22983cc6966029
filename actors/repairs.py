"""Orders that kept money without being paid are made whole, or put before a person."""

import structlog

from actors.actor import Actor
from actors.decide_repair import obstacle_to_repair
from contracts.commands import RepairSettlement
from contracts.effects import Case, CaseKind
from contracts.events import SettlementRepaired
from contracts.order import Order
from models.engine import Database
from models.inbox import open_case

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


class Repairs:
    """Mends one order after another. Safe to repeat, and in many processes at once."""

    def __init__(self, *, actor: Actor, database: Database) -> None:
        self._actor = actor
        self._database = database

    async def mend(self, order_id: int) -> bool:
        """Settle an order by the payment it kept; False where there was nothing to do, or no way.

        Where a person must do it, a case is opened, once.
        """
        turn = await self._actor.take_turn(RepairSettlement(order_id=order_id))
        if any(isinstance(event, SettlementRepaired) for event in turn.events):
            log.info("payments.reconcile.succeeded", order_id=order_id)
            return True
        obstacle = obstacle_to_repair(turn.order)
        if obstacle is not None:
            log.error("payments.reconcile.failed", order_id=order_id, reason=obstacle)
            await open_case(self._database, _case(turn.order, obstacle))
        return False


def _case(order: Order, obstacle: str) -> Case:
    return Case(
        kind=CaseKind.PAYMENT_MISMATCH,
        subject=f"settlement:{order.id}",
        reason=obstacle,
        details={"order_no": order.order_no, "order_status": order.status},
    )
