"""The table, and the machine it was measured on; neither names a host or a user."""

import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.bench import Bench
from bench.house import ROOT
from bench.rows import HEADINGS, Row

PAGE: Final = ROOT / "docs" / "performance.md"
_FSYNCS = 500
_BEGIN, _END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


@dataclass(frozen=True)
class Report:
    """What there is to say."""

    text: str
    broken: Sequence[str]


async def gather(bench: Bench, found: dict[str, list[Row]], broken: Sequence[str]) -> Report:
    """Describe the machine and what was measured."""
    machine = await _machine(bench)
    lines = [
        (
            f"Measured on {time.strftime('%Y-%m-%d')}, {bench.rounds} rounds,"
            f" {bench.seconds:g} s for each timed part."
        ),
        "",
        *(f"- {line}" for line in machine),
        "",
        *(_table([row for rows in found.values() for row in rows])),
        "",
        "Invariants afterwards: " + ("all hold." if not broken else "; ".join(broken)),
        "",
    ]
    return Report("\n".join(lines), broken)


def write(report: Report) -> None:
    """Put the report into the page, between its marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n{report.text}\n{_END}{after}", encoding="utf-8")


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *(row.cells for row in rows)]
    return [f"| {' | '.join(cells)} |" for cells in lines]


async def _machine(bench: Bench) -> list[str]:
    database = bench.database
    version = await database.fetchval("SHOW server_version")
    kept = {
        name: await database.fetchval(f"SHOW {name}")
        for name in ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
    }
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    fsync_ms = 1000 * _fsync_seconds(bench.house.home)
    return [
        f"{os.cpu_count()} cores ({_processor()}), {memory_gb:.0f} GiB of memory",
        (
            f"Linux {platform.release().split('-')[0]}, {_file_system(bench.house.home)},"
            f" {fsync_ms:.2f} ms to keep a page of 8 KiB (write, fdatasync)"
        ),
        (
            f"Python {platform.python_version()}, PostgreSQL {version.split()[0]}"
            f" ({', '.join(f'{name} = {value}' for name, value in kept.items())})"
        ),
        "load generator, ruler, service, simulator, PostgreSQL and Redis share the machine",
    ]


def _fsync_seconds(folder: Path) -> float:
    page, seconds = bytes(8192), []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(_FSYNCS):
            file.seek(0)
            began = time.perf_counter()
            file.write(page)
            os.fdatasync(file)
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    best = ("", "?", "?")
    for line in Path("/proc/mounts").read_text().splitlines():
        device, mount, kind, *_ = line.split()
        if str(folder).startswith(mount) and len(mount) > len(best[0]):
            best = (mount, kind, device)
    kind = "virtual disk" if best[2].startswith("/dev/vd") else "disk"
    return f"{best[1]} on a {kind}"
