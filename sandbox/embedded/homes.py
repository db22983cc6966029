"""The folder a house keeps its data in: one house at a time, and a place for the unprivileged.

1. Only one supervisor uses a home at a time; its stores carry the lock on, so a home is taken
   until the last of them has ended, even when the supervisor was killed.
2. PostgreSQL refuses to run as root and then runs as `nobody`. What `nobody` cannot reach below
   the home lies in a folder of ours under /var/tmp that the home points to.
3. Nothing outside the home and that folder is changed.
"""

import contextlib
import fcntl
import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.embedded.processes import Account, is_running

_POINTER = "open-folder"
_OPEN_FOLDERS = Path("/var/tmp")  # noqa: S108  # survives a reboot, open to every user
_OPEN_NAME = re.compile(r"guichet-[0-9a-f]{32}")

# A killed house's stores need a moment to end; nothing of it may be left after 5 s.
_LOCK_PATIENCE_SECONDS = 5.0


class HomeTakenError(Exception):
    """Another house runs on this home; stop it, or choose another home."""


@contextlib.contextmanager
def locked_home(home: Path) -> Iterator[int]:
    """Make *home* if need be and keep every other house out; yields the lock's descriptor.

    :raises HomeTakenError: another house runs on it.
    """
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, home)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def throwaway_home() -> Iterator[Path]:
    """Make a home that every user may enter, and remove it at the end."""
    home = Path(tempfile.mkdtemp(prefix="guichet-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        forget_open_folder(home)
        shutil.rmtree(home, ignore_errors=True)


def unprivileged_account() -> Account | None:
    """Return the account of servers that refuse to run as root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(user_id=nobody.pw_uid, group_id=nobody.pw_gid)


def is_reachable(path: Path, account: Account | None) -> bool:
    """Tell whether *account* may enter or execute *path*."""
    if account is None:
        return os.access(path, os.X_OK)
    answer = subprocess.run(  # noqa: S603  # a fixed command
        ["/bin/sh", "-c", 'test -x "$0"', str(path)],
        cwd="/",
        user=account.user_id,
        group=account.group_id,
        extra_groups=[],
        check=False,
    )
    return answer.returncode == 0


def reachable_folder(home: Path, account: Account | None) -> Path:
    """Return where *account* keeps its data: *home*, or an open folder made at first need."""
    known = _pointed_folder(home)
    if known is not None and _is_ours(known):
        return known
    if is_reachable(home, account):
        return home
    folder = _OPEN_FOLDERS / f"guichet-{secrets.token_hex(16)}"
    folder.mkdir()
    folder.chmod(0o711)
    (home / _POINTER).write_text(f"{folder}\n", encoding="utf-8")
    return folder


def forget_open_folder(home: Path) -> None:
    """Remove what reachable_folder made for *home*. Safe to repeat."""
    folder = _pointed_folder(home)
    if folder is not None and _is_ours(folder):
        shutil.rmtree(folder)


def _pointed_folder(home: Path) -> Path | None:
    try:
        folder = Path((home / _POINTER).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None
    is_plain = folder.parent == _OPEN_FOLDERS and _OPEN_NAME.fullmatch(folder.name)
    return folder if is_plain else None


def _is_ours(folder: Path) -> bool:
    # Everybody may write beside it, so a link or another user's folder is not to be trusted.
    return folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.geteuid()


def _lock(descriptor: int, home: Path) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode()
            if time.monotonic() >= deadline or (owner and is_running(int(owner))):
                raise HomeTakenError(f"another Guichet runs on {home}") from None
            time.sleep(0.05)
        else:
            return
