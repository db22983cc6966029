"""Where tests make a running service die: orders left in a folder, one file per failpoint.

1. Only the sandbox has such a folder; elsewhere every failpoint is passed by.
2. An order is carried out once, by whichever process comes there first: it takes the file away.
3. Every failpoint that is passed is added to the folder's list, so that a test sees the way a
   flow took and who died where.
"""

import asyncio
import os
import signal
from enum import StrEnum
from pathlib import Path

import msgspec

from actors.failpoints import Reach, nowhere
from runtime.settings import Settings

PASSED = "passed"


class Deed(StrEnum):
    """What happens to the process."""

    KILL = "kill"
    STOP = "stop"
    SLEEP = "sleep"
    RAISE = "raise"


class Misfortune(msgspec.Struct, frozen=True, kw_only=True):
    """One order: what happens when the place is reached for the *on_pass*-th time."""

    deed: Deed
    on_pass: int = 1
    sleep_ms: int = 0


class FailpointReached(Exception):
    """A test wanted a failure here."""


def reach_of(settings: Settings) -> Reach:
    """Build what every part is handed to reach its failpoints by."""
    if not settings.is_sandbox or settings.guichet_failpoints is None:
        return nowhere
    return _Folder(Path(settings.guichet_failpoints)).reach


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = os.getpid()

    async def reach(self, name: str) -> None:
        misfortune = self._taken(name)
        self._note(name, misfortune)
        if misfortune is not None:
            await _suffer(misfortune, name)

    def _taken(self, name: str) -> Misfortune | None:
        order, mine = self._folder / name, self._folder / f"{name}.{self._pid}"
        try:
            # A rename has one winner, however many processes try.
            order.rename(mine)
        except FileNotFoundError:
            return None
        misfortune = msgspec.json.decode(mine.read_bytes(), type=Misfortune)
        if misfortune.on_pass > 1:
            later = msgspec.structs.replace(misfortune, on_pass=misfortune.on_pass - 1)
            mine.write_bytes(msgspec.json.encode(later))
            mine.rename(order)
            return None
        mine.unlink()
        return misfortune

    def _note(self, name: str, misfortune: Misfortune | None) -> None:
        deed = misfortune.deed.value if misfortune else "-"
        # One short write to a file opened for appending is never torn.
        with (self._folder / PASSED).open("ab", buffering=0) as passed:
            passed.write(f"{name} {self._pid} {deed}\n".encode())


async def _suffer(misfortune: Misfortune, name: str) -> None:
    match misfortune.deed:
        case Deed.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Deed.STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Deed.SLEEP:
            await asyncio.sleep(misfortune.sleep_ms / 1000)
        case Deed.RAISE:
            raise FailpointReached(name)
