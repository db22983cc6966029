"""Tells the worker early that a row waits for it. A hint, never the record.

1. Nothing depends on a wake-up: a lost one costs a sweep's interval.
2. Sending never raises, never blocks its caller, and soon gives up on a Redis that is away.
3. What travels is a sweep's name in JSON: no row, no pickle.
"""

import asyncio
import time

import msgspec
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

QUEUE = "guichet:wakeups"
WAKE_JOB = "wake"

_SEND_SECONDS = 0.05
# A burst of turns becomes one wake-up per sweep; nobody notices a fifth of a second.
_GATHER_SECONDS = 0.2
# While Redis is away each try would cost its timeout; the sweeps' own pace will do.
_PAUSE_AFTER_FAILURE_SECONDS = 5.0
# A wake-up nobody heard for a minute has been overtaken by the sweep itself.
_LIFE_MS = 60_000

encode_job = msgspec.json.Encoder(enc_hook=str).encode
decode_job = msgspec.json.Decoder().decode


class Wakeups:
    """The sending side. Without a Redis it does nothing."""

    def __init__(self, redis_url: str | None) -> None:
        self._redis = arq_redis(redis_url, timeout_seconds=_SEND_SECONDS) if redis_url else None
        self._waiting: set[str] = set()
        self._sender: asyncio.Task[None] | None = None
        self._silent_until = 0.0

    def wake(self, *sweeps: str) -> None:
        """Wake sweeps by name, soon and if possible. Call it after the commit."""
        if self._redis is None or time.monotonic() < self._silent_until:
            return
        self._waiting.update(sweeps)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._send(self._redis))

    async def close(self) -> None:
        """Drop what is not sent and let go of Redis."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._redis is not None:
            await self._redis.aclose(close_connection_pool=True)

    async def _send(self, redis: ArqRedis) -> None:
        while self._waiting:
            sweeps, self._waiting = self._waiting, set()
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    await _enqueue(redis, sweeps)
            except (RedisError, OSError, TimeoutError):
                self._silent_until = time.monotonic() + _PAUSE_AFTER_FAILURE_SECONDS
                self._waiting.clear()
                return
            await asyncio.sleep(_GATHER_SECONDS)


def arq_redis(url: str, *, timeout_seconds: float) -> ArqRedis:
    """Connect arq to the Redis at *url*; every answer must come within *timeout_seconds*."""
    pool = ConnectionPool.from_url(
        url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds
    )
    return ArqRedis(
        pool,
        job_serializer=encode_job,
        job_deserializer=decode_job,
        default_queue_name=QUEUE,
        expires_extra_ms=_LIFE_MS,
    )


async def _enqueue(redis: ArqRedis, sweeps: set[str]) -> None:
    for sweep in sweeps:
        # One waiting job per sweep: without a worker the queue cannot grow.
        await redis.enqueue_job(WAKE_JOB, sweep, _job_id=f"{WAKE_JOB}:{sweep}")
