"""The loop under every job."""

import asyncio
import time

from structlog.testing import capture_logs

from jobs.sweep import Sweep
from tests.jobs.rows import until

LONG = 3600.0


class Rounds:
    """Counts the rounds of a sweep, and does in each what a test says."""

    def __init__(self, *outcomes: str | Exception) -> None:
        self.count = 0
        self.began_at: list[float] = []
        self._outcomes = list(outcomes)

    async def do(self) -> bool:
        self.count += 1
        self.began_at.append(time.monotonic())
        outcome = self._outcomes.pop(0) if self._outcomes else "none"
        if isinstance(outcome, Exception):
            raise outcome
        return outcome == "more"


async def _stop(sweep: Sweep, running: asyncio.Task[None]) -> None:
    sweep.stop()
    async with asyncio.timeout(15):
        await running


class TestASweep:
    async def test_goes_on_at_once_while_there_is_more(self) -> None:
        rounds = Rounds("more", "more")
        sweep = Sweep("a", LONG, rounds.do)
        running = asyncio.create_task(sweep.run())

        await until(lambda: rounds.count == 3)
        await asyncio.sleep(0)

        assert rounds.count == 3
        await _stop(sweep, running)

    async def test_rests_for_its_interval_in_between(self) -> None:
        rounds = Rounds()
        sweep = Sweep("a", 0.1, rounds.do)
        running = asyncio.create_task(sweep.run())

        await until(lambda: rounds.count == 3)

        assert rounds.began_at[2] - rounds.began_at[0] >= 0.2
        await _stop(sweep, running)

    async def test_does_nothing_when_it_is_off_even_if_woken(self) -> None:
        rounds = Rounds()
        sweep = Sweep("a", 0, rounds.do)
        sweep.wake()

        with capture_logs() as lines:
            async with asyncio.timeout(15):
                await sweep.run()

        assert rounds.count == 0
        assert [(line["event"], line["job"]) for line in lines] == [("jobs.skip", "a")]

    async def test_is_woken_early(self) -> None:
        rounds = Rounds()
        sweep = Sweep("a", LONG, rounds.do)
        running = asyncio.create_task(sweep.run())
        await until(lambda: rounds.count == 1)

        sweep.wake()

        await until(lambda: rounds.count == 2)
        await _stop(sweep, running)

    async def test_hears_a_wake_up_that_comes_during_a_round(self) -> None:
        sweep: Sweep
        rounds = Rounds()

        async def wake_in_the_first() -> bool:
            await rounds.do()
            if rounds.count == 1:
                sweep.wake()
            return False

        sweep = Sweep("a", LONG, wake_in_the_first)
        running = asyncio.create_task(sweep.run())

        await until(lambda: rounds.count == 2)
        await _stop(sweep, running)

    async def test_finishes_its_round_when_stopped(self) -> None:
        gate = asyncio.Event()
        finished: list[bool] = []

        async def slow() -> bool:
            await gate.wait()
            finished.append(True)
            return True

        sweep = Sweep("a", LONG, slow)
        running = asyncio.create_task(sweep.run())
        await asyncio.sleep(0)
        sweep.stop()
        gate.set()
        async with asyncio.timeout(15):
            await running

        assert finished == [True]


class TestARoundThatFails:
    async def test_is_tried_again_and_logged_once(self) -> None:
        rounds = Rounds(OSError("gone"), OSError("gone"))
        sweep = Sweep("a", LONG, rounds.do)
        with capture_logs() as lines:
            running = asyncio.create_task(sweep.run())
            await until(lambda: rounds.count == 3)
            await _stop(sweep, running)

        assert [line["event"] for line in lines] == ["jobs.sweep.stalled", "jobs.sweep.recovered"]

    async def test_is_not_hurried_by_wake_ups(self) -> None:
        rounds = Rounds(OSError("gone"))
        sweep = Sweep("a", LONG, rounds.do)
        running = asyncio.create_task(sweep.run())
        await until(lambda: rounds.count == 1)

        sweep.wake()
        await until(lambda: rounds.count == 2)

        assert rounds.began_at[1] - rounds.began_at[0] > 0.3
        await _stop(sweep, running)

    async def test_does_not_hold_up_a_stop(self) -> None:
        rounds = Rounds(*(OSError("gone") for _ in range(4)))
        sweep = Sweep("a", LONG, rounds.do)
        running = asyncio.create_task(sweep.run())
        await until(lambda: rounds.count == 1)

        await _stop(sweep, running)

        assert rounds.count == 1
