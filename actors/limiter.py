"""How often one person may go wrong: counted in Redis, and in the process where Redis is away.

A count that is lost lets somebody try a little longer, so nothing here is worth waiting for.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.lease import BREAKER_SECONDS, TIMEOUT_SECONDS
from contracts.errors import RateLimited

# Some hundred kilobytes; who comes when it is full finds the ended windows gone, or all of them.
_REMEMBERED_MAX = 10_000
_COUNT = """
local seen = tonumber(redis.call('GET', KEYS[1]) or '0')
if ARGV[1] == '1' then
  seen = redis.call('INCR', KEYS[1])
  if seen == 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
end
return {seen, redis.call('TTL', KEYS[1])}
"""


class Limiter:
    """Lets everybody go wrong *limit* times in *window_seconds*; *name* is what they do."""

    def __init__(self, redis: Redis | None, *, name: str, limit: int, window_seconds: int) -> None:
        self._redis = redis
        self._name = name
        self._limit = limit
        self._window_seconds = window_seconds
        self._closed_until = 0.0
        # How often, and until when that counts.
        self._here: dict[int, tuple[int, float]] = {}

    async def check(self, user_id: int) -> None:
        """Let in who has not gone wrong too often.

        :raises RateLimited: they have; their window ends in *retry_after_seconds*.
        """
        seen, left_seconds = await self._seen(user_id, adding=False)
        if seen >= self._limit:
            raise RateLimited(left_seconds)

    async def count(self, user_id: int) -> None:
        """Note that somebody went wrong.

        :raises RateLimited: once too often, though others of theirs were let in beside this one.
        """
        seen, left_seconds = await self._seen(user_id, adding=True)
        if seen > self._limit:
            raise RateLimited(left_seconds)

    async def _seen(self, user_id: int, *, adding: bool) -> tuple[int, int]:
        here = self._seen_here(user_id, adding=adding)
        if self._redis is None or time.monotonic() < self._closed_until:
            return here
        try:
            there = await self._seen_there(self._redis, user_id, adding=adding)
        except (RedisError, OSError, TimeoutError):
            self._closed_until = time.monotonic() + BREAKER_SECONDS
            return here
        return max(here, there)

    async def _seen_there(self, redis: Redis, user_id: int, *, adding: bool) -> tuple[int, int]:
        key = f"guichet:limit:{self._name}:{user_id}"
        async with asyncio.timeout(TIMEOUT_SECONDS):
            answer = redis.eval(_COUNT, 1, key, str(int(adding)), str(self._window_seconds))
            seen, left_seconds = await cast("Awaitable[list[int]]", answer)
        return seen, max(left_seconds, 1)

    def _seen_here(self, user_id: int, *, adding: bool) -> tuple[int, int]:
        now = time.monotonic()
        seen, ends_at = self._here.get(user_id, (0, 0.0))
        if now >= ends_at:
            seen, ends_at = 0, now + self._window_seconds
        if adding:
            self._make_room(now)
            seen += 1
            self._here[user_id] = (seen, ends_at)
        return seen, max(int(ends_at - now), 1)

    def _make_room(self, now: float) -> None:
        if len(self._here) >= _REMEMBERED_MAX:
            self._here = {who: had for who, had in self._here.items() if had[1] > now}
        if len(self._here) >= _REMEMBERED_MAX:
            self._here.clear()
