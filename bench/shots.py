"""Requests, answers, and what a number of clients got done together."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

HEAD_END: Final = b"\r\n\r\n"


@dataclass(slots=True)
class Shot:
    """One request, and what became of it; times are of time.perf_counter()."""

    raw: bytes
    sent_at: float = 0.0
    answered_at: float = 0.0
    status: int = 0
    body: bytes = b""


OnAnswer: TypeAlias = Callable[[Shot], None]


@dataclass
class Volley:
    """What a number of clients got done together."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    lost: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    client_cpu_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        return self.ended_at - self.started_at

    def rate(self, *statuses: int) -> float:
        """Answers per second with one of *statuses*; any other answer is a failure.

        :raises AssertionError: there was another answer, or none at all.
        """
        assert self.statuses, "nothing was answered"
        assert set(self.statuses) <= set(statuses), dict(self.statuses)
        return sum(self.statuses.values()) / self.seconds

    def latency_ms(self, share: float) -> float:
        """Return the latency that *share* of the answers kept within."""
        return share_of(self.latencies_ms, share)


def share_of(values: list[float], share: float) -> float:
    """Return the value that *share* of *values* do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def request(
    method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    """Build the bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + HEAD_END + body
