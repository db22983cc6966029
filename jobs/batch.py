"""One round over claimed rows: all at once, each on its own.

1. A row that fails is logged and counted once, and never stops its neighbours.
2. Every row of a batch begins at once, so no claim runs out while its row waits for a turn.
3. A round that found rows is a trace of its own; each row's span links to what caused the row.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

import msgspec
import structlog
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, get_current_span

from actors.failpoints import Reach, nowhere
from actors.tracing import links_to, tracer
from contracts.errors import Refusal
from jobs.metrics import JOBS
from models.sweeps import CLAIM, Due

# Shorter than a claim: whoever takes a row over must find it let go.
_ROW_SECONDS = CLAIM.total_seconds() - 5

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")

_Row = TypeVar("_Row", bound=Due)


class Batch(msgspec.Struct, Generic[_Row], frozen=True, kw_only=True):
    """How one kind of row is claimed, handled and let go.

    *let_go* comes after *handle*, whether it failed or not. *noun* names one row in traces.
    """

    job: str
    noun: str
    size: int
    claim: Callable[[int], Awaitable[Sequence[_Row]]]
    handle: Callable[[_Row], Awaitable[None]]
    let_go: Callable[[_Row], Awaitable[None]] | None = None
    reach: Reach = nowhere

    async def do_round(self) -> bool:
        """Claim and handle up to *size* rows; return whether more may be waiting."""
        began_ns = time.time_ns()
        rows = await self.claim(self.size)
        if not rows:
            return False
        await self.reach(f"sweep.{self.job}")
        with tracer.start_as_current_span(
            f"{self.job}.sweep",
            context=Context(),
            start_time=began_ns,
            attributes={"guichet.job": self.job, "guichet.rows": len(rows)},
        ):
            async with asyncio.TaskGroup() as group:
                for row in rows:
                    group.create_task(self._take(row))
        return len(rows) == self.size

    async def _take(self, row: _Row) -> None:
        with self._span(row) as span:
            failure = await _failure_of(self.handle, row)
            if self.let_go is not None:
                failure = await _failure_of(self.let_go, row) or failure
            JOBS.labels(self.job, "failed" if failure else "done").inc()
            if failure:
                self._note_failure(row, failure, span)

    def _span(self, row: _Row) -> AbstractContextManager[Span]:
        round_span = get_current_span()
        if not round_span.get_span_context().trace_flags.sampled:
            return nullcontext(round_span)
        return tracer.start_as_current_span(
            f"{self.job}.{self.noun}", links=links_to(row.trace_ctx), attributes=_attributes(row)
        )

    def _note_failure(self, row: _Row, failure: Exception, span: Span) -> None:
        error = failure.code if isinstance(failure, Refusal) else type(failure).__name__
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))
        about = {"job": self.job, "order_id": row.order_id, **row.name, "error": error}
        if isinstance(failure, Refusal):
            log.warning("jobs.row.refused", **about)
        else:
            log.error("jobs.row.failed", **about, exc_info=failure)


async def _failure_of(step: Callable[[_Row], Awaitable[None]], row: _Row) -> Exception | None:
    try:
        async with asyncio.timeout(_ROW_SECONDS):
            await step(row)
    except Exception as error:  # noqa: BLE001 - one row must not stop the others
        return error
    return None


def _attributes(row: Due) -> dict[str, str | int]:
    known = {
        "guichet.order.id": row.order_id,
        "guichet.provider": row.provider,
        "guichet.channel": row.channel or ("none" if row.order_id else None),
    }
    named = {f"guichet.{name}": value for name, value in row.name.items()}
    return named | {name: value for name, value in known.items() if value is not None}
