"""What a request for seats is answered with: what it made, or what was made before."""

import msgspec

from contracts import errors
from contracts.commands import CreateOrder
from contracts.order import Order, Registration
from contracts.states import OrderStatus
from models.sales import Standing


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """What a request made, or had made before.

    *order* is set when this call wrote it, *registration* alone for a free ticket; an earlier
    sale is named by *order_id* or *registration_id* only. *is_repeat* tells an answer to the
    same key from one that found another request's order.
    """

    order_id: int | None = None
    registration_id: int | None = None
    order: Order | None = None
    registration: Registration | None = None
    is_existing: bool = False
    is_repeat: bool = False


def repeat_of_key(request: CreateOrder, held: Standing) -> Sale | None:
    """Find what the request's key was answered with.

    :raises IdempotencyMismatch: the key was used with another body.
    """
    if held.key_body_hash is None:
        return None
    if held.key_body_hash != request.body_hash:
        raise errors.IdempotencyMismatch
    return Sale(
        order_id=held.key_order_id,
        registration_id=held.key_registration_id,
        is_existing=held.key_found is True,
        is_repeat=True,
    )


def earlier_sale(request: CreateOrder, held: Standing) -> Sale | None:
    """Find what the buyer already has.

    :raises IdempotencyMismatch: the key was used with another body.
    :raises PendingOrderExists: another order of the buyer is open; extra names it.
    """
    repeat = repeat_of_key(request, held)
    if repeat is not None:
        return repeat
    if held.place_no == request.order_no:
        return Sale(order_id=held.place_order_id, registration_id=held.place_id, is_repeat=True)
    if held.order_id is None:
        return None
    if held.order_no == request.order_no:
        return Sale(order_id=held.order_id, is_repeat=True)
    is_same = (held.ticket_type_id, held.quantity) == (request.ticket_type_id, request.quantity)
    # One whose time is up is on its way out, whether a sweep has seen it or not.
    if is_same and held.order_status == OrderStatus.PENDING and not held.is_over:
        return Sale(order_id=held.order_id, is_existing=True)
    raise errors.PendingOrderExists(orderId=held.order_id, orderNo=held.order_no)


def answer_without_seats(request: CreateOrder, held: Standing) -> Sale | errors.Refusal:
    """Answer a request for which no seat is left: an earlier sale is still the answer."""
    try:
        earlier = earlier_sale(request, held)
    except errors.Refusal as refusal:
        return refusal
    if earlier is not None:
        return earlier
    return errors.AlreadyRegistered() if held.is_registered else errors.SoldOut()
