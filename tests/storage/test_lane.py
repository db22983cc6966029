"""Lanes and mailboxes by themselves: what a group, a conflict and a crowd do to them."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from actors import lane as lanes
from actors import mailbox
from actors.lane import Again, Lane
from actors.mailbox import Mailboxes
from contracts.errors import OrderBusy, Overloaded

SOON = 30


class Desk:
    """A commit that stops until it is let go, and fails as told."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.conflicts = 0
        self.bad: set[int] = set()
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def commit(self, items: Sequence[int]) -> list[int]:
        """Answer each item with itself."""
        self.groups.append(list(items))
        self.begun.set()
        await self.open.wait()
        if self.conflicts:
            self.conflicts -= 1
            raise asyncpg.DeadlockDetectedError("another transaction was in the way")
        if self.bad & set(items):
            raise asyncpg.CheckViolationError("a bad one is among them")
        return list(items)


async def answers(lane: Lane[int, int], items: Sequence[int]) -> list[int | BaseException]:
    async with asyncio.timeout(SOON):
        return await asyncio.gather(*map(lane.submit, items), return_exceptions=True)


class TestALane:
    async def test_lets_a_bad_item_fail_alone(self) -> None:
        desk = Desk()
        desk.bad = {5}

        told = await answers(Lane("test", desk.commit), range(8))

        assert isinstance(told.pop(5), asyncpg.CheckViolationError)
        assert told == [0, 1, 2, 3, 4, 6, 7]

    async def test_tries_a_conflict_again(self) -> None:
        desk = Desk()
        desk.conflicts = 2

        assert await answers(Lane("test", desk.commit), [1, 2]) == [1, 2]
        assert desk.groups == [[1, 2]] * 3

    async def test_gives_up_on_conflicts_without_end(self) -> None:
        desk = Desk()
        desk.conflicts = 1000

        (told,) = await answers(Lane("test", desk.commit), [1])

        assert isinstance(told, OrderBusy)
        assert len(desk.groups) == lanes.MAX_TRIES

    async def test_lets_nobody_wait_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lanes, "PATIENCE_SECONDS", 0.1)

        async def never(items: Sequence[int]) -> list[Again]:
            return [Again() for _ in items]

        with pytest.raises(OrderBusy):
            async with asyncio.timeout(SOON):
                await Lane[int, int]("test", never).submit(1)

    async def test_lingers_for_more_when_others_wait_already(self) -> None:
        desk = Desk()
        desk.open.clear()
        lane = Lane("test", desk.commit, linger_seconds=1.0)
        loop = asyncio.get_running_loop()
        first = loop.create_task(lane.submit(1))
        await desk.begun.wait()
        others = [loop.create_task(lane.submit(2))]
        await asyncio.sleep(0)
        desk.open.set()
        await first
        others.append(loop.create_task(lane.submit(3)))
        await asyncio.gather(*others)

        assert desk.groups == [[1], [2, 3]]

    async def test_lingers_for_nobody_when_it_is_idle(self) -> None:
        lane = Lane("test", Desk().commit, linger_seconds=float(SOON))

        async with asyncio.timeout(SOON / 2):
            assert await lane.submit(1) == 1
            await lane.close()
            assert await lane.submit(2) == 2

    async def test_turns_away_what_it_cannot_hold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lanes, "QUEUE_LIMIT", 2)
        desk = Desk()
        desk.open.clear()
        lane = Lane("test", desk.commit)
        loop = asyncio.get_running_loop()
        held = [loop.create_task(lane.submit(1))]
        await desk.begun.wait()
        held += [loop.create_task(lane.submit(item)) for item in (2, 3, 4)]

        refused = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED, timeout=SOON)
        desk.open.set()

        assert [type(task.exception()) for task in refused[0]] == [Overloaded]
        assert await asyncio.gather(*held[:3]) == [1, 2, 3]


class TestAMailbox:
    async def test_turns_away_who_would_wait_behind_too_many(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mailbox, "DEPTH", 1)
        boxes = Mailboxes()

        async with asyncio.timeout(SOON), boxes.turn_at(1), boxes.turn_at(2):
            with pytest.raises(OrderBusy):
                await boxes.turn_at(1).__aenter__()

        assert len(boxes) == 0

    async def test_lets_nobody_wait_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mailbox, "PATIENCE_SECONDS", 0.1)
        boxes = Mailboxes()

        async with asyncio.timeout(SOON), boxes.turn_at(1):
            with pytest.raises(OrderBusy):
                await boxes.turn_at(1).__aenter__()

        assert len(boxes) == 0
