"""Duties to the outside are delivered at least once, each under an id that never changes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from actors.failpoints import Reach, nowhere
from actors.lane import Lane
from contracts.effects import EffectKind
from jobs.pace import doubling
from models.engine import Database
from models.people import note_payers
from models.sweeps import DueEffect, claim_effects, finish_effects, give_up_effect, put_off

# With an hour at most between tries these last nine hours: a night's outage is survived.
MAX_TRIES = 20
_LONGEST_BETWEEN_TRIES_SECONDS = 3600

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


class Undeliverable(Exception):
    """Whoever it is for refuses it for good; only a person can help."""


class Delivery(Protocol):
    """A way to the outside."""

    async def deliver(self, effect: DueEffect) -> None:
        """Deliver one duty; a repetition has the same ``effect_id``, for its receiver to know.

        :raises Undeliverable: it can never be delivered; it is given up.
        :raises Exception: not delivered as far as we know; it is tried again later.
        """


class LogDelivery:
    """Delivers to the log, where there is no mail."""

    async def deliver(self, effect: DueEffect) -> None:
        """Write one line; an alarm as an error, because nobody else will hear of it."""
        tell = log.error if effect.kind is EffectKind.ALARM else log.info
        tell(
            "effects.delivered",
            effect_id=effect.effect_id,
            kind=effect.kind.value,
            holder=f"{effect.holder_kind}:{effect.holder_id}",
            cause=effect.cause,
        )


class ByKind:
    """Chooses the way to the outside by what is owed; what none is named for goes *otherwise*."""

    def __init__(self, ways: Mapping[EffectKind, Delivery], *, otherwise: Delivery) -> None:
        self._ways = ways
        self._otherwise = otherwise

    async def deliver(self, effect: DueEffect) -> None:
        """See Delivery.deliver."""
        await self._ways.get(effect.kind, self._otherwise).deliver(effect)


class Effects:
    """Delivers what turns owe."""

    def __init__(self, *, database: Database, delivery: Delivery, reach: Reach = nowhere) -> None:
        self._database = database
        self._reach = reach
        self._delivery = delivery
        # A duty that is done costs its share of a commit, not a commit of its own.
        self._finishing: Lane[int, None] = Lane("effects", self._finish)
        self._done: set[int] = set()
        self._hopeless: set[int] = set()

    async def claim(self, limit: int) -> list[DueEffect]:
        """Claim duties, and note who has paid.

        Before any of them is delivered: whether somebody has paid does not wait for a letter.
        News of a sale may still count without its buyer, for people are counted once in a while.
        """
        due = await claim_effects(self._database, limit)
        paid = [row.holder_id for row in due if row.kind is EffectKind.TICKETS]
        if paid:
            await note_payers(self._database, paid)
        return due

    async def deliver(self, row: DueEffect) -> None:
        """Deliver one duty and note that it is done."""
        try:
            await self._delivery.deliver(row)
        except Undeliverable:
            self._hopeless.add(row.id)
            raise
        await self._reach("effect.delivered")
        await self._finishing.submit(row.id)
        self._done.add(row.id)

    async def deliver_later(self, row: DueEffect) -> None:
        """Try again after a while if it was not done; give up in the end, visibly."""
        if row.id in self._done:
            self._done.remove(row.id)
        elif row.tries < MAX_TRIES and row.id not in self._hopeless:
            pause = doubling(row.tries, most_seconds=_LONGEST_BETWEEN_TRIES_SECONDS)
            await put_off(self._database, "effects", row, row.claimed_at + pause)
        else:
            await self._give_up(row)

    async def _give_up(self, row: DueEffect) -> None:
        self._hopeless.discard(row.id)
        if await give_up_effect(self._database, row):
            log.error("effects.dead", effect_id=row.effect_id, tries=row.tries)

    async def _finish(self, effect_ids: Sequence[int]) -> list[None]:
        await finish_effects(self._database, effect_ids)
        return [None] * len(effect_ids)
