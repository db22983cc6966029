"""Money back by the payments API: asked for under a key, gone on with, or asked for again.

The turns are those of every refund; here a key is given its first answer again, and where answers
may wait for the provider they do.
"""

import hashlib
from typing import Final

import msgspec

from actors.actor import Actor
from actors.decide_refund_request import again_key, newest_again
from actors.manual import Asked, ask_for_refund
from actors.refund_calls import RefundCalls
from contracts import errors
from contracts.commands import RequestRefund
from contracts.order import Order, Refund
from contracts.states import REFUNDS_IN_VAIN, REFUNDS_UNDER_WAY, RefundStatus
from models.engine import Database
from models.payment_keys import Key, recall, remember
from models.refunds import ManagedRefund, refund_id_of

# What a refund remembers beside its key must fit the column.
_KEY_MAX: Final = 200


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A refund and where it stands; without an id where there was no money to send back."""

    refund_id: int | None
    status: RefundStatus
    is_new: bool = False
    order: Order | None = None


class RefundDesk:
    """Sends money back on behalf of who manages an event, for one process.

    Without *webhook_only* a refund is pursued before it is answered.
    """

    def __init__(
        self, *, database: Database, actor: Actor, refunds: RefundCalls, webhook_only: bool = True
    ) -> None:
        self._database = database
        self._actor = actor
        self._refunds = refunds
        self._webhook_only = webhook_only

    async def ask(self, command: RequestRefund, key: Key) -> Told:
        """Owe money back once per key, which the order holds.

        :raises contracts.errors.IdempotencyMismatch: the key was used with another body.
        :raises contracts.errors.Conflict: nothing was paid, or not that much is left.
        """
        earlier = await recall(self._database, key)
        if earlier is not None:
            return Told(refund_id=earlier.target_id, status=RefundStatus(earlier.status))
        named = msgspec.structs.replace(command, idempotency_key=_kept(key.key))
        return await self._answer(await ask_for_refund(self._actor, named), key)

    async def retry(self, refund: ManagedRefund, key: Key | None, *, by_user_id: int) -> Told:
        """Go on with a refund: the same number while it is under way, another once it was in vain.

        A refund that failed or came back is asked for again once, however often that is wished.
        Once that one was in vain too, it is the one to be asked for again.

        :raises contracts.errors.IdempotencyMismatch: the key was used with another body.
        :raises contracts.errors.Conflict: it is not ours, or its money has gone back otherwise.
        """
        earlier = None if key is None else await recall(self._database, key)
        if earlier is not None:
            return Told(refund_id=earlier.target_id, status=RefundStatus(earlier.status))
        order = await self._actor.load(refund.order_id)
        found = order.refund(refund.refund_no)
        if found is None:
            raise errors.NotFound
        found = newest_again(order, found)
        if found.status not in REFUNDS_IN_VAIN:
            return await self._go_on(order, found, key)
        command = RequestRefund(
            order_id=order.id,
            reason=found.reason,
            by_user_id=by_user_id,
            amount_minor=found.amount.amount_minor,
            idempotency_key=again_key(found.refund_no),
            again=found.refund_no,
        )
        return await self._answer(await ask_for_refund(self._actor, command), key)

    async def _go_on(self, order: Order, refund: Refund, key: Key | None) -> Told:
        if refund.status in REFUNDS_UNDER_WAY and self._webhook_only:
            self._refunds.pursue_soon(order.id, refund.refund_no)
        order, status = await self._pursued(order, refund)
        refund_id = await refund_id_of(self._database, refund.refund_no)
        told = Told(refund_id=refund_id, status=status, order=order)
        return await self._first(told, key)

    async def _answer(self, asked: Asked, key: Key | None) -> Told:
        if asked.refund is None:
            return Told(refund_id=None, status=RefundStatus.SUCCEEDED, order=asked.order)
        refund_id = await refund_id_of(self._database, asked.refund.refund_no)
        order, status = await self._pursued(asked.order, asked.refund)
        told = Told(refund_id=refund_id, status=status, is_new=asked.is_new, order=order)
        return await self._first(told, key)

    async def _pursued(self, order: Order, refund: Refund) -> tuple[Order, RefundStatus]:
        if self._webhook_only or refund.status not in REFUNDS_UNDER_WAY:
            return order, refund.status
        order = await self._refunds.pursue_briefly(order.id, refund.refund_no)
        after = order.refund(refund.refund_no) or refund
        return order, after.status

    async def _first(self, told: Told, key: Key | None) -> Told:
        """Remember an answer, or give the one that was quicker."""
        if key is None or told.refund_id is None:
            return told
        first = await remember(
            self._database, key, target_id=told.refund_id, status=told.status.value
        )
        if first is None:
            return told
        status = RefundStatus(first.status)
        return msgspec.structs.replace(told, refund_id=first.target_id, status=status)


def _kept(key: str) -> str:
    return key if len(key) <= _KEY_MAX else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
