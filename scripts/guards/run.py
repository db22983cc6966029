"""Runs named tests in copies of the checkout, with and without one guard.

1. The checkout is never touched: patches are applied to copies, one copy per lane.
2. Only a test that ran and failed has noticed; one that could not start proves nothing.
"""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scripts.guards.guard import Guard, PatchStaleError
from scripts.stamp import ROOT, VENV_PYTHON

_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".boot", ".guichet*", "__pycache__", ".*_cache", ".hypothesis", ".import_*"
)
# A test that hangs is ended by pytest after two minutes; this is for a pytest that hangs.
_SECONDS_PER_TEST = 180
_SECONDS_FOR_ALL = 1200
# What a patch raises that broke the code instead of taking something out of it.
_BROKEN = ("NameError", "ImportError", "ModuleNotFoundError", "SyntaxError", "UnboundLocalError")
_FAULT_LENGTH = 90


@dataclass(frozen=True)
class Outcome:
    """How one test ended: "passed", "failed", or "broken" when it could not be judged."""

    word: str
    fault: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of one guard's removal; *fault* says how the test failed, or why it did not."""

    guard: Guard
    applied: bool
    noticed: bool
    fault: str
    seconds: float


class Copies:
    """Copies of the checkout that lanes take turns with."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for folder in folders:
            self._free.put(folder)

    @contextlib.contextmanager
    def one(self) -> Iterator[Path]:
        """Have a copy to oneself."""
        folder = self._free.get()
        try:
            yield folder
        finally:
            self._free.put(folder)


@contextlib.contextmanager
def copies(number: int) -> Iterator[Copies]:
    """Copy the checkout *number* times, and remove the copies at the end."""
    home = Path(tempfile.mkdtemp(prefix="guichet-guards-"))
    try:
        folders = [home / str(n) for n in range(number)]
        for folder in folders:
            shutil.copytree(ROOT, folder, ignore=_NOT_COPIED)
        yield Copies(folders)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run_unpatched(guards: Sequence[Guard], *, lanes: int, places: Copies) -> dict[str, Outcome]:
    """Run every named test on the code as it is; return how each ended."""
    tests = sorted({guard.test for guard in guards})
    with ThreadPoolExecutor(lanes) as pool:
        parts = pool.map(lambda lane: _run_unpatched(tests[lane::lanes], places), range(lanes))
        return {test: outcome for part in parts for test, outcome in part.items()}


def remove_each(guards: Sequence[Guard], *, lanes: int, places: Copies) -> Iterator[Verdict]:
    """Remove one guard after the other; verdicts come in the order of *guards*."""
    with ThreadPoolExecutor(lanes) as pool:
        yield from pool.map(lambda guard: _judge(guard, places), guards)


def _run_unpatched(tests: Sequence[str], places: Copies) -> dict[str, Outcome]:
    if not tests:
        return {}
    with places.one() as folder:
        return run_tests(folder, tests, seconds=_SECONDS_FOR_ALL)


def _judge(guard: Guard, places: Copies) -> Verdict:
    began = time.monotonic()
    with places.one() as folder:
        try:
            with _without(guard, folder):
                tests = run_tests(folder, [guard.test], seconds=_SECONDS_PER_TEST)
        except PatchStaleError as stale:
            return Verdict(guard, applied=False, noticed=False, fault=str(stale), seconds=0)
    outcome = tests[guard.test]
    seconds = time.monotonic() - began
    noticed = outcome.word == "failed"
    return Verdict(guard, applied=True, noticed=noticed, fault=outcome.fault, seconds=seconds)


@contextlib.contextmanager
def _without(guard: Guard, folder: Path) -> Iterator[None]:
    file = folder / guard.file
    kept, stat = file.read_text(encoding="utf-8"), file.stat()
    file.write_text(guard.removed_from(kept), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(kept, encoding="utf-8")
        # Compiled modules are known by their source's time: the old time brings the old one back.
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def run_tests(folder: Path, tests: Sequence[str], *, seconds: float) -> dict[str, Outcome]:
    """Run tests of the checkout in *folder* in one process, and tell how each ended.

    A test that is named without its parameters has failed when one of its cases has.
    """
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [str(VENV_PYTHON), "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "GUICHET_"))}
    process = subprocess.Popen(  # noqa: S603  # our own command
        [*command, *tests],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        printed = _end(process)
    last = printed.strip().rpartition("\n")[2]
    if not report.exists():
        return dict.fromkeys(tests, Outcome("broken", last[:_FAULT_LENGTH]))
    cases = [(_name_of(case), _outcome_of(case)) for case in ET.parse(report).iter("testcase")]  # noqa: S314  # pytest's own file
    return {test: _summary(test, cases, last) for test in tests}


def _end(process: "subprocess.Popen[str]") -> str:
    # Interrupted, pytest still stops the servers that it started.
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def _name_of(case: ET.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}"


def _outcome_of(case: ET.Element) -> Outcome:
    for element in case:
        said = element.get("message") or ""
        fault = said.strip().partition("\n")[0][:_FAULT_LENGTH]
        if element.tag == "failure":
            return Outcome("broken" if said.startswith(_BROKEN) else "failed", fault)
        if element.tag == "error":
            # Promises are checked after a test; what goes wrong before it says nothing.
            after = said.startswith("failed on teardown")
            return Outcome("failed" if after else "broken", fault)
    return Outcome("passed")


def _summary(test: str, cases: Sequence[tuple[str, Outcome]], last: str) -> Outcome:
    path, _, rest = test.partition("::")
    name = f"{path.removesuffix('.py').replace('/', '.')}.{rest.replace('::', '.')}"
    found = [outcome for case, outcome in cases if case == name or case.startswith(f"{name}[")]
    for word in ("broken", "failed"):
        if hit := next((outcome for outcome in found if outcome.word == word), None):
            return hit
    return Outcome("passed") if found else Outcome("broken", last[:_FAULT_LENGTH])
