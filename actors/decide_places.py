"""Who takes an order's seats, and whom an organizer lets in. Pure.

1. A gift seat is taken once, with its newest code, while its order is paid.
2. A seat whose money may be on its way back is nobody's to give.
3. Who is not let in leaves a seat behind: a guest's goes back to the buyer, the buyer's own goes
   back with all that was paid.
"""

from datetime import datetime

from contracts import errors
from contracts.commands import DecidePlace, RedeemInvite, ReissueInvite
from contracts.events import (
    InviteRedeemed,
    InviteReissued,
    OrderEvent,
    OrderRefunded,
    PlaceApproved,
    PlaceRejected,
    RefundRequested,
)
from contracts.money import Money
from contracts.numbers import refund_no
from contracts.order import Invite, Order, Refund, Registration
from contracts.states import (
    LIVE_REGISTRATIONS,
    InviteStatus,
    OrderStatus,
    RefundStatus,
    RegistrationStatus,
)

REJECTED_REASON = "rejected"


def redeem_invite(order: Order, command: RedeemInvite, now: datetime) -> list[OrderEvent]:
    """Give a guest the seat. The same guest with the same code has it already.

    :raises NotFound: the code is worthless; another was issued since.
    :raises InviteTaken: another person was faster.
    :raises InviteNotActive: the order is not paid, or the seat is on its way back.
    :raises AlreadyRegistered: the guest has a place at the event.
    """
    invite = _known_invite(order, command.invite_id)
    if invite.generation != command.generation:
        raise errors.NotFound
    if invite.status is InviteStatus.REDEEMED and invite.redeemed_by == command.user_id:
        return []
    _refuse_unless_to_give(order, invite)
    if order.redeemer is None or order.redeemer.has_place:
        raise errors.AlreadyRegistered
    return [
        InviteRedeemed(
            position=invite.position,
            generation=invite.generation,
            user_id=command.user_id,
            at=now,
        )
    ]


def reissue_invite(order: Order, command: ReissueInvite) -> list[OrderEvent]:
    """Make the gift seat's code worthless and give it another.

    :raises InviteTaken: somebody has redeemed it.
    :raises InviteNotActive: the order is not paid, or the seat is on its way back.
    """
    invite = _known_invite(order, command.invite_id)
    _refuse_unless_to_give(order, invite)
    return [InviteReissued(position=invite.position, generation=invite.generation + 1)]


def decide_place(order: Order, command: DecidePlace) -> list[OrderEvent]:
    """Let a person in, or not. The same answer again changes nothing.

    :raises InvalidState: there is nothing to decide, it was decided otherwise, the seat's money
        is on its way back, or the buyer is to be rejected while guests hold seats.
    """
    place = order.registration(command.registration_id)
    if place is None:
        raise errors.NotFound
    if not is_to_decide(place.status, approve=command.approve):
        return []
    if order.status is not OrderStatus.PAID or place.refund_no is not None:
        raise errors.InvalidState
    if command.approve:
        return [
            PlaceApproved(registration_id=command.registration_id, by_user_id=command.by_user_id)
        ]
    rejected = PlaceRejected(registration_id=command.registration_id, by_user_id=command.by_user_id)
    if place.invite_id is not None:
        return [rejected]
    if any(map(_is_guest, order.registrations)):
        raise errors.InvalidState("Guests of this buyer have taken their seats.")
    return [rejected, *_send_all_back(order, command.registration_id)]


def is_to_decide(status: RegistrationStatus, *, approve: bool) -> bool:
    """Tell whether an answer changes anything.

    :raises InvalidState: it contradicts what has become of the place.
    """
    answer = RegistrationStatus.APPROVED if approve else RegistrationStatus.REJECTED
    if status not in (RegistrationStatus.PENDING, answer):
        raise errors.InvalidState("This registration cannot be decided any more.")
    return status is RegistrationStatus.PENDING


def full_refund(order: Order, key: str, reason: str) -> Refund | None:
    """Send back what is left of the settlement; None when nothing is."""
    settlement = order.settlement
    if settlement is None:
        return None
    numbers = sum(1 for other in order.refunds if other.attempt_no == settlement.attempt_no)
    left_minor = settlement.paid.amount_minor - sum(
        other.amount.amount_minor
        for other in order.refunds
        if other.provider_txn_id == settlement.provider_txn_id
        and other.status is not RefundStatus.FAILED
    )
    if left_minor <= 0:
        return None
    return Refund(
        refund_no=refund_no(settlement.attempt_no, numbers + 1),
        provider=settlement.provider,
        provider_txn_id=settlement.provider_txn_id,
        attempt_no=settlement.attempt_no,
        amount=Money(amount_minor=left_minor, currency=settlement.paid.currency),
        status=RefundStatus.REQUESTED,
        reason=reason,
        idempotency_key=key,
    )


def _send_all_back(order: Order, registration_id: int) -> list[OrderEvent]:
    refund = full_refund(order, f"{REJECTED_REASON}:{registration_id}", REJECTED_REASON)
    if refund is not None:
        gifts = tuple(
            invite.id
            for invite in order.invites
            if invite.id is not None
            and invite.status is InviteStatus.PENDING
            and invite.refund_no is None
        )
        named = (registration_id,)
        return [RefundRequested(refund=refund, invite_ids=gifts, registration_ids=named)]
    # Nothing was paid, so no provider will ever report that it has gone back.
    is_free = order.settlement is not None and order.settlement.paid.amount_minor == 0
    return [OrderRefunded()] if is_free else []


def _known_invite(order: Order, invite_id: int) -> Invite:
    invite = order.invite(invite_id)
    if invite is None:
        raise errors.NotFound
    return invite


def _refuse_unless_to_give(order: Order, invite: Invite) -> None:
    if invite.status is InviteStatus.REDEEMED:
        raise errors.InviteTaken
    is_active = order.status is OrderStatus.PAID and invite.status is InviteStatus.PENDING
    if not is_active or invite.refund_no is not None:
        raise errors.InviteNotActive
    # All that a rejected buyer paid is owed back, gifts included, whatever keeps it for now.
    if any(map(_is_rejected_buyer, order.registrations)):
        raise errors.InviteNotActive


def _is_rejected_buyer(place: Registration) -> bool:
    return place.invite_id is None and place.status is RegistrationStatus.REJECTED


def _is_guest(place: Registration) -> bool:
    return place.invite_id is not None and place.status in LIVE_REGISTRATIONS
