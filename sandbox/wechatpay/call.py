"""One call of the merchant, past the signature check, and what WeChat Pay answers."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sandbox.faults import Fault


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation decides on. ``payload`` is the decoded body, None without one."""

    number: str
    query: Mapping[str, str]
    payload: Any
    now_ms: int
    fault: Fault | None = None

    def told_to(self, mode: str) -> Fault | None:
        """Return the fault of this call if it has that mode."""
        return self.fault if self.fault and self.fault.mode == mode else None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A yes, about to be signed; a *file* never is."""

    status: int = 200
    body: dict[str, Any] | None = None
    file: bytes | None = None
