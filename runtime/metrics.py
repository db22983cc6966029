"""One metrics page for all processes: they share files, and any of them can read them all.

1. Counters of a process that ended still count: its file is added to one for all the dead, so
   that restarts cannot fill the folder.
2. Readers and the one who tidies hold a lock, so that nothing is counted twice or not at all.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

# No process has this number, so the file of the dead is nobody's.
_NOBODY = 0


def metrics_page(folder: str | None) -> bytes:
    """Write the metrics of every process in the text format; without a folder, of this one."""
    if folder is None:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    with _lock(Path(folder), fcntl.LOCK_SH):
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # has no types
        return generate_latest(registry)


def bury_dead_processes(folder: str | None) -> None:
    """Add up what ended processes left behind. Repeating it changes nothing."""
    if folder is None or not Path(folder).is_dir():
        return
    with _lock(Path(folder), fcntl.LOCK_EX):
        for file in sorted(Path(folder).glob("*.db")):
            kind, pid = file.stem.rsplit("_", 1)
            if int(pid) != _NOBODY and not _is_alive(int(pid)):
                _bury(file, kind)


def _bury(file: Path, kind: str) -> None:
    if not kind.startswith("gauge"):
        _add(file, file.with_name(f"{kind}_{_NOBODY}.db"))
    elif len(list(file.parent.glob(f"{kind}_*.db"))) == 1:
        # The last word on something stays until somebody living speaks of it.
        return
    file.unlink()


def _add(file: Path, total_file: Path) -> None:
    total: Any = MmapedDict(str(total_file))  # type: ignore[no-untyped-call]
    values: Any = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
    for key, value, timestamp, _ in values:
        total.write_value(key, total.read_value(key)[0] + value, timestamp)
    total.close()


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in {"Z", "X"}


@contextlib.contextmanager
def _lock(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
