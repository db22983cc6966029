"""What becomes of an order's seats: who sits in them, and which wait for a guest. Pure."""

from collections.abc import Collection

from msgspec.structs import replace

from contracts.events import InviteRedeemed
from contracts.order import Invite, Order, Registration
from contracts.states import LIVE_REGISTRATIONS, InviteStatus, RegistrationStatus


def emptied(order: Order) -> Order:
    """Let go of every seat; rows that ended before keep telling how."""
    return replace(
        order,
        seats_held=0,
        closing_for=None,
        registrations=tuple(
            replace(r, status=RegistrationStatus.CANCELLED) if r.status in LIVE_REGISTRATIONS else r
            for r in order.registrations
        ),
        invites=tuple(
            replace(i, status=InviteStatus.INVALID) if i.status is InviteStatus.PENDING else i
            for i in order.invites
        ),
    )


def redeemed(order: Order, event: InviteRedeemed) -> Order:
    """Give a gift seat to its guest."""
    invite = next(i for i in order.invites if i.position == event.position)
    place = Registration(user_id=event.user_id, status=first_status(order), invite_id=invite.id)
    taken = with_invites(
        order,
        {event.position},
        status=InviteStatus.REDEEMED,
        redeemed_by=event.user_id,
        redeemed_at=event.at,
    )
    return replace(taken, registrations=(*order.registrations, place))


def rejected(order: Order, registration_id: int) -> Order:
    """Turn somebody away; a guest's seat waits again under a new gift."""
    place = order.registration(registration_id)
    rejected = with_places(order, {registration_id}, status=RegistrationStatus.REJECTED)
    if place is None or place.invite_id is None:
        return rejected
    again = Invite(position=len(order.invites) + 1, status=InviteStatus.PENDING)
    return replace(rejected, invites=(*order.invites, again))


def with_places(order: Order, ids: Collection[int], **changes: object) -> Order:
    """Change some places, by their ids."""
    return replace(
        order,
        registrations=tuple(
            replace(r, **changes) if r.id in ids else r for r in order.registrations
        ),
    )


def with_invites(order: Order, positions: Collection[int], **changes: object) -> Order:
    """Change some gift seats, by their positions."""
    return replace(
        order,
        invites=tuple(
            replace(i, **changes) if i.position in positions else i for i in order.invites
        ),
    )


def first_status(order: Order) -> RegistrationStatus:
    """Say how a place begins once it is paid for."""
    return RegistrationStatus.PENDING if order.requires_approval else RegistrationStatus.APPROVED


def seated_again(order: Order) -> Order:
    """Give late money new places; the old rows keep telling what happened."""
    gifts = tuple(
        Invite(position=len(order.invites) + n, status=InviteStatus.PENDING)
        for n in range(1, order.quantity)
    )
    place = Registration(user_id=order.user_id, status=first_status(order))
    return replace(
        order,
        seats_held=order.quantity,
        registrations=(*order.registrations, place),
        invites=(*order.invites, *gifts),
    )
