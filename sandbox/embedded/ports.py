"""Loopback ports that two houses on one machine never share.

A claim is a name in Linux's abstract socket space: seen by every user, gone with its process. It
holds from choosing a port until a server listens on it, and across that server's restarts.
"""

import contextlib
import os
import random
import socket
import weakref
from pathlib import Path
from typing import Self

# Servers in the range of outgoing connections could lose their port to one while they restart.
_LOWEST = 15_000
_USUAL_HIGHEST = 32_767
_TRIES = 200


class PortTakenError(Exception):
    """The port is in use; choose another."""

    def __init__(self, number: int) -> None:
        super().__init__(f"port {number} is taken")
        self.number = number


class PortClaim:
    """A port that nobody listens on yet and that no other house will choose."""

    def __init__(self, number: int) -> None:
        self.number = number
        try:
            descriptor = _claim_name(number)
        except OSError:
            raise PortTakenError(number) from None
        self._release = weakref.finalize(self, os.close, descriptor)

    def release(self) -> None:
        """Let others choose this port. Safe to repeat."""
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim_port(number: int = 0) -> PortClaim:
    """Claim port *number*, or any free one when it is 0.

    :raises PortTakenError: somebody listens on it or claimed it; choose another.
    """
    if number:
        return PortClaim(number)
    highest = _highest_quiet_port()
    for _ in range(_TRIES):
        with contextlib.suppress(PortTakenError):
            return PortClaim(random.randint(_LOWEST, highest))  # noqa: S311  # no secret
    raise PortTakenError(0)


def _claim_name(number: int) -> int:
    with socket.socket(socket.AF_UNIX) as name:
        name.bind(f"\0guichet-port-{number}")
        _check_free(number)
        return name.detach()


def _check_free(number: int) -> None:
    with socket.socket() as probe:
        # A server may listen where only closed connections linger, so this probe may as well.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", number))


def _highest_quiet_port() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        return max(int(text.split()[0]) - 1, _LOWEST + 1_000)
    except OSError:
        return _USUAL_HIGHEST
