"""arq beside the sweeps: it may help, and it may be away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from redis import Redis
from structlog.testing import capture_logs

from actors.wakeups import QUEUE, Wakeups
from jobs.batch import Batch
from jobs.effects import Effects, LogDelivery
from jobs.sweep import Sweep
from jobs.wakeups import Listener
from models.engine import Database
from models.sweeps import claim_effects
from sandbox.embedded.redis import EmbeddedRedis
from tests.jobs.rows import ALL_EFFECTS_DONE, an_effect, until, until_found

LONG = 3600.0


class Rounds:
    """Counts the rounds of a sweep."""

    def __init__(self) -> None:
        self.count = 0

    async def do(self) -> bool:
        self.count += 1
        return False


@asynccontextmanager
async def _listening(redis_url: str | None, sweep: Sweep) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(sweep.run()),
        asyncio.create_task(Listener(redis_url, {sweep.name: sweep}).run()),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def wakeups(own_redis: EmbeddedRedis) -> AsyncIterator[Wakeups]:
    wakeups = Wakeups(own_redis.url)
    yield wakeups
    await wakeups.close()


async def _until_woken(wakeups: Wakeups, rounds: Rounds) -> None:
    """Send wake-ups until one arrives; any of them may be lost, as ever."""
    before, deadline = rounds.count, time.monotonic() + 60
    while rounds.count == before:
        assert time.monotonic() < deadline, "no wake-up arrived"
        wakeups.wake("effects")
        await asyncio.sleep(0.05)


async def _until_queued(wakeups: Wakeups, client: Redis, *sweeps: str) -> None:
    """Send wake-ups until all of them wait; any of them may be lost, as ever."""
    deadline = time.monotonic() + 60
    while client.zcard(QUEUE) != len(sweeps):
        assert time.monotonic() < deadline, "no wake-up arrived"
        wakeups.wake(*sweeps)
        await asyncio.sleep(0.05)


class TestAWakeUp:
    async def test_shortens_the_wait(self, own_redis: EmbeddedRedis, wakeups: Wakeups) -> None:
        rounds = Rounds()
        async with _listening(own_redis.url, Sweep("effects", LONG, rounds.do)):
            await until(lambda: rounds.count == 1)

            await _until_woken(wakeups, rounds)

    async def test_for_an_unknown_sweep_is_ignored(
        self, own_redis: EmbeddedRedis, wakeups: Wakeups
    ) -> None:
        rounds = Rounds()
        async with _listening(own_redis.url, Sweep("effects", LONG, rounds.do)):
            await until(lambda: rounds.count >= 1)
            wakeups.wake("nobody")

            await _until_woken(wakeups, rounds)

    async def test_waits_at_most_once_per_sweep_in_the_queue(
        self, own_redis: EmbeddedRedis, wakeups: Wakeups
    ) -> None:
        client = Redis.from_url(own_redis.url)
        client.flushall()
        await _until_queued(wakeups, client, "effects", "close")

        for _ in range(20):
            wakeups.wake("effects", "close")
            await asyncio.sleep(0.02)

        assert client.zcard(QUEUE) == 2
        client.close()

    async def test_carries_json(self, own_redis: EmbeddedRedis, wakeups: Wakeups) -> None:
        client = Redis.from_url(own_redis.url)
        client.flushall()
        await _until_queued(wakeups, client, "effects")

        body = client.get("arq:job:wake:effects")

        assert isinstance(body, bytes)
        assert b'"f":"wake"' in body
        client.close()


class TestTheSender:
    async def test_does_nothing_without_a_redis(self) -> None:
        wakeups = Wakeups(None)
        wakeups.wake("effects")
        await wakeups.close()

    async def test_neither_raises_nor_blocks_nor_insists_while_redis_is_down(
        self, own_redis: EmbeddedRedis, wakeups: Wakeups
    ) -> None:
        own_redis.stop()
        idle = len(asyncio.all_tasks())
        began = time.monotonic()
        for _ in range(1000):
            wakeups.wake("effects")
        spent = time.monotonic() - began
        assert len(asyncio.all_tasks()) == idle + 1
        await until(lambda: len(asyncio.all_tasks()) == idle)

        wakeups.wake("effects")

        assert len(asyncio.all_tasks()) == idle
        assert spent < 5


class TestTheListener:
    async def test_ends_at_once_without_a_redis(self) -> None:
        async with asyncio.timeout(15):
            await Listener(None, {}).run()

    async def test_comes_back_after_redis_restarted(self, own_redis: EmbeddedRedis) -> None:
        rounds = Rounds()
        with capture_logs() as lines:
            async with _listening(own_redis.url, Sweep("effects", LONG, rounds.do)):
                first = Wakeups(own_redis.url)
                await _until_woken(first, rounds)
                await first.close()

                own_redis.stop()
                await until(lambda: any(x["event"] == "jobs.wakeups.lost" for x in lines))
                own_redis.start()

                second = Wakeups(own_redis.url)
                await _until_woken(second, rounds)
                await second.close()

        assert [x["event"] for x in lines] == ["jobs.wakeups.lost", "jobs.wakeups.recovered"]

    async def test_hears_again_after_a_flush(
        self, own_redis: EmbeddedRedis, wakeups: Wakeups
    ) -> None:
        rounds = Rounds()
        async with _listening(own_redis.url, Sweep("effects", LONG, rounds.do)):
            await _until_woken(wakeups, rounds)
            with Redis.from_url(own_redis.url) as client:
                client.flushall()

            await _until_woken(wakeups, rounds)


class TestADutyWithoutRedis:
    @pytest.mark.parametrize("loss", ["absent", "killed", "flushed"])
    async def test_is_done_all_the_same(
        self, database: Database, own_redis: EmbeddedRedis, loss: str
    ) -> None:
        effects = Effects(database=database, delivery=LogDelivery())
        batch = Batch(
            job="effects",
            noun="effect",
            size=10,
            claim=partial(claim_effects, database),
            handle=effects.deliver,
            let_go=effects.deliver_later,
        )
        url = None if loss == "absent" else own_redis.url
        wakeups = Wakeups(url)
        with capture_logs():
            async with _listening(url, Sweep("effects", 0.1, batch.do_round)):
                for n in range(20):
                    await an_effect(database)
                    wakeups.wake("effects")
                    if n == 10:
                        _lose(own_redis, loss)
                await until_found(database, ALL_EFFECTS_DONE)
        await wakeups.close()

        assert await database.fetchval("SELECT max(tries) FROM effects") == 1


def _lose(own_redis: EmbeddedRedis, loss: str) -> None:
    if loss == "killed":
        assert own_redis.process is not None
        own_redis.process.kill()
        own_redis.process.wait()
    elif loss == "flushed":
        with Redis.from_url(own_redis.url) as client:
            client.flushall()
