"""An event loop without a clock, threads or sockets: the seed decides who goes next, and when.

1. Time stands still while anything can run, and jumps to the next timer when nothing can.
2. Of all callbacks that could run, the seed picks one: no order may be relied upon.
3. Every callback belongs to a process or to the world; a process can be frozen, and can die.
4. The dead do not linger: their tasks are cancelled and run out at once, cut off from everything.
"""

import asyncio
import contextvars
import heapq
from asyncio.events import Handle, TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from typing import Any

# A task that survives this many cancellations holds on for good, which is a defect.
_CANCELLATIONS = 20
_PRUNE_AT = 256


class Stuck(AssertionError):
    """Nothing can run and no timer is set: somebody waits for ever."""


class Owner:
    """One life of one process, as the loop knows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_frozen = False
        self.frozen: list[Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.context = contextvars.Context()
        self.context.run(_OWNER.set, self)


_OWNER: ContextVar[Owner | None] = ContextVar("simulated_process", default=None)
# For what belongs to no process: servers, networks, buyers.
WORLD = contextvars.Context()
WORLD.run(_OWNER.set, None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs everything of one seed in one thread, in an order of the seed's choosing."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._pick = random.random
        self._now = 0.0
        self._sequence = 0
        self._running_owner: Owner | None = None
        self._runnable: list[tuple[Handle, Owner | None]] = []
        self._timers: list[tuple[float, int, TimerHandle]] = []
        self._dying: deque[Handle] = deque()
        self.failures: list[str] = []
        self.steps = 0
        self.set_task_factory(_make_task)  # type: ignore[arg-type]  # typeshed wants one signature
        self.set_exception_handler(_note_failure)

    def time(self) -> float:
        """Tell the virtual time in seconds since the beginning."""
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> Handle:
        """Make *callback* one of those that can run."""
        handle = Handle(callback, args, self, context)
        owner = handle._context.get(_OWNER)  # type: ignore[attr-defined]  # noqa: SLF001
        if owner is not None and owner.is_dead:
            self._dying.append(handle)
        else:
            self._runnable.append((handle, owner))
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> TimerHandle:
        """Let *callback* run at a virtual time."""
        handle = TimerHandle(when, callback, args, self, context)
        self._sequence += 1
        heapq.heappush(self._timers, (when, self._sequence, handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> TimerHandle:
        """Let *callback* run after a virtual time."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def spawn(self, owner: Owner | None, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start *work* as a task of *owner*, or of the world."""
        context = WORLD.copy() if owner is None else owner.context.copy()
        return self.create_task(work, context=context)

    def freeze(self, owner: Owner) -> None:
        """Let nothing of *owner* run, as SIGSTOP does."""
        owner.is_frozen = True

    def thaw(self, owner: Owner) -> None:
        """Let everything of *owner* that has become due run again."""
        owner.is_frozen = False
        self._runnable += [(handle, owner) for handle in owner.frozen]
        owner.frozen.clear()

    def kill(self, owner: Owner) -> None:
        """End *owner*: whatever it was about to do does not happen."""
        owner.is_dead, owner.is_frozen = True, False
        self._dying += [handle for handle, whose in self._runnable if whose is owner]
        self._runnable = [entry for entry in self._runnable if entry[1] is not owner]
        self._dying += owner.frozen
        owner.frozen.clear()
        for _ in range(_CANCELLATIONS):
            alive = [task for task in owner.tasks if not task.done()]
            if not alive:
                return
            for task in alive:
                task.cancel()
            self.run_out()
        raise AssertionError(f"{owner.name} has tasks that cannot be cancelled.")

    def run_out(self) -> None:
        # The one step that is under way is the killer's own; asyncio knows one task at a time.
        current = asyncio.current_task(self)
        if current is not None:
            asyncio.tasks._leave_task(self, current)  # noqa: SLF001
        while self._dying:
            handle = self._dying.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001
        if current is not None:
            asyncio.tasks._enter_task(self, current)  # noqa: SLF001

    def _run_once(self) -> None:
        if not self._runnable:
            self._let_time_pass()
        runnable = self._runnable
        n = int(self._pick() * len(runnable))
        handle, owner = runnable[n]
        last = runnable.pop()
        if n < len(runnable):
            runnable[n] = last
        if handle._cancelled:  # noqa: SLF001
            return
        if owner is not None and owner.is_frozen:
            owner.frozen.append(handle)
            return
        self.steps += 1
        self._running_owner = owner
        handle._run()  # noqa: SLF001
        self._running_owner = None

    def _let_time_pass(self) -> None:
        timers = self._timers
        while timers and not self._runnable:
            self._now = max(self._now, timers[0][0])
            while timers and timers[0][0] <= self._now:
                handle = heapq.heappop(timers)[2]
                owner = handle._context.get(_OWNER)  # type: ignore[attr-defined]  # noqa: SLF001
                gone = handle._cancelled or (owner is not None and owner.is_dead)  # noqa: SLF001
                if not gone:
                    self._runnable.append((handle, owner))
        if not self._runnable:
            raise Stuck

    def _timer_handle_cancelled(self, _handle: TimerHandle) -> None:
        """Leave a cancelled timer where it is; it is dropped when its time comes."""

    def _process_events(self, _event_list: object) -> None:
        """Ignore sockets: there are none."""

    def close(self) -> None:
        """Forget everything that was still to come."""
        self._runnable.clear()
        self._timers.clear()
        super().close()


def _make_task(
    loop: VirtualLoop, work: Coroutine[Any, Any, Any], context: Context | None = None
) -> asyncio.Task[Any]:
    context = contextvars.copy_context() if context is None else context
    owner = context.get(_OWNER)
    if owner is None and loop._running_owner is not None and _OWNER not in context:  # noqa: SLF001
        # A lane's runner begins in an empty context; it is its process's task all the same.
        owner = loop._running_owner  # noqa: SLF001
        context.run(_OWNER.set, owner)
    task = asyncio.Task(work, loop=loop, context=context)
    if owner is not None:
        owner.tasks.append(task)
        if len(owner.tasks) > _PRUNE_AT:
            owner.tasks = [known for known in owner.tasks if not known.done()]
    return task


def _note_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    # What the garbage collector has to say comes when it likes, which no seed can repeat.
    if "handle" in context:
        loop.failures.append(f"{context.get('message')}: {context.get('exception')!r}")
