"""What happened in one seed, in order: a hash of all of it, and the end of it in words."""

from collections import deque
from collections.abc import Callable
from hashlib import blake2b

_KEPT = 60


class History:
    """Two runs of a seed are the same exactly when their hashes are."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._hash = blake2b(digest_size=16)
        self._last: deque[str] = deque(maxlen=_KEPT)
        self.length = 0

    def note(self, who: str, what: str) -> None:
        """Add one event."""
        line = f"{self._now():.6f} {who} {what}"
        self._hash.update(line.encode())
        self._last.append(line)
        self.length += 1

    @property
    def digest(self) -> str:
        """Name the whole history."""
        return self._hash.hexdigest()

    @property
    def end(self) -> str:
        """Tell the last events."""
        return "\n".join(self._last)
