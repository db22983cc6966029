"""What buyers, guests and organizers do to an order of the town."""

from actors.manual import ask_for_refund, mark_paid
from contracts.commands import DecidePlace, MarkPaid, RedeemInvite, ReissueInvite, RequestRefund
from contracts.order import Order
from models.check_in import check_in
from tests.machine.town import Town

ORGANIZER = 1


async def redeem(town: Town, order: Order, n: int, person: int, *, is_stale: bool) -> None:
    """Take a gift seat, with the code of today or with an earlier one."""
    if order.invites:
        gift = order.invites[n % len(order.invites)]
        assert gift.id is not None
        command = RedeemInvite(
            order_id=order.id,
            invite_id=gift.id,
            generation=gift.generation - is_stale,
            user_id=person,
        )
        await town.actor.take_turn(command)


async def reissue(town: Town, order: Order, n: int) -> None:
    """Make a gift seat's code worthless."""
    if order.invites:
        gift = order.invites[n % len(order.invites)]
        assert gift.id is not None
        await town.actor.take_turn(ReissueInvite(order_id=order.id, invite_id=gift.id))


async def decide(town: Town, order: Order, n: int, *, approve: bool) -> None:
    """Let somebody of an order in, or not."""
    place = order.registrations[n % len(order.registrations)]
    assert place.id is not None
    await town.actor.take_turn(
        DecidePlace(
            order_id=order.id, registration_id=place.id, approve=approve, by_user_id=ORGANIZER
        )
    )


async def decide_free(town: Town, n: int, *, approve: bool) -> None:
    """Let somebody with a free ticket in, or not."""
    if places := await town.free_places():
        await town.places.decide(
            places[n % len(places)], approve=approve, by_user_id=ORGANIZER, organizer_id=None
        )


async def refund(town: Town, order: Order, amount_minor: int | None, named: int) -> None:
    """Send money back, and some seats with it: each bit of *named* is one."""
    seats = [*order.invites, *order.registrations]
    chosen = [seat for n, seat in enumerate(seats) if named >> n & 1]
    await ask_for_refund(
        town.actor,
        RequestRefund(
            order_id=order.id,
            reason="as agreed",
            by_user_id=ORGANIZER,
            amount_minor=amount_minor,
            invite_ids=tuple(s.id for s in chosen if s in order.invites and s.id is not None),
            registration_ids=tuple(
                s.id for s in chosen if s in order.registrations and s.id is not None
            ),
        ),
    )


async def take_cash(town: Town, order: Order) -> None:
    """Say that the money came past every provider."""
    command = MarkPaid(order_id=order.id, reason="cash", by_user_id=ORGANIZER)
    await mark_paid(town.actor, town.checkout.attempts, command)


async def come_in(town: Town, order: Order, n: int) -> None:
    """Show a ticket at the entrance; who may not come in is refused there."""
    place = order.registrations[n % len(order.registrations)]
    assert place.id is not None
    arrival = await check_in(
        town.database, registration_id=place.id, event_id=order.event_id, by=ORGANIZER
    )
    assert place.refund_no is None or not arrival.is_first
