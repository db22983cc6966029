"""The loop under every job: do a round, go on at once if there is more, else rest.

1. A round that fails as a whole (no database, say) is tried again, ever more patiently.
2. A wake-up ends a rest early; it is never needed for a row to be found.
3. After :meth:`Sweep.stop` no new round begins.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from jobs.metrics import JOBS, announce

# A database that restarts is back within seconds; one that is down must not be hammered.
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 10.0

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


class Sweep:
    """One duty of the worker, done over and over.

    *do_round* returns whether more may be waiting. *interval_seconds* is the longest rest
    between rounds; 0 turns the sweep off, also for wake-ups.
    """

    def __init__(
        self, name: str, interval_seconds: float, do_round: Callable[[], Awaitable[bool]]
    ) -> None:
        self.name = name
        self.interval_seconds = interval_seconds
        self._do_round = do_round
        self._woken = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stalled_since: float | None = None
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        announce(name)

    def wake(self) -> None:
        """Begin the next round now, or right after the one under way."""
        self._woken.set()

    def stop(self) -> None:
        """Begin no more rounds; the one under way is finished."""
        self._stopped.set()
        self._woken.set()

    async def run(self) -> None:
        """Do rounds until stopped. Returns at once when the sweep is off."""
        if self.interval_seconds == 0:
            log.info("jobs.skip", job=self.name)
        while self.interval_seconds > 0 and not self._stopped.is_set():
            self._woken.clear()
            try:
                more = await self._do_round()
            except Exception as error:  # noqa: BLE001 - the next round is the answer
                self._note_stall(error)
                await self._back_off()
            else:
                self._note_recovery()
                if not more:
                    await _wait(self._woken, self.interval_seconds)

    async def _back_off(self) -> None:
        # Wake-ups do not count here: they would turn the backoff into hammering.
        await _wait(self._stopped, self._backoff_seconds)
        self._backoff_seconds = min(2 * self._backoff_seconds, _LONGEST_BACKOFF_SECONDS)

    def _note_stall(self, error: Exception) -> None:
        JOBS.labels(self.name, "stalled").inc()
        if self._stalled_since is None:
            self._stalled_since = time.monotonic()
            log.error("jobs.sweep.stalled", job=self.name, exc_info=error)

    def _note_recovery(self) -> None:
        if self._stalled_since is not None:
            stalled_ms = round(1000 * (time.monotonic() - self._stalled_since))
            log.info("jobs.sweep.recovered", job=self.name, duration_ms=stalled_ms)
        self._stalled_since = None
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
