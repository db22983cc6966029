"""Duties delivered by mail: what a letter says is read when it is sent, so that it is true then."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from contracts.effects import EffectKind
from contracts.states import InviteStatus, OrderStatus
from jobs.effects import Delivery, Undeliverable
from jobs.letters import orders, places
from jobs.letters.alarm import alarm
from jobs.letters.letter import Letter
from jobs.letters.links import Links
from models.engine import Database
from models.mail import (
    OrderStory,
    PlaceStory,
    SeatOfLetter,
    case_story,
    order_story,
    place_story,
)
from models.sweeps import DueEffect

# Letters of duties that wait for another of their letters are few; each name is short.
_SENT_MAX = 10_000
_OF_PLACES = {EffectKind.ADMISSION, EffectKind.REJECTION}

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


class Postbox(Protocol):
    """Takes letters."""

    async def send(self, letter: Letter, *, to: str, name: str) -> None:
        """Send a letter under a name that a repetition has, too.

        :raises Undeliverable: it can never be sent; do not try again.
        :raises Exception: not sent as far as we know; try again later.
        """


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A letter and where it goes; *part* tells the letters of one duty apart."""

    letter: Letter
    to: str | None
    part: str = ""


class MailDelivery:
    """Writes to people; what no letter is for goes *otherwise*."""

    def __init__(
        self,
        *,
        database: Database,
        post: Postbox,
        links: Links,
        alarm_to: str | None,
        otherwise: Delivery,
    ) -> None:
        self._database = database
        self._post = post
        self._links = links
        self._alarm_to = alarm_to
        self._otherwise = otherwise
        # Of duties whose other letters wait: their readers should not get one with every try.
        # Other workers may end a duty, so the oldest are forgotten in the end.
        self._sent: dict[str, None] = {}

    async def deliver(self, effect: DueEffect) -> None:
        """Send what is true now; a repetition has the same Message-IDs.

        :raises Undeliverable: somebody's letter was refused for good, the others were sent.
        :raises Exception: something is not sent yet; try again later.
        """
        if effect.kind is EffectKind.ALARM and self._alarm_to is None:
            await self._otherwise.deliver(effect)
            return
        parcels = await self._parcels(effect)
        reached = [parcel for parcel in parcels if parcel.to is not None]
        if not reached:
            reason = "no_address" if parcels else "outdated"
            log.info("mail.skipped", effect_id=effect.effect_id, reason=reason)
        await self._send(effect, reached)

    async def _send(self, effect: DueEffect, parcels: Sequence[Parcel]) -> None:
        failures = [f for parcel in parcels if (f := await self._failure_of(effect, parcel))]
        # What may still succeed is worth another try of the duty.
        waiting = [failure for failure in failures if not isinstance(failure, Undeliverable)]
        if not waiting:
            for parcel in parcels:
                self._sent.pop(_name(effect, parcel), None)
        for failure in waiting or failures:
            raise failure

    async def _failure_of(self, effect: DueEffect, parcel: Parcel) -> Exception | None:
        assert parcel.to is not None
        name = _name(effect, parcel)
        if name in self._sent:
            return None
        try:
            await self._post.send(parcel.letter, to=parcel.to, name=name)
        except Exception as error:  # noqa: BLE001 - one reader must not stop the other
            return error
        self._sent[name] = None
        if len(self._sent) > _SENT_MAX:
            del self._sent[next(iter(self._sent))]
        log.info("mail.sent", effect_id=effect.effect_id, kind=effect.kind.value)
        return None

    async def _parcels(self, effect: DueEffect) -> list[Parcel]:
        if effect.kind is EffectKind.ALARM:
            return await self._alarm(effect)
        if effect.kind in _OF_PLACES:
            return await self._of_a_place(effect)
        return await self._of_an_order(effect)

    async def _alarm(self, effect: DueEffect) -> list[Parcel]:
        story = await case_story(self._database, effect.cause)
        return [] if story is None else [Parcel(letter=alarm(story), to=self._alarm_to)]

    async def _of_a_place(self, effect: DueEffect) -> list[Parcel]:
        story = await place_story(self._database, int(_after_colon(effect.cause)))
        if story is None:
            return []
        if effect.kind is EffectKind.ADMISSION:
            letter = places.admission(story, self._links)
        else:
            letter = places.rejection(story)
        return _parcel(letter, story.place.holder.email)

    async def _of_an_order(self, effect: DueEffect) -> list[Parcel]:
        is_refund = effect.kind is EffectKind.REFUND_NOTICE
        refund_no = _after_colon(effect.cause) if is_refund else None
        story = await order_story(self._database, effect.holder_id, refund_no=refund_no)
        if story is None:
            return []
        match effect.kind:
            case EffectKind.TICKETS:
                return _parcel(orders.tickets(story, self._links), story.buyer.email)
            case EffectKind.REFUND_NOTICE:
                told = _parcel(orders.refund_notice(story), story.buyer.email)
                return told + _ended_places(story, refund_no)
            case EffectKind.REDEEMED:
                return self._of_a_gift(story, effect.cause)
            case _:
                return _parcel(orders.farewell(story), story.buyer.email)

    def _of_a_gift(self, story: OrderStory, cause: str) -> list[Parcel]:
        place = _taken(story, cause)
        if place is None:
            return []
        of_guest = PlaceStory(occasion=story.occasion, place=place)
        received = places.gift_received(of_guest, self._links)
        return [
            *_parcel(received, place.holder.email, "guest"),
            *_parcel(orders.gift_taken(story), story.buyer.email, "buyer"),
        ]


def _name(effect: DueEffect, parcel: Parcel) -> str:
    return ":".join(filter(None, (effect.effect_id, parcel.part)))


def _parcel(letter: Letter | None, to: str | None, part: str = "") -> list[Parcel]:
    return [] if letter is None else [Parcel(letter=letter, to=to, part=part)]


def _ended_places(story: OrderStory, refund_no: str | None) -> list[Parcel]:
    """Write to the guests whose places went with a refund, or with the last of the money."""
    # Whose places went when the order ended the first time were told then.
    is_last = story.status is OrderStatus.REFUNDED and not story.has_ended_before
    ended = [
        place
        for place in story.places
        if place.gift_position is not None
        and (place.refund_no == refund_no or (is_last and place.refund_no is None))
    ]
    letters = [(place, PlaceStory(occasion=story.occasion, place=place)) for place in ended]
    return [
        parcel
        for place, told in letters
        for parcel in _parcel(
            places.place_ended(told), place.holder.email, f"place {place.registration_id}"
        )
    ]


def _taken(story: OrderStory, cause: str) -> SeatOfLetter | None:
    """Find the place a gift became, unless the gift was given to somebody else since."""
    _, position, generation = cause.split(":")
    is_theirs = any(
        (gift.position, gift.generation) == (int(position), int(generation))
        and gift.status is InviteStatus.REDEEMED
        for gift in story.gifts
    )
    taken = (place for place in story.places if place.gift_position == int(position))
    return next(taken, None) if is_theirs else None


def _after_colon(cause: str) -> str:
    return cause.partition(":")[2]
