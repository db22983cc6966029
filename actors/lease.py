"""Leases in Redis: they make two processes collide rarely. They protect nothing by themselves.

1. A lease may be lost at any time; the version in PostgreSQL refuses the stale write.
2. Redis slow or away is not an error: the caller locks in PostgreSQL instead.
3. Only the owner gives a lease back, by compare-and-delete.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Sequence
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

# A holder that dies keeps others waiting this long, less than they are willing to wait.
LEASE_MS = 2000
# Redis answers in a fraction of a millisecond, or something is wrong with it.
TIMEOUT_SECONDS = 0.05
# After a failure Redis is left alone for a while, so that its absence costs nothing.
BREAKER_SECONDS = 1.0

# One command for a group: a command per order would cost more than the rest of a turn.
_ACQUIRE = """
local won = {}
for i, key in ipairs(KEYS) do
  if redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) then won[#won + 1] = i end
end
return won
"""
_RELEASE = """
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
"""


class LeasesUnavailable(Exception):
    """Redis cannot be asked; lock in PostgreSQL instead."""


class Leases:
    """This process's leases on orders; *redis* None means there is no Redis at all."""

    def __init__(self, redis: Redis | None) -> None:
        self._redis = redis
        self._owner = secrets.token_hex(8)
        self._closed_until = 0.0

    async def acquire(self, order_ids: Sequence[int]) -> set[int]:
        """Try to lease each order once, in one round trip; return those that were free.

        :raises LeasesUnavailable: nothing was leased, as far as we know.
        """
        try:
            won = await self._run(_ACQUIRE, order_ids, LEASE_MS)
        except (RedisError, OSError, TimeoutError) as failure:
            raise self._trip() from failure
        return {order_ids[place - 1] for place in won}

    async def release(self, order_ids: Sequence[int]) -> None:
        """Give leases back; what cannot be given back runs out by itself."""
        if not order_ids:
            return
        try:
            await self._run(_RELEASE, order_ids)
        except LeasesUnavailable:
            return
        except (RedisError, OSError, TimeoutError):
            self._trip()

    async def _run(self, script: str, order_ids: Sequence[int], *args: int) -> list[int]:
        redis = self._available()
        keys = [_key(order_id) for order_id in order_ids]
        async with asyncio.timeout(TIMEOUT_SECONDS):
            answer = redis.eval(script, len(keys), *keys, self._owner, *map(str, args))
            won: list[int] = await cast("Awaitable[list[int]]", answer)
        return won

    def _available(self) -> Redis:
        if self._redis is None or time.monotonic() < self._closed_until:
            raise LeasesUnavailable
        return self._redis

    def _trip(self) -> LeasesUnavailable:
        self._closed_until = time.monotonic() + BREAKER_SECONDS
        return LeasesUnavailable()


def _key(order_id: int) -> str:
    # The braces keep all leases in one slot of a Redis Cluster, as one script takes them.
    return f"guichet:{{lease}}:{order_id}"
