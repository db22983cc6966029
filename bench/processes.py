"""What the kernel knows about processes: who they are, what they used, which socket is whose.

Source: proc(5), read 2026-11.
"""

import os
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """List the processes that *pid* started, directly or not."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and (stat := _stat(int(folder.name))):
            children.setdefault(int(stat[1]), []).append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return sorted(found)


def command_line(pid: int) -> str:
    """Return how *pid* was started; empty when it is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def environ_of(pid: int) -> dict[str, str]:
    """Return the environment that *pid* was started with."""
    raw = (_PROC / str(pid) / "environ").read_bytes().decode()
    return dict(pair.split("=", 1) for pair in raw.split("\0") if "=" in pair)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Sum the CPU time of processes and of their children that have ended."""
    # Fields 14 to 17: user and system time, and those of children waited for.
    ticks = (sum(map(int, stat[11:15])) for pid in pids if (stat := _stat(pid)))
    return sum(ticks) / _TICKS_PER_SECOND


def pss_bytes(pids: Iterable[int]) -> int:
    """Sum the memory of processes, pages that several share counted once."""
    return sum(_pss_kib(pid) for pid in pids) * 1024


def server_of(local_port: int, pids: Iterable[int]) -> int | None:
    """Find which of *pids* holds the other end of our loopback connection from *local_port*."""
    inodes = _inodes_by_peer()
    wanted = f"socket:[{inodes.get(local_port)}]"
    return next((pid for pid in pids if wanted in _open_files(pid)), None)


def client_ports(pids: Iterable[int]) -> set[int]:
    """List the local ports of the connections that *pids* hold."""
    held = set().union(*(_open_files(pid) for pid in pids))
    rows = _tcp_rows()
    return {_port(local) for local, _, inode in rows if f"socket:[{inode}]" in held}


def _inodes_by_peer() -> dict[int, str]:
    return {_port(peer): inode for _, peer, inode in _tcp_rows()}


def _tcp_rows() -> list[tuple[str, str, str]]:
    lines = (_PROC / "net" / "tcp").read_text().splitlines()[1:]
    return [(cells[1], cells[2], cells[9]) for cells in map(str.split, lines)]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _open_files(pid: int) -> set[str]:
    found = set()
    for link in (_PROC / str(pid) / "fd").iterdir():
        try:
            found.add(str(link.readlink()))
        except OSError:
            continue
    return found


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    # The name before it is in brackets and may hold any character.
    return text.rpartition(")")[2].split()


def _pss_kib(pid: int) -> int:
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
