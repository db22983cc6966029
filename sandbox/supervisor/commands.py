"""The commands that make up the service, as the checkout names them."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PROCFILE_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>.+)")


@dataclass(frozen=True, kw_only=True)
class Commands:
    """What to run in *folder*: once at the start, beside the service, and for the service."""

    folder: Path
    migrate: Sequence[str]
    sandbox: Sequence[str]
    processes: Mapping[str, Sequence[str]]

    @classmethod
    def of_checkout(cls, folder: Path) -> Self:
        """Return the commands of the checkout in *folder*."""
        return cls(
            folder=folder,
            migrate=["python", "guichet.py", "migrate"],
            sandbox=["python", "-m", "sandbox.app"],
            processes=processes_of((folder / "Procfile").read_text(encoding="utf-8")),
        )


def processes_of(procfile: str) -> dict[str, list[str]]:
    """Return the processes of a Procfile's text, in its order."""
    lines = (_PROCFILE_LINE.fullmatch(line.strip()) for line in procfile.splitlines())
    return {line["name"]: shlex.split(line["command"]) for line in lines if line is not None}
