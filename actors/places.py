"""Who sits where: gift seats by their codes, and places that an organizer or their person ends.

What belongs to an order is that order's turn. A free place has no order: it is changed here, in
one transaction, under the lock of what it gives back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from actors.actor import Actor
from actors.decide_places import is_to_decide
from actors.gift_codes import gift_code, gift_code_hash, is_gift_code
from actors.limiter import Limiter
from actors.metrics import RETRIES
from actors.sales import HAS_A_PRICE
from contracts import errors
from contracts.commands import CreateOrder, DecidePlace, RedeemInvite, ReissueInvite
from contracts.effects import Effect, EffectKind
from contracts.order import Order
from contracts.states import InviteStatus, OrderStatus, RegistrationStatus
from models.engine import CONFLICTS, HELD_UP, Database, Tx
from models.order_views import Ownership, own_order_id
from models.places import (
    Gift,
    HeldPlace,
    find_live_place,
    find_managed_place,
    gift_of_code,
    lock_place,
    move_place,
    own_gifts,
    place_of_gift,
)
from models.seats import SeatMove, lock_stock, move_seats

Result = TypeVar("Result")

_TRIES = 3
_AGAIN_SECONDS = 0.01


class ShownGift(msgspec.Struct, frozen=True, kw_only=True):
    """A gift seat as its buyer sees it; *code* is None where it is worth nothing."""

    gift: Gift
    code: str | None


class Redeemed(msgspec.Struct, frozen=True, kw_only=True):
    """The place that a code became; *is_new* when this call made it."""

    place: HeldPlace
    is_new: bool


class _OvertakenError(Exception):
    """The place moved between the first look and its lock: look again."""


class Places:
    """Everybody's places, as far as this process is concerned."""

    def __init__(
        self, *, database: Database, actor: Actor, wrong_codes: Limiter, gift_code_key: bytes
    ) -> None:
        self._database = database
        self._actor = actor
        self._wrong_codes = wrong_codes
        self._key = gift_code_key

    async def gifts(self, whose: Ownership) -> list[ShownGift]:
        """List the gift seats of somebody's own order, oldest first.

        :raises contracts.errors.NotFound: it is absent, or someone else's.
        """
        await own_order_id(self._database, whose)
        return [self._shown(gift) for gift in await own_gifts(self._database, whose)]

    async def reissue(self, whose: Ownership, invite_id: int) -> ShownGift:
        """Give a gift seat of somebody's own order another code; the old one is worthless.

        :raises contracts.errors.Conflict: the seat is taken, or on its way back.
        :raises contracts.errors.NotFound: it is absent, or someone else's.
        """
        order_id = await own_order_id(self._database, whose)
        await self._actor.take_turn(ReissueInvite(order_id=order_id, invite_id=invite_id))
        gifts = await own_gifts(self._database, whose)
        return self._shown(next(gift for gift in gifts if gift.id == invite_id))

    async def redeem(
        self, *, event_id: int, code: str, user_id: int, answers: dict[str, str] | None
    ) -> Redeemed:
        """Give somebody the seat that a code is for. The same person has it already.

        :raises contracts.errors.NotFound: the code is worth nothing at this event.
        :raises contracts.errors.RateLimited: too many such codes came from this person.
        :raises contracts.errors.Conflict: the class says why the seat cannot be taken.
        """
        await self._wrong_codes.check(user_id)
        gift = await self._gift(event_id, code)
        if gift is None:
            await self._wrong_codes.count(user_id)
            raise errors.NotFound
        command = RedeemInvite(
            order_id=gift.order_id,
            invite_id=gift.id,
            generation=gift.generation,
            user_id=user_id,
            answers=answers,
        )
        turn = await self._actor.take_turn(command)
        place = await place_of_gift(self._database, gift)
        return Redeemed(place=place, is_new=bool(turn.events))

    async def register(self, command: CreateOrder) -> int:
        """Take one seat of a free ticket type; return the registration's id.

        :raises contracts.errors.InvalidState: the ticket type has a price; an order buys it.
        :raises contracts.errors.Refusal: nothing was made; the class says what to do next.
        """
        sale = await self._actor.create(msgspec.structs.replace(command, is_free=True))
        if sale.registration_id is None:
            # An open order of theirs for the same ticket, found as every create finds it.
            raise errors.InvalidState(HAS_A_PRICE)
        return sale.registration_id

    async def leave(self, *, event_id: int, user_id: int) -> None:
        """Give up a free place; its seat goes back once.

        :raises contracts.errors.NotFound: the person has no place at the event.
        :raises contracts.errors.InvalidState: the place belongs to an order, or was used.
        """

        async def once(tx: Tx) -> None:
            place = await find_live_place(tx, event_id=event_id, user_id=user_id)
            if place.order_id is not None:
                raise errors.InvalidState("This place belongs to an order.")
            if place.is_used:
                raise errors.InvalidState("Somebody has come in with this place.")
            await _end(tx, place, RegistrationStatus.CANCELLED, "cancelled", None)

        await self._committed(once)

    async def decide(
        self, registration_id: int, *, approve: bool, by_user_id: int, organizer_id: int | None
    ) -> HeldPlace:
        """Let a person in, or not. The same answer again changes nothing.

        :raises contracts.errors.NotFound: *organizer_id* manages no such registration.
        :raises contracts.errors.InvalidState: there is nothing to decide.
        """
        place = await find_managed_place(self._database, registration_id, organizer_id=organizer_id)
        if place.order_id is None:
            return await self._committed(
                lambda tx: _decide_free(tx, registration_id, approve=approve)
            )
        command = DecidePlace(
            order_id=place.order_id,
            registration_id=registration_id,
            approve=approve,
            by_user_id=by_user_id,
        )
        turn = await self._actor.take_turn(command)
        return msgspec.structs.replace(place, status=_status_in(turn.order, registration_id))

    async def _gift(self, event_id: int, code: str) -> Gift | None:
        if not is_gift_code(code):
            return None
        code_hash = gift_code_hash(code)
        return await gift_of_code(self._database, event_id=event_id, code_hash=code_hash)

    def _shown(self, gift: Gift) -> ShownGift:
        is_active = (
            gift.status is InviteStatus.PENDING
            and gift.order_status is OrderStatus.PAID
            and gift.refund_no is None
        )
        code = gift_code(self._key, gift.order_no, gift.position, gift.generation)
        return ShownGift(gift=gift, code=code if is_active else None)

    async def _committed(self, once: Callable[[Tx], Awaitable[Result]]) -> Result:
        for _ in range(_TRIES):
            try:
                async with self._database.transaction() as tx:
                    return await once(tx)
            except HELD_UP:
                break
            except (*CONFLICTS, _OvertakenError):
                RETRIES.labels(lane="places").inc()
                await asyncio.sleep(_AGAIN_SECONDS)
        raise errors.OrderBusy


