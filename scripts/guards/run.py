"""Runs named tests in copies of the checkout, with and without one guard.

1. The checkout is never touched: patches are applied to copies, one copy per lane.
2. Only a test that ran and failed has noticed; one that could not start proves nothing.
"""

import contextlib
import os
import queue
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scripts.guards.guard import Guard, PatchStaleError
from scripts.guards.lanes import Lane
from scripts.stamp import VENV_PYTHON

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


def run_unpatched(guards: Sequence[Guard], lanes: Sequence[Lane]) -> dict[str, Outcome]:
    """Run every named test on the code as it is; return how each ended."""
    tests = sorted({guard.test for guard in guards})
    parts = [(lane, tests[n :: len(lanes)]) for n, lane in enumerate(lanes)]
    with ThreadPoolExecutor(len(lanes)) as pool:
        ended = pool.map(
            lambda part: _run(*part, seconds=_SECONDS_FOR_ALL) if part[1] else {}, parts
        )
        return {test: outcome for part in ended for test, outcome in part.items()}


def remove_each(guards: Sequence[Guard], lanes: Sequence[Lane]) -> Iterator[Verdict]:
    """Remove one guard after the other; verdicts come in the order of *guards*."""
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in lanes:
        free.put(lane)

    def judge(guard: Guard) -> Verdict:
        lane = free.get()
        try:
            return _judge(guard, lane)
        finally:
            free.put(lane)

    with ThreadPoolExecutor(len(lanes)) as pool:
        yield from pool.map(judge, guards)


def _judge(guard: Guard, lane: Lane) -> Verdict:
    began = time.monotonic()
    try:
        with _without(guard, lane.folder):
            # A patched migration needs a database that was made with it.
            is_shape = guard.file.startswith("migrations/")
            outcome = _run(lane, [guard.test], seconds=_SECONDS_PER_TEST, lend_server=not is_shape)[
                guard.test
            ]
    except PatchStaleError as stale:
        return Verdict(guard, applied=False, noticed=False, fault=str(stale), seconds=0)
    return Verdict(
        guard,
        applied=True,
        noticed=outcome.word == "failed",
        fault=outcome.fault,
        seconds=time.monotonic() - began,
    )


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


def _run(
    lane: Lane, tests: Sequence[str], *, seconds: float, lend_server: bool = True
) -> dict[str, Outcome]:
    """Run tests of a lane's checkout in one process, and tell how each ended.

    A test that is named without its parameters has failed when one of its cases has.
    """
    report = lane.folder / "report.xml"
    report.unlink(missing_ok=True)
    process = subprocess.Popen(  # noqa: S603  # our own command
        [str(VENV_PYTHON), "-m", "pytest", *_PLUGINS, f"--junitxml={report}", *tests],
        cwd=lane.folder,
        env=lane.environ if lend_server else lane.bare_environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        printed = _end(process)
    last = printed.strip().rpartition("\n")[2][:_FAULT_LENGTH]
    if not report.exists():
        return dict.fromkeys(tests, Outcome("broken", last))
    cases = [(_name_of(case), _outcome_of(case)) for case in ET.parse(report).iter("testcase")]  # noqa: S314  # pytest's own file
    return {test: _summary(test, cases, last) for test in tests}


# What is slow to import and has nothing to say here.
_PLUGINS = ("-p", "no:cacheprovider", "-p", "no:schemathesis")


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
    return Outcome("passed") if found else Outcome("broken", last)
