"""Openings of many orders in one statement: written over what their openers themselves committed.

1. Nothing is loaded and nothing leased. The attempt's claim keeps others away, and the version
   alone decides who may write, as everywhere.
2. Only what one statement can write is written: an order that still waits for its money, whose
   attempt is now open. Whoever finds anything else, or was overtaken, is told to look again.
3. The time of the opening is this process's: it says how old an opening is and when its payment
   is asked about first, and nothing hangs on either being exact.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from actors.failpoints import Reach, nowhere, reach_turns
from actors.metrics import OVERTAKEN
from actors.turn import Turn, turn_of, written
from contracts.commands import RecordOpened
from contracts.errors import Refusal
from contracts.events import AttemptOpened
from contracts.policy import Policy
from contracts.states import OrderStatus
from models.engine import Database
from models.turns import swap


class LookAgain(Exception):
    """The order is not what its opener saw, or there is more to write: ask who loads it."""


Outcome: TypeAlias = Turn | LookAgain


class OpeningsCommit:
    """Records groups of openings, at most one per order in a group."""

    def __init__(self, database: Database, policy: Policy, *, reach: Reach = nowhere) -> None:
        self._database = database
        self._policy = policy
        self._reach = reach

    async def __call__(self, commands: Sequence[RecordOpened]) -> list[Outcome]:
        """Record each opening. Safe to repeat: what is written already looks overtaken."""
        now = datetime.now(UTC)
        turns = [turn for command in commands if (turn := self._turn(command, now)) is not None]
        opened = {turn.order.id: turn for turn in await self._write(turns, now)}
        done = [command for command in commands if command.order_id in opened]
        await reach_turns(self._reach, done, "committed")
        return [opened.get(command.order_id) or LookAgain() for command in commands]

    def _turn(self, command: RecordOpened, now: datetime) -> Turn | None:
        if command.seen is None:
            return None
        try:
            turn = turn_of(command.seen, command, now, self._policy)
        except Refusal:
            return None
        return turn if _is_plain(turn) else None

    async def _write(self, turns: Sequence[Turn], now: datetime) -> list[Turn]:
        if not turns:
            return []
        await self._reach("record_opened.seen")
        won = await swap(self._database, [written(turn, self._policy) for turn in turns], now)
        OVERTAKEN.inc(len(turns) - len(won))
        return [turn for turn in turns if turn.order.id in won]


def _is_plain(turn: Turn) -> bool:
    """Tell whether the swap writes all of a turn."""
    is_opening = [type(event) for event in turn.events] == [AttemptOpened]
    return is_opening and turn.order.status is OrderStatus.PENDING
