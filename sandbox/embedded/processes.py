"""Child processes that never outlive the process that started them.

1. The kernel ends a child when its parent ends, however that happens (PR_SET_PDEATHSIG). The
   signal follows the thread that forked, so start children from a thread that lives long enough.
2. A child leads its own session: Ctrl-C in a terminal reaches the parent alone, which then ends
   its children in order.
3. What a child started itself (its process group) ends no later than the child is found ended.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# Exit status of a child whose parent was gone before it could be tied to it.
_PARENT_GONE = 70


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user and group that a child runs as."""

    user_id: int
    group_id: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to start, and the signals that end it."""

    name: str
    command: Sequence[str]
    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    log: Path | None = None
    account: Account | None = None
    kept_files: tuple[int, ...] = ()


def launch(program: Program, *, typed: bytes | None = None) -> subprocess.Popen[bytes]:
    """Start *program*; it ends with the calling thread, by its death signal.

    It reads *typed* (less than a pipe holds, 64 KiB) or nothing.

    :raises OSError: the command cannot be executed.
    """
    parent_pid = os.getpid()

    def before_exec() -> None:
        _forget_handlers()
        # Only now: changing the user, which Popen has done by here, clears the death signal.
        if not tie_to_parent(program.death_signal, parent_pid):
            os._exit(_PARENT_GONE)

    account = program.account
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(program.log.open("ab")) if program.log else None
        process = subprocess.Popen(  # noqa: S603  # commands are ours and the Procfile's
            program.command,
            cwd=program.folder,
            env=program.environ,
            stdin=subprocess.DEVNULL if typed is None else subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,
            pass_fds=program.kept_files,
            user=account.user_id if account else None,
            group=account.group_id if account else None,
            extra_groups=[] if account else None,
            preexec_fn=before_exec,  # noqa: PLW1509  # forked from a process without threads
        )
    if process.stdin is not None:
        process.stdin.write(typed or b"")
        process.stdin.close()
    return process


def tie_to_parent(death_signal: signal.Signals, parent_pid: int) -> bool:
    """Ask the kernel for *death_signal* when the parent ends; False when it is gone already."""
    if _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    return os.getppid() == parent_pid


def is_running(pid: int) -> bool:
    """Tell whether any process, also somebody else's, has this number and is not a zombie."""
    try:
        status = Path("/proc", str(pid), "stat").read_bytes()
    except OSError:
        return False
    # The state follows the name, which is in brackets and may contain any character.
    return status.rpartition(b")")[2].split()[0] not in {b"Z", b"X"}


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether *process* has ended; if so, kill what is left of its process group."""
    if process.returncode is not None:
        return True
    # The dead leader is kept as a zombie until the group is killed, so its number is still ours.
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    if os.waitid(os.P_PID, process.pid, flags) is None:
        return False
    _kill_group(process)
    process.wait()
    return True


def end(
    process: subprocess.Popen[bytes], stop_signal: signal.Signals, grace_seconds: float
) -> None:
    """Ask *process* to end, and kill it and its group when it has not after *grace_seconds*."""
    deadline = time.monotonic() + grace_seconds
    if not has_ended(process):
        process.send_signal(stop_signal)
    while not has_ended(process):
        if time.monotonic() >= deadline:
            kill(process)
            return
        time.sleep(0.01)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill *process* and its group and wait for it."""
    if process.returncode is None:
        _kill_group(process)
        process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _forget_handlers() -> None:
    # Between fork and exec a handler of the parent's would swallow the death signal.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
