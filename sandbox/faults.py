"""Faults waiting for the next calls of a provider, first in, first out.

Modes of a call:

- ``error_500``: answered with the provider's system error, nothing done.
- ``kept_500`` (stripe, under an idempotency key): done, answered with the system error, and so is
  every repeat.
- ``rate_limited``: answered with the provider's rate limit, nothing done.
- ``timeout_after``: done, then silence for ``delay_ms`` (60 s), then the answer.
- ``hang_before``: silence for ``delay_ms`` (60 s), then done, unless the caller hung up.
- ``bad_signature``: done, the answer signed by a foreign key.
- ``signtest``: done, the answer's signature marked as a probe that must be refused.
- ``bad_signature`` and ``signtest`` (stripe and pingxx, whose answers are not signed): done,
  answered with a page for people.
- ``hold`` (refund): accepted, and PROCESSING until the control API settles it.
- ``bad_signature`` and ``signtest`` (bill_file): answered with a file that is not the one offered.
- ``min_age`` (close): refused while the trade is younger than ``delay_ms`` (5 min, scaled).
- ``malformed`` (jscode2session, access_token): answered with a page for people, nothing done.

Modes of a ``notice``: ``error_500`` and ``rate_limited`` lose the copy, ``timeout_after`` delivers
it and loses the answer, ``hang_before`` sends it ``delay_ms`` later, ``bad_signature`` and
``signtest`` spoil its signature.

A fault for an ``out_trade_no`` is met by that trade's calls and notices only.
"""

from collections import deque
from typing import Annotated, Literal

import msgspec

Mode = Literal[
    "error_500",
    "kept_500",
    "rate_limited",
    "timeout_after",
    "hang_before",
    "bad_signature",
    "signtest",
    "hold",
    "min_age",
    "malformed",
]
# Longer than any patience a payment client should have.
HANG_MS = 60_000


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next ``count`` calls of one operation go wrong in one way. ``delay_ms`` is not scaled."""

    provider: str
    operation: str
    mode: Mode
    count: int = 1
    delay_ms: int | None = None
    out_trade_no: Annotated[str, msgspec.Meta(min_length=1)] | None = None

    def is_for(self, out_trade_no: str | None) -> bool:
        """Tell whether a call about this trade, or about none, meets it."""
        return self.out_trade_no in {None, out_trade_no}

    @property
    def hang_seconds(self) -> float:
        """How long the silence lasts."""
        return (HANG_MS if self.delay_ms is None else self.delay_ms) / 1000


class Faults:
    """The queues, one per provider and operation. Forgotten at a restart."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, str], deque[Fault]] = {}

    def add(self, fault: Fault) -> None:
        """Queue a fault behind those already waiting."""
        queue = self._queues.setdefault((fault.provider, fault.operation), deque())
        queue.extend([fault] * fault.count)

    def take(self, provider: str, operation: str, out_trade_no: str | None = None) -> Fault | None:
        """Take the first fault meant for this call, if there is one."""
        queue = self._queues.get((provider, operation), deque())
        for place, fault in enumerate(queue):
            if fault.is_for(out_trade_no):
                del queue[place]
                return fault
        return None

    def clear(self) -> None:
        """Let everything go well again."""
        self._queues.clear()

    def waiting(self) -> list[Fault]:
        """List the faults nobody met yet, one entry per call."""
        return [fault for queue in self._queues.values() for fault in queue]
