"""Seats that a refund names: nobody's to use while it is under way, free when it is done. Pure.

A mark is the refund's number on the gift seat or the place. It stays on what was freed, to tell
why, and goes when the refund fails.
"""

from msgspec.structs import replace

from contracts.order import Invite, Order, Payment, Registration
from contracts.states import (
    LIVE_REGISTRATIONS,
    REFUNDS_UNDER_WAY,
    InviteStatus,
    RegistrationStatus,
)


def markable_invites(order: Order) -> list[int]:
    """List the gift seats that wait for a guest and that no refund names."""
    return [
        invite.id
        for invite in order.invites
        if invite.id is not None
        and invite.status is InviteStatus.PENDING
        and invite.refund_no is None
    ]


def markable_registrations(order: Order) -> list[int]:
    """List the places that are used, the buyer's own included, and that no refund names."""
    return [
        place.id
        for place in order.registrations
        if place.id is not None and place.status in LIVE_REGISTRATIONS and place.refund_no is None
    ]


def seats_of_the_rest(order: Order, payment: Payment) -> tuple[list[int], list[int]]:
    """Name the seats that go with all that is left of a payment.

    None while another refund is under way: should that one fail, some of the money would be kept
    and all of the seats be gone. The last success empties the order in any case.
    """
    if any(refund.status in REFUNDS_UNDER_WAY for refund in order.refunds_of(payment)):
        return [], []
    return markable_invites(order), markable_registrations(order)


def mark(
    order: Order, number: str, invite_ids: tuple[int, ...], registration_ids: tuple[int, ...]
) -> Order:
    """Put a refund's number on the seats it names."""
    return replace(
        order,
        invites=tuple(
            replace(invite, refund_no=number) if invite.id in invite_ids else invite
            for invite in order.invites
        ),
        registrations=tuple(
            replace(place, refund_no=number) if place.id in registration_ids else place
            for place in order.registrations
        ),
    )


def marked_by(order: Order, number: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """List the gift seats and the places that a refund under way names."""
    invites = (i.id for i in order.invites if i.id is not None and _waits_for(i, number))
    places = (p.id for p in order.registrations if p.id is not None and _sits_for(p, number))
    return tuple(invites), tuple(places)


def unmark(order: Order, number: str) -> Order:
    """Give seats back to those who have them: the refund failed."""
    return replace(
        order,
        invites=tuple(
            replace(invite, refund_no=None) if _waits_for(invite, number) else invite
            for invite in order.invites
        ),
        registrations=tuple(
            replace(place, refund_no=None) if _sits_for(place, number) else place
            for place in order.registrations
        ),
    )


def mark_again(order: Order, number: str) -> Order:
    """Put a refund's number back on the seats it named, where nothing became of them since.

    A refund that failed may succeed after all, as if it had never failed.
    """
    refund = order.refund(number)
    if refund is None or refund.seats is None:
        return order
    invite_ids, registration_ids = refund.seats.invite_ids, refund.seats.registration_ids
    return mark(
        order,
        number,
        tuple(id_ for id_ in markable_invites(order) if id_ in invite_ids),
        tuple(id_ for id_ in markable_registrations(order) if id_ in registration_ids),
    )


def free(order: Order, number: str) -> Order:
    """Let go of the seats a refund names: the money has gone back."""
    gone = sum(_waits_for(invite, number) for invite in order.invites)
    gone += sum(_sits_for(place, number) for place in order.registrations)
    return replace(
        order,
        seats_held=order.seats_held - gone,
        invites=tuple(
            replace(invite, status=InviteStatus.INVALID) if _waits_for(invite, number) else invite
            for invite in order.invites
        ),
        registrations=tuple(
            replace(place, status=RegistrationStatus.CANCELLED)
            if _sits_for(place, number) and place.status in LIVE_REGISTRATIONS
            else place
            for place in order.registrations
        ),
    )


def _waits_for(invite: Invite, number: str) -> bool:
    return invite.refund_no == number and invite.status is InviteStatus.PENDING


def _sits_for(place: Registration, number: str) -> bool:
    # The buyer who was not let in keeps the seat until the money is back.
    is_turned_away = place.status is RegistrationStatus.REJECTED and place.invite_id is None
    return place.refund_no == number and (place.status in LIVE_REGISTRATIONS or is_turned_away)
