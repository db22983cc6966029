import asyncio

import pytest
from redis.asyncio import Redis

from actors.limiter import Limiter
from contracts.errors import RateLimited


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for Redis than a service would: a slow machine is not a failure."""
    monkeypatch.setattr("actors.limiter.TIMEOUT_SECONDS", 5)


def a_limiter(redis: Redis | None, window_seconds: int = 60) -> Limiter:
    return Limiter(redis, name="test", limit=3, window_seconds=window_seconds)


@pytest.fixture
async def clean(redis: Redis) -> Redis:
    await redis.delete("guichet:limit:test:1", "guichet:limit:test:2")
    return redis


async def go_wrong(limiter: Limiter, user_id: int = 1, times: int = 3) -> None:
    for _ in range(times):
        await limiter.check(user_id)
        await limiter.count(user_id)


class TestWhoGoesWrongTooOften:
    @pytest.mark.parametrize("with_redis", [True, False])
    async def test_is_told_when_to_come_back(self, clean: Redis, *, with_redis: bool) -> None:
        limiter = a_limiter(clean if with_redis else None)
        await go_wrong(limiter)

        with pytest.raises(RateLimited) as told:
            await limiter.check(1)

        assert 1 <= told.value.retry_after_seconds <= 60

    async def test_is_known_to_other_processes(self, clean: Redis) -> None:
        await go_wrong(a_limiter(clean))

        with pytest.raises(RateLimited):
            await a_limiter(clean).check(1)

    async def test_keeps_nobody_else_out(self, clean: Redis) -> None:
        limiter = a_limiter(clean)
        await go_wrong(limiter)

        await limiter.check(2)

    async def test_is_found_out_beside_others_that_were_let_in(self, clean: Redis) -> None:
        limiter = a_limiter(clean)

        told = await asyncio.gather(*(limiter.count(1) for _ in range(10)), return_exceptions=True)

        assert sum(isinstance(one, RateLimited) for one in told) == 7

    async def test_is_not_kept_out_by_a_redis_that_is_away(self) -> None:
        nowhere: Redis = Redis.from_url("redis://127.0.0.1:1/0")
        limiter = a_limiter(nowhere)
        await go_wrong(limiter)

        with pytest.raises(RateLimited):
            await limiter.check(1)
        await limiter.check(2)
        await nowhere.aclose()

    async def test_starts_anew_when_the_window_has_ended(
        self, clean: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limiter = a_limiter(clean)
        await go_wrong(limiter)
        assert 0 < await clean.ttl("guichet:limit:test:1") <= 60
        await clean.delete("guichet:limit:test:1")
        real = asyncio.get_running_loop().time()

        monkeypatch.setattr("actors.limiter.time.monotonic", lambda: real + 61)

        await limiter.check(1)
