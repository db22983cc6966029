"""The providers' own Node.js packages, asked one question at a time."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "node"
# The one that came with our dependencies, whichever the machine has.
_NODE = Path(sys.executable).parent / "node"


class Disagreement(Exception):
    """A package refused what it was asked about; its words say why."""


class NodePackages:
    """A running process with the packages loaded."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, question: str, **about: object) -> Any:  # noqa: ANN401 - whatever it answers
        """Ask one question of agree.mjs.

        :raises Disagreement: the package raised.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"ask": question, **about}) + "\n")
        stdin.flush()
        told = json.loads(stdout.readline())
        if "failure" in told:
            raise Disagreement(told["failure"])
        return told["answer"]


@contextmanager
def running_packages() -> Iterator[NodePackages]:
    """Start the packages and stop them again."""
    with subprocess.Popen(  # noqa: S603 - a fixed command
        [_NODE, "agree.mjs"],
        cwd=_FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield NodePackages(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)
