"""What becomes of a person's wish to send money back. Pure.

1. Refunds that did not fail never exceed what was settled.
2. A key finds the refund it made, whatever has become of it; with another content it finds none.
"""

import hashlib

import msgspec

from actors.decide_refund import with_status
from actors.refund_marks import markable_invites, markable_registrations, seats_of_the_rest
from actors.refund_numbers import next_refund_no
from contracts import errors
from contracts.commands import RequestRefund
from contracts.events import OrderEvent, OrderRefunded, RefundAdvanced, RefundRequested
from contracts.facts import FactSource
from contracts.money import Money
from contracts.order import Order, Payment, Refund
from contracts.states import REFUNDS_IN_VAIN, OrderStatus, RefundKind, RefundStatus

# WeChat Pay takes no more parts of one payment.
MAX_PARTS = 50
_ASKED = "asked:"


def request_refund(order: Order, command: RequestRefund) -> list[OrderEvent]:
    """Owe money back, once per key, and mark the seats that go with it.

    :raises contracts.errors.IdempotencyMismatch: the key made another refund.
    :raises contracts.errors.RefundExceedsPaid: not that much is left.
    :raises contracts.errors.InvalidState: nothing was paid, or a named seat is not to be had.
    :raises contracts.errors.NotFound: a named seat is not the order's.
    """
    if earlier_refund(order, command) is not None:
        return []
    settlement = _settlement(order) if command.again is None else _failed(order, command.again)
    left = order.left_minor(settlement)
    if settlement.paid.amount_minor == 0 and command.amount_minor is None:
        return _end_for_nothing(order, command)
    amount = left if command.amount_minor is None else command.amount_minor
    if not 0 < amount <= left:
        raise errors.RefundExceedsPaid(refundable=left)
    if len(order.refunds_of(settlement)) >= MAX_PARTS:
        raise errors.InvalidState(f"A payment goes back in at most {MAX_PARTS} parts.")
    requested = _requested(order, command, settlement, amount)
    return with_status(order, [requested, *_moved_by_hand(requested.refund, settlement)])


def earlier_refund(order: Order, command: RequestRefund) -> Refund | None:
    """Find the refund that the command's key has made.

    :raises contracts.errors.IdempotencyMismatch: it was made by another content.
    """
    if command.idempotency_key is None:
        return None
    for refund in order.refunds:
        content, key = _asked_by(refund)
        if key == command.idempotency_key:
            if content != _content(command):
                raise errors.IdempotencyMismatch
            return refund
    return None


def again_key(refund_no: str) -> str:
    """Name the key under which a refund that failed is asked for again, once."""
    return f"retry:{refund_no}"


def newest_again(order: Order, refund: Refund) -> Refund:
    """Find the refund by which another was last asked for again, or that itself."""
    for later in order.refunds:
        if _asked_by(later)[1] == again_key(refund.refund_no):
            refund = later
    return refund


def _end_for_nothing(order: Order, command: RequestRefund) -> list[OrderEvent]:
    """End an order that cost nothing; having ended, it has nothing more to give."""
    if any(_marks(order, command)):
        raise errors.InvalidState("This order cost nothing: it ends whole, so name no seat.")
    if order.status is OrderStatus.REFUNDED:
        return []
    return [OrderRefunded(reason=command.reason, by_user_id=command.by_user_id)]


def _settlement(order: Order) -> Payment:
    settlement = order.settlement
    if settlement is not None and settlement.paid.amount_minor == 0:
        return settlement
    # What had gone back may have come back since: by a refund that failed late, a dispute won.
    if order.status not in (OrderStatus.PAID, OrderStatus.REFUNDED) or settlement is None:
        raise errors.InvalidState("The order is not paid.")
    return settlement


def _failed(order: Order, number: str) -> Payment:
    """Find the payment whose money did not go back."""
    refund = order.refund(number)
    if refund is None:
        raise errors.NotFound
    if refund.status not in REFUNDS_IN_VAIN or refund.kind is not RefundKind.OURS:
        raise errors.InvalidState(
            "Only a refund of ours that failed, or came back, is asked for again."
        )
    return order.payment_of(refund)


def _requested(
    order: Order, command: RequestRefund, settlement: Payment, amount_minor: int
) -> RefundRequested:
    number = next_refund_no(order, settlement.attempt_no)
    invite_ids, registration_ids = _marks(order, command)
    # What the order could not keep has no seats.
    if settlement.honoured and amount_minor == order.left_minor(settlement):
        of_the_rest = seats_of_the_rest(order, settlement)
        invite_ids = sorted({*invite_ids, *of_the_rest[0]})
        registration_ids = sorted({*registration_ids, *of_the_rest[1]})
    refund = Refund(
        refund_no=number,
        provider=settlement.provider,
        provider_txn_id=settlement.provider_txn_id,
        attempt_no=settlement.attempt_no,
        amount=Money(amount_minor=amount_minor, currency=settlement.paid.currency),
        status=RefundStatus.REQUESTED,
        reason=command.reason,
        idempotency_key=_stored_key(command, number),
        kind=RefundKind.OURS,
    )
    return RefundRequested(
        refund=refund,
        invite_ids=tuple(invite_ids),
        registration_ids=tuple(registration_ids),
        by_user_id=command.by_user_id,
    )


def _marks(order: Order, command: RequestRefund) -> tuple[list[int], list[int]]:
    invite_ids, registration_ids = set(command.invite_ids), set(command.registration_ids)
    if not (
        invite_ids <= {invite.id for invite in order.invites}
        and registration_ids <= {place.id for place in order.registrations}
    ):
        raise errors.NotFound("The order has no such seat.")
    if not (
        invite_ids <= set(markable_invites(order))
        and registration_ids <= set(markable_registrations(order))
    ):
        raise errors.InvalidState("A named seat is used, gone, or in another refund.")
    return sorted(invite_ids), sorted(registration_ids)


def _moved_by_hand(refund: Refund, settlement: Payment) -> list[OrderEvent]:
    """Take money that came past every provider for gone: the person who asks gives it back."""
    if settlement.source != FactSource.MANUAL:
        return []
    return [RefundAdvanced(refund_no=refund.refund_no, status=RefundStatus.SUCCEEDED)]


def _asked_by(refund: Refund) -> tuple[str | None, str | None]:
    """Split what a refund keeps of who asked: the content and the key."""
    if not refund.idempotency_key.startswith(_ASKED):
        return None, None
    _, content, key = refund.idempotency_key.split(":", 2)
    return content, key


def _stored_key(command: RequestRefund, number: str) -> str:
    if command.idempotency_key is None:
        return f"number:{number}"
    return f"{_ASKED}{_content(command)}:{command.idempotency_key}"


def _content(command: RequestRefund) -> str:
    # The row does not keep what was left unsaid.
    said = (
        command.amount_minor,
        command.reason,
        sorted(set(command.invite_ids)),
        sorted(set(command.registration_ids)),
    )
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]
