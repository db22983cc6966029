"""Money back for an order, whoever took it: one call for every provider."""

import msgspec

from actors.actor import Actor
from actors.manual import ask_for_refund
from contracts.commands import RequestRefund
from contracts.order import Order
from contracts.states import RefundStatus
from models.engine import Database
from models.refunds import refund_id_of


class OrderRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund and where it stands; without an id where there was no money to send back."""

    order: Order
    refund_id: int | None
    refund_no: str | None
    status: RefundStatus
    amount_minor: int
    is_new: bool


async def refund_order_payment(
    actor: Actor, database: Database, wanted: RequestRefund
) -> OrderRefund:
    """Owe money of a paid order back, at the provider that has it; the worker asks it for that.

    Repeating it with one key finds the same refund again; only one with a key is safe to repeat.

    :raises contracts.errors.Conflict: nothing was paid, or not that much is left.
    :raises contracts.errors.IdempotencyMismatch: the key was used for another refund.
    """
    asked = await ask_for_refund(actor, wanted)
    if asked.refund is None:
        return OrderRefund(
            order=asked.order,
            refund_id=None,
            refund_no=None,
            status=RefundStatus.SUCCEEDED,
            amount_minor=0,
            is_new=False,
        )
    return OrderRefund(
        order=asked.order,
        refund_id=await refund_id_of(database, asked.refund.refund_no),
        refund_no=asked.refund.refund_no,
        status=asked.refund.status,
        amount_minor=asked.refund.amount.amount_minor,
        is_new=asked.is_new,
    )
