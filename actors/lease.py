"""Leases in Redis: they make two processes collide rarely. They protect nothing by themselves.

1. A lease may be lost at any time; the version in PostgreSQL refuses the stale write.
2. Redis slow or away is not an error: the caller locks in PostgreSQL instead.
3. Only the owner gives a lease back, by compare-and-delete.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

# A holder that dies keeps others waiting this long, less than they are willing to wait.
LEASE_MS = 2000
# Redis answers in a fraction of a millisecond, or something is wrong with it.
TIMEOUT_SECONDS = 0.05
# After a failure Redis is left alone for a while, so that its absence costs nothing.
BREAKER_SECONDS = 1.0

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
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
        redis = self._available()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                async with redis.pipeline(transaction=False) as pipeline:
                    for order_id in order_ids:
                        pipeline.set(_key(order_id), self._owner, nx=True, px=LEASE_MS)
                    answers = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as failure:
            raise self._trip() from failure
        return {order_id for order_id, won in zip(order_ids, answers, strict=True) if won}

    async def release(self, order_ids: Sequence[int]) -> None:
        """Give leases back; what cannot be given back runs out by itself."""
        if not order_ids:
            return
        try:
            redis = self._available()
            async with asyncio.timeout(TIMEOUT_SECONDS):
                async with redis.pipeline(transaction=False) as pipeline:
                    for order_id in order_ids:
                        pipeline.eval(_RELEASE, 1, _key(order_id), self._owner)
                    await pipeline.execute()
        except LeasesUnavailable:
            return
        except (RedisError, OSError, TimeoutError):
            self._trip()

    def _available(self) -> Redis:
        if self._redis is None or time.monotonic() < self._closed_until:
            raise LeasesUnavailable
        return self._redis

    def _trip(self) -> LeasesUnavailable:
        self._closed_until = time.monotonic() + BREAKER_SECONDS
        return LeasesUnavailable()


def _key(order_id: int) -> str:
    # The braces keep all keys of one order in one slot of a Redis Cluster.
    return f"guichet:lease:{{{order_id}}}"
