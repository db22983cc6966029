"""Who takes an order's seats, and whom an organizer lets in. Pure.

1. A gift seat is taken once, with its newest code, while its order is paid.
2. A seat whose money may be on its way back is nobody's to give.
3. Who is not let in leaves a seat behind: a guest's goes back to the buyer, the buyer's own goes
   back with all that was paid.
"""

from datetime import datetime

from actors.evolve import evolve
from actors.refund_marks import seats_of_the_rest
from actors.refund_numbers import next_refund_no, stem_of
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
from contracts.facts import FactSource
from contracts.money import Money
from contracts.order import Invite, Order, Payment, Refund, Registration
from contracts.states import (
    LIVE_REGISTRATIONS,
    InviteStatus,
    OrderStatus,
    PaymentStatus,
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
    return [rejected, *_send_all_back(evolve(order, rejected), command)]


def refund_of_rejected(order: Order, *, by_user_id: int | None = None) -> list[OrderEvent]:
    """Owe a buyer who was not let in all that is left of the money, if there are both."""
    buyer = next(filter(_is_rejected_buyer, order.registrations), None)
    settlement = order.settlement
    if buyer is None or settlement is None or order.left_minor(settlement) == 0:
        return []
    stem = f"{REJECTED_REASON}:{buyer.id}"
    tries = sum(stem_of(refund) == stem for refund in order.refunds)
    key = f"{stem}#{tries + 1}" if tries else stem
    invite_ids, _ = seats_of_the_rest(order, settlement)
    is_alone = order.payment_status is not PaymentStatus.REFUNDING
    return [
        RefundRequested(
            refund=_of_all_that_is_left(order, settlement, key),
            invite_ids=tuple(invite_ids),
            registration_ids=(buyer.id,) if is_alone and buyer.id is not None else (),
            by_user_id=by_user_id,
        )
    ]


def is_to_decide(status: RegistrationStatus, *, approve: bool) -> bool:
    """Tell whether an answer changes anything.

    :raises InvalidState: it contradicts what has become of the place.
    """
    answer = RegistrationStatus.APPROVED if approve else RegistrationStatus.REJECTED
    if status not in (RegistrationStatus.PENDING, answer):
        raise errors.InvalidState("This registration cannot be decided any more.")
    return status is RegistrationStatus.PENDING


def _send_all_back(order: Order, command: DecidePlace) -> list[OrderEvent]:
    settlement = order.settlement
    if settlement is None:
        return []
    if settlement.paid.amount_minor == 0:
        # Nothing was paid, so no provider will ever report that it has gone back.
        return [OrderRefunded(reason=REJECTED_REASON, by_user_id=command.by_user_id)]
    if settlement.source == FactSource.MANUAL:
        raise errors.InvalidState("This was paid by hand: refund the order by hand instead.")
    return refund_of_rejected(order, by_user_id=command.by_user_id)


def _of_all_that_is_left(order: Order, settlement: Payment, key: str) -> Refund:
    return Refund(
        refund_no=next_refund_no(order, settlement.attempt_no),
        provider=settlement.provider,
        provider_txn_id=settlement.provider_txn_id,
        attempt_no=settlement.attempt_no,
        amount=Money(amount_minor=order.left_minor(settlement), currency=settlement.paid.currency),
        status=RefundStatus.REQUESTED,
        reason=REJECTED_REASON,
        idempotency_key=key,
    )


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
