"""arq beside the sweeps: hears wake-ups and ticks once a minute, and may be away.

1. arq ends when Redis restarts, and forgets jobs when it is flushed or its process is killed;
   nothing here is ever the record of a duty.
2. Whatever ends it, it is started again, ever more patiently, at the latest after ten seconds.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import structlog
from arq import cron
from arq.connections import ArqRedis
from arq.worker import Worker, func

from actors.wakeups import QUEUE, WAKE_JOB, arq_redis, decode_job, encode_job
from jobs.sweep import Sweep

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
# Long enough for a Redis that saves to disk, short enough to notice one that hangs.
_ANSWER_SECONDS = 5.0
# A job only sets an event. arq holds a killed worker's job for this time and ten seconds more.
_JOB_SECONDS = 5
_POLL_SECONDS = 0.1
_HEALTH_SECONDS = 5
_TICK_SECONDS = 60

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


class Listener:
    """Wakes this process's sweeps by what arq brings."""

    def __init__(self, redis_url: str | None, sweeps: Mapping[str, Sweep]) -> None:
        self._redis_url = redis_url
        self._sweeps = sweeps
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._lost_at: float | None = None

    async def run(self) -> None:
        """Listen until cancelled. Returns at once without a Redis."""
        while self._redis_url is not None:
            try:
                await self._listen(arq_redis(self._redis_url, timeout_seconds=_ANSWER_SECONDS))
            except Exception as error:  # noqa: BLE001 - whatever it was, arq is started again
                self._note_loss(error)
            await asyncio.sleep(self._pause_seconds)
            self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    async def _listen(self, redis: ArqRedis) -> None:
        worker = self._worker(redis)
        try:
            await worker.async_run()
        finally:
            # arq's own close() lets the errors of its jobs escape and then keeps the connections.
            for task in worker.tasks.values():
                task.cancel()
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
            await redis.aclose(close_connection_pool=True)

    def _worker(self, redis: ArqRedis) -> Worker:
        # arq asks of a job's type what only plain functions have.
        wake: Any = self._wake
        tick: Any = self._tick
        note_start: Any = self._note_start
        return Worker(
            functions=[func(wake, name=WAKE_JOB)],
            cron_jobs=[cron(tick, name="tick", second=0, timeout=_JOB_SECONDS)],
            redis_pool=redis,
            queue_name=QUEUE,
            on_startup=note_start,
            handle_signals=False,
            job_timeout=_JOB_SECONDS,
            keep_result=0,
            poll_delay=_POLL_SECONDS,
            health_check_interval=_HEALTH_SECONDS,
            health_check_key=f"{QUEUE}:health",
            job_serializer=encode_job,
            job_deserializer=decode_job,
            timezone=UTC,
            log_results=False,
        )

    async def _wake(self, _ctx: dict[Any, Any], sweep_name: str) -> None:
        """Begin a round of one sweep. Names nobody knows are ignored."""
        if sweep := self._sweeps.get(sweep_name):
            sweep.wake()

    async def _tick(self, _ctx: dict[Any, Any]) -> None:
        """Begin a round of every sweep that rests for a minute at most, as its operator chose."""
        for sweep in self._sweeps.values():
            if sweep.interval_seconds <= _TICK_SECONDS:
                sweep.wake()

    async def _note_start(self, _ctx: dict[Any, Any]) -> None:
        if self._lost_at is not None:
            lost_ms = round(1000 * (time.monotonic() - self._lost_at))
            log.info("jobs.wakeups.recovered", duration_ms=lost_ms)
        self._lost_at = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def _note_loss(self, error: Exception) -> None:
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            log.warning("jobs.wakeups.lost", error=type(error).__name__)
