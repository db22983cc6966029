"""Waiting that ends early when a signal arrives, and remembering that we were asked to stop."""

import select
import signal
import socket
from types import FrameType
from typing import Self

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wakeups:
    """Turns signals into two things: pauses that end at once, and `stop_requested`.

    Only the main thread may enter it. A child's end ends a pause too.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self._reader, self._writer = socket.socketpair()
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        self._writer.settimeout(0)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in _STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._request_stop)
        # Python writes to the wake-up descriptor only for signals that have a handler.
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def pause(self, seconds: float) -> None:
        """Wait *seconds*, or until the next signal."""
        readable, _, _ = select.select([self._reader], [], [], seconds)
        if readable:
            self._reader.recv(4096)

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True
