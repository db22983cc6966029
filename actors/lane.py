"""A lane commits in groups: while one commit is in flight, the next group gathers.

1. An answer is given only after its commit; grouping changes no promise.
2. One bad item never fails its neighbours: a failing group is halved until it stands alone.
3. A commit must be safe to repeat: after a lost connection nobody knows whether it happened.
4. The queue is bounded, and who no longer waits is dropped before the work, not after it.
5. A lane may linger between commits while it is busy: a commit costs about the same for many. Who
   comes to an idle lane never waits for others.
"""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

import msgspec
from opentelemetry import trace

from actors.metrics import GROUP_SIZE, RETRIES
from actors.tracing import commit_span
from contracts.errors import OrderBusy, Overloaded
from models.engine import CONFLICTS, GONE, HELD_UP

Item = TypeVar("Item")
Answer = TypeVar("Answer")

GROUP_LIMIT = 256
QUEUE_LIMIT = 2000
# A client that has waited this long has given up; so do we.
PATIENCE_SECONDS = 3.0
MAX_TRIES = 5
# Long enough for another process to finish the turn we lost to.
AGAIN_DELAYS_SECONDS = (0.002, 0.02)


class Again:
    """The item was not committed and should be, with a later group."""


Outcome: TypeAlias = Answer | Exception | Again
Commit: TypeAlias = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception | Again]]]


class _Waiting(msgspec.Struct, Generic[Item, Answer]):
    item: Item
    answer: "asyncio.Future[Answer]"
    deadline: float
    span: trace.Span


class Lane(Generic[Item, Answer]):
    """One queue and one commit in flight; *commit* answers each item of a group."""

    def __init__(
        self,
        name: str,
        commit: Commit[Item, Answer],
        *,
        slots: asyncio.Semaphore | None = None,
        linger_seconds: float = 0.0,
    ) -> None:
        self._name = name
        self._linger_seconds = linger_seconds
        self._commit = commit
        self._slots = slots or asyncio.Semaphore(1)
        self._queue: deque[_Waiting[Item, Answer]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._group_size = GROUP_SIZE.labels(lane=name)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is queued or in flight."""
        return self._runner is None

    async def submit(self, item: Item) -> Answer:
        """Wait for *item*'s commit and return its answer. Giving up does not undo a commit.

        :raises Overloaded: the queue is full; nothing was done.
        :raises OrderBusy: the item's turn did not come in time; nothing was done.
        """
        if len(self._queue) >= QUEUE_LIMIT:
            raise Overloaded
        loop = asyncio.get_running_loop()
        # Calling a subscripted class would take longer than all the rest of this.
        waiting: _Waiting[Item, Answer] = _Waiting(
            item=item,
            answer=loop.create_future(),
            deadline=loop.time() + PATIENCE_SECONDS,
            span=trace.get_current_span(),
        )
        self._queue.append(waiting)
        self._start()
        return await waiting.answer

    async def close(self) -> None:
        """Wait for what is queued and in flight."""
        while self._runner is not None:
            await asyncio.wait([self._runner])

    def _start(self) -> None:
        if self._runner is None:
            # It works for everyone who comes, so it is in nobody's trace.
            self._runner = contextvars.Context().run(
                asyncio.get_running_loop().create_task, self._run(), name=self._name
            )

    async def _run(self) -> None:
        try:
            while self._queue:
                async with self._slots:
                    group = self._gather()
                    if group:
                        self._group_size.observe(len(group))
                        await self._commit_group(group)
                if self._queue and self._linger_seconds:
                    await asyncio.sleep(self._linger_seconds)
        finally:
            self._runner = None

    def _gather(self) -> list[_Waiting[Item, Answer]]:
        now = asyncio.get_running_loop().time()
        group: list[_Waiting[Item, Answer]] = []
        while self._queue and len(group) < GROUP_LIMIT:
            waiting = self._queue.popleft()
            if waiting.answer.done():
                continue
            if waiting.deadline < now:
                waiting.answer.set_exception(OrderBusy())
            else:
                group.append(waiting)
        return group

    async def _commit_group(self, group: list[_Waiting[Item, Answer]]) -> None:
        try:
            with commit_span(self._name, (waiting.span for waiting in group), size=len(group)):
                outcomes = await self._commit_with_retries([waiting.item for waiting in group])
        except HELD_UP:
            for waiting in group:
                self._answer(waiting, OrderBusy())
        except Exception as failure:  # noqa: BLE001 - handed to whoever waits
            await self._commit_halves(group, failure)
        else:
            for waiting, outcome in zip(group, outcomes, strict=True):
                self._answer(waiting, outcome)

    async def _commit_with_retries(self, items: Sequence[Item]) -> "Sequence[Outcome[Answer]]":
        for tries in range(1, MAX_TRIES):
            try:
                return await self._commit(items)
            except HELD_UP:
                raise
            except (*CONFLICTS, *GONE):
                RETRIES.labels(lane=self._name).inc()
                await asyncio.sleep(_jitter() * tries)
        return await self._commit(items)

    async def _commit_halves(self, group: list[_Waiting[Item, Answer]], failure: Exception) -> None:
        if len(group) == 1 or isinstance(failure, GONE):
            told = OrderBusy() if isinstance(failure, CONFLICTS) else failure
            for waiting in group:
                self._answer(waiting, told)
            return
        middle = len(group) // 2
        await self._commit_group(group[:middle])
        await self._commit_group(group[middle:])

    def _answer(self, waiting: _Waiting[Item, Answer], outcome: "Outcome[Answer]") -> None:
        if waiting.answer.done():
            return
        if isinstance(outcome, Again):
            asyncio.get_running_loop().call_later(_jitter(), self._requeue, waiting)
        elif isinstance(outcome, Exception):
            waiting.answer.set_exception(outcome)
        else:
            waiting.answer.set_result(outcome)

    def _requeue(self, waiting: _Waiting[Item, Answer]) -> None:
        self._queue.append(waiting)
        self._start()


def _jitter() -> float:
    return random.uniform(*AGAIN_DELAYS_SECONDS)  # noqa: S311 - spreads retries, guards nothing
