"""What a granted wish becomes: an order with its first attempt, or a free place. Pure."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from actors.coupons import lower_price
from actors.decide_attempt import start_attempt
from actors.evolve import evolve_all
from actors.gift_codes import gift_code, gift_code_hash
from actors.sale import Sale
from actors.wishes import Wish
from contracts.catalogue import Offer
from contracts.events import OrderEvent
from contracts.money import Money
from contracts.order import Invite, Order, Registration
from contracts.policy import Policy
from contracts.states import InviteStatus, OrderStatus, PaymentStatus, RegistrationStatus
from models.sales import NewOrder, NewPlace


def new_order(wish: Wish, now: datetime, policy: Policy) -> NewOrder:
    """Make what is first written of a wish for tickets with a price."""
    command = wish.command
    order = _order(wish, now, policy)
    lowered: list[OrderEvent] = [lower_price(order, wish.coupon, now)] if wish.coupon else []
    order, events = evolve_all(order, lowered), lowered
    is_free = order.total.amount_minor == 0
    if command.first_attempt is not None and not is_free:
        started = start_attempt(order, command.first_attempt, now, policy)
        order, events = evolve_all(order, started), [*lowered, *started]
    return NewOrder(
        order=order,
        events=tuple(events),
        # It is settled before anybody can look for it as an open one.
        request_no=command.order_no if is_free else None,
        answers=command.answers,
        idempotency_key=command.idempotency_key,
        body_hash=command.body_hash,
        invite_hashes=tuple(
            _invite_hash(policy, command.order_no, n) for n in range(1, command.quantity)
        ),
    )


def new_place(wish: Wish) -> NewPlace:
    """Make what is first written of a wish for a free ticket."""
    command = wish.command
    return NewPlace(
        event_id=command.event_id,
        user_id=command.user_id,
        ticket_type_id=command.ticket_type_id,
        request_no=command.order_no,
        status=_free_status(wish.offer),
        idempotency_key=command.idempotency_key,
        body_hash=command.body_hash,
        answers=command.answers,
        trace_ctx=command.trace_ctx,
    )


def sale_of_order(order: Order, order_id: int, registration_id: int) -> Sale:
    """Say what was made, once the rows have their ids."""
    (place,) = order.registrations
    written = replace(order, id=order_id, registrations=(replace(place, id=registration_id),))
    return Sale(order_id=order_id, registration_id=registration_id, order=written)


def sale_of_place(wish: Wish, registration_id: int) -> Sale:
    """Say what was made, once the row has its id."""
    place = Registration(
        id=registration_id, user_id=wish.command.user_id, status=_free_status(wish.offer)
    )
    return Sale(registration_id=registration_id, registration=place)


def _order(wish: Wish, now: datetime, policy: Policy) -> Order:
    """Make the order that a wish becomes; it has no id until it is written."""
    command, offer = wish.command, wish.offer
    return Order(
        id=0,
        order_no=command.order_no,
        event_id=command.event_id,
        event_title=offer.event_title,
        user_id=command.user_id,
        ticket_type_id=command.ticket_type_id,
        quantity=command.quantity,
        total=Money(amount_minor=wish.total_minor, currency=offer.currency),
        payment_channel=command.payment_channel,
        status=OrderStatus.PENDING,
        payment_status=PaymentStatus.UNPAID,
        seats_held=command.quantity,
        expired_at=now + timedelta(seconds=policy.order_expire_seconds),
        created_at=now,
        version=1,
        requires_approval=offer.require_approval,
        trace_ctx=command.trace_ctx,
        registrations=(
            Registration(user_id=command.user_id, status=RegistrationStatus.PENDING_PAYMENT),
        ),
        invites=tuple(
            Invite(position=position, status=InviteStatus.PENDING)
            for position in range(1, command.quantity)
        ),
    )


def _free_status(offer: Offer) -> RegistrationStatus:
    return RegistrationStatus.PENDING if offer.require_approval else RegistrationStatus.APPROVED


def _invite_hash(policy: Policy, order_no: str, position: int) -> str:
    return gift_code_hash(gift_code(policy.gift_code_key, order_no, position, 1))