async def _decide_free(tx: Tx, registration_id: int, *, approve: bool) -> HeldPlace:
    place = await find_managed_place(tx, registration_id, organizer_id=None)
    if not is_to_decide(place.status, approve=approve):
        return place
    cause = f"place:{registration_id}"
    if approve:
        await _lock_as_seen(tx, place)
        told = Effect(kind=EffectKind.ADMISSION, cause=cause)
        await move_place(tx, registration_id, RegistrationStatus.APPROVED, told)
        return msgspec.structs.replace(place, status=RegistrationStatus.APPROVED)
    told = Effect(kind=EffectKind.REJECTION, cause=cause)
    await _end(tx, place, RegistrationStatus.REJECTED, "rejected", told)
    return msgspec.structs.replace(place, status=RegistrationStatus.REJECTED)


async def _end(
    tx: Tx, place: HeldPlace, status: RegistrationStatus, cause: str, told: Effect | None
) -> None:
    """Give the seat of a free place back, once: for each cause, and from where it was seen."""
    back = SeatMove(
        holder_kind="registration",
        holder_id=place.id,
        event_id=place.event_id,
        ticket_type_id=place.ticket_type_id,
        seats=-1,
        cause=cause,
    )
    await lock_stock(tx, [place.ticket_type_id])
    await _lock_as_seen(tx, place)
    await move_seats(tx, [back])
    await move_place(tx, place.id, status, told)


async def _lock_as_seen(tx: Tx, place: HeldPlace) -> None:
    if await lock_place(tx, place.id) != place:
        raise _OvertakenError


def _status_in(order: Order, registration_id: int) -> RegistrationStatus:
    place = order.registration(registration_id)
    assert place is not None
    return place.status
