import asyncio
import contextvars
import time
from collections.abc import Coroutine, Iterator
from random import Random
from typing import Any

import pytest

from tests.simulation.loop import Owner, Stuck, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop(Random(1))  # noqa: S311 - repeatable is the point
    yield loop
    loop.close()


def run(loop: VirtualLoop, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what it returns
    return loop.run_until_complete(loop.spawn(None, work))


class TestTheLoop:
    def test_jumps_over_time_in_which_nothing_happens(self, loop: VirtualLoop) -> None:
        began = time.monotonic()

        run(loop, asyncio.sleep(86_400))

        assert loop.time() == 86_400
        assert time.monotonic() - began < 10

    def test_lets_the_seed_decide_who_goes_first(self) -> None:
        def order_of(seed: int) -> list[int]:
            loop = VirtualLoop(Random(seed))  # noqa: S311 - repeatable is the point
            came: list[int] = []

            async def come(n: int) -> None:
                came.append(n)

            async def all_come() -> None:
                await asyncio.gather(*map(come, range(6)))

            run(loop, all_come())
            loop.close()
            return came

        assert order_of(1) == order_of(1)
        assert len({tuple(order_of(seed)) for seed in range(20)}) > 10

    def test_notices_when_everybody_waits_for_ever(self, loop: VirtualLoop) -> None:
        with pytest.raises(Stuck):
            run(loop, asyncio.Event().wait())


class TestAProcess:
    def test_that_is_frozen_does_nothing_until_it_thaws(self, loop: VirtualLoop) -> None:
        owner, did = Owner("p"), []

        async def work() -> None:
            await asyncio.sleep(1)
            did.append(loop.time())

        async def freeze() -> None:
            loop.spawn(owner, work())
            loop.freeze(owner)
            await asyncio.sleep(5)
            loop.thaw(owner)
            await asyncio.sleep(5)

        run(loop, freeze())

        assert did == [6.0]

    def test_that_is_killed_goes_no_further(self, loop: VirtualLoop) -> None:
        owner, did = Owner("p"), []

        async def work() -> None:
            try:
                await asyncio.sleep(1)
                did.append("worked")
            finally:
                did.append("ended")

        async def kill() -> None:
            task = loop.spawn(owner, work())
            await asyncio.sleep(0.5)
            loop.kill(owner)
            assert task.cancelled()
            await asyncio.sleep(5)

        run(loop, kill())

        assert did == ["ended"]

    def test_owns_what_its_tasks_start_in_an_empty_context(self, loop: VirtualLoop) -> None:
        owner, did = Owner("p"), []

        async def inner() -> None:
            await asyncio.sleep(1)
            did.append("worked")

        async def outer() -> None:

            contextvars.Context().run(asyncio.get_running_loop().create_task, inner())

        async def kill() -> None:
            loop.spawn(owner, outer())
            await asyncio.sleep(0.5)
            loop.kill(owner)
            await asyncio.sleep(5)

        run(loop, kill())

        assert did == []
