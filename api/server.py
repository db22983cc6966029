"""The server: processes that answer on one port, and one that replaces those that die.

1. Each process listens for itself, so that the kernel deals connections out evenly; of one socket
   that all share, whoever wakes first would take what there is.
2. They are forked, so that what was loaded before is in memory once.
3. None outlives the main process, and none is replaced more than once a second.
"""

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import Any, Final, NoReturn, cast

import structlog
import uvicorn
from litestar.types import ASGIApp

from api.connection import Connection
from runtime.memory import begin_forking
from runtime.processes import die_with_parent

# A proxy in front keeps connections for a minute; it must be the one that closes them.
KEEP_ALIVE_SECONDS: Final = 75
# A sale's first second: who is not accepted yet waits in the kernel.
_BACKLOG: Final = 4096
# The supervisor gives the whole house four seconds.
_STOP_SECONDS: Final = 3.0
# What is under way may finish; then there is a second left to end well.
_FINISH_SECONDS: Final = 2
# Nobody notices that a process is missing for so short a time.
_LOOK_SECONDS: Final = 0.1
# Starting takes half a second of a core; one that cannot start must leave some for the others.
_YOUNG_SECONDS: Final = 1.0
# The kernel ends the processes of a main process that was killed, but takes its time.
_LEAVING_SECONDS: Final = 2.0
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)
_forking: Final = multiprocessing.get_context("fork")

log: structlog.stdlib.BoundLogger = structlog.get_logger("api")


def serve(build: Callable[[], ASGIApp], *, host: str, port: int, count: int) -> None:
    """Answer on a port from *count* processes until told to stop; each builds its application.

    :raises OSError: somebody else listens there.
    """
    stop = _Stop()
    _make_sure_to_be_alone(host, port)
    begin_forking()
    workers = [_Worker(partial(_answer, os.getpid(), build, host, port)) for _ in range(count)]
    try:
        while not stop.is_told:
            for worker in workers:
                worker.keep()
            time.sleep(_LOOK_SECONDS)
    finally:
        _end(workers)


def settings_for(app: ASGIApp) -> uvicorn.Config:
    """Say how an application is served."""
    return uvicorn.Config(
        cast("Any", app),
        interface="asgi3",
        http=Connection,
        loop="uvloop",
        ws="none",
        lifespan="on",
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_FINISH_SECONDS,
        # Who a request comes from is told by nobody but the kernel.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        # It repeats what strangers send, and exceptions with their messages.
        log_config=None,
        log_level="critical",
    )


class _Worker:
    """A process that does *work*, and those that come after it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._started_at = float("-inf")
        self._process: ForkProcess | None = None

    def keep(self) -> None:
        """See to it that somebody works."""
        if self._is_alive() or time.monotonic() - self._started_at < _YOUNG_SECONDS:
            return
        if self._process is not None:
            log.error("api.worker.died", pid=self._process.pid, status=self._process.exitcode)
        self._started_at = time.monotonic()
        process = _forking.Process(target=self._work)
        try:
            process.start()
        except OSError:
            # No memory or no process numbers, for now; the others go on.
            log.exception("api.worker.missing")
            self._process = None
        else:
            self._process = process

    def tell(self) -> None:
        """Tell the process to end."""
        if self._process is not None:
            self._process.terminate()

    def bury(self, deadline: float) -> None:
        """Wait for its end, but not beyond *deadline*."""
        if self._process is None:
            return
        self._process.join(max(0.0, deadline - time.monotonic()))
        if self._process.is_alive():
            log.error("api.worker.killed", pid=self._process.pid)
            self._process.kill()
            self._process.join()

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive()


def _end(workers: Sequence[_Worker]) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    for worker in workers:
        worker.tell()
    for worker in workers:
        worker.bury(deadline)


class _Stop:
    """Whether we were told to stop."""

    def __init__(self) -> None:
        self.is_told = False
        for number in _STOPS:
            signal.signal(number, self._hear)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self.is_told = True


def _make_sure_to_be_alone(host: str, port: int) -> None:
    """Find out whether another server has the port: it would share it, and the requests with it."""
    deadline = time.monotonic() + _LEAVING_SECONDS
    while True:
        try:
            _socket(host, port, shared=False).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _answer(main_pid: int, build: Callable[[], ASGIApp], host: str, port: int) -> None:
    die_with_parent(main_pid)
    for number in _STOPS:
        signal.signal(number, _leave)
    try:
        uvicorn.Server(settings_for(build())).run([_socket(host, port)])
    except Exception:
        log.exception("api.process.failed")
        sys.exit(1)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    # Before the server listens to signals, and after it has ended by one.
    sys.exit(0)


def _socket(host: str, port: int, *, shared: bool = True) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
    try:
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found
