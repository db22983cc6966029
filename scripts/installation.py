"""Making .venv: by uv, which takes seconds, or by pip, which takes a minute."""

import ast
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.stamp import LOCK, ROOT, STAMP, VENV, VENV_PYTHON, is_complete, is_refillable

_BOOT = ROOT / ".boot"
_UV = _BOOT / "bin" / "uv"
_UV_LOCK = ROOT / "scripts" / "installer.lock"

# pip's setting and the variable by which uv is told the same. The rest of pip's settings do not
# decide where packages come from.
_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "proxy": "ALL_PROXY",
}


def install(wanted: str) -> int:
    """Make .venv, stamp it *wanted*, and return 0; two at once take turns."""
    _BOOT.mkdir(exist_ok=True)
    with (_BOOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_complete(wanted):
            return 0
        if not (_install_by_uv(wanted) or _install_by_pip()):
            return 1
        STAMP.write_text(wanted, encoding="utf-8")
    return 0


def _install_by_uv(wanted: str) -> bool:
    pip = _pip()
    if not _UV.exists():
        print("Fetching the installer", flush=True)
        options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        target = ["--target", str(_BOOT), "--upgrade"]
        _succeeds([*pip, "install", *options, *target, "-r", str(_UV_LOCK)], _pip_environ())
    if not _UV.exists():
        return False
    print("Installing the dependencies", flush=True)
    environ = _uv_environ(pip)
    uv = [str(_UV), "--quiet", "--no-config"]
    make = [*uv, "venv", "--clear", "--python", _base_python(), str(VENV)]
    fill = [*uv, "pip", "sync", "--python", str(VENV_PYTHON), "--require-hashes", str(LOCK)]
    # A .venv in use by others is not pulled away from under them for a new lock.
    return (is_refillable(wanted) or _succeeds(make, environ)) and _succeeds(fill, environ)


def _install_by_pip() -> bool:
    print("Installing the dependencies with pip; this takes a minute or two", flush=True)
    # Debian's Python makes environments, but has no pip to put into them.
    make = [_base_python(), "-m", "venv", "--clear", "--without-pip", str(VENV)]
    target = ["--python", str(VENV_PYTHON), "install", "--quiet"]
    fill = [*_pip(), *target, "--no-deps", "--require-hashes", "-r", str(LOCK)]
    return _succeeds(make, os.environ) and _succeeds(fill, _pip_environ())


def _base_python() -> str:
    # With .venv active, python3 is a link that making .venv anew would remove.
    return str(getattr(sys, "_base_executable", sys.executable))


def _pip() -> list[str]:
    """Return the command of a pip: this Python's own, or one unpacked from its ensurepip."""
    own = [_base_python(), "-m", "pip"]
    if _is_quiet_success([*own, "--version"]):
        return own
    unpacked = _BOOT / "pip"
    if not unpacked.exists() and not _is_quiet_success(
        [_base_python(), "-m", "venv", "--clear", str(unpacked)]
    ):
        shutil.rmtree(unpacked, ignore_errors=True)
        print(f"{_base_python()} has no pip. Install it: on Debian, apt install python3-pip")
        sys.exit(1)
    return [str(unpacked / "bin" / "python"), "-m", "pip"]


def _pip_environ() -> dict[str, str]:
    # Where it installs is ours to say; where it downloads from is the user's.
    ours = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_ROOT_USER_ACTION": "ignore"}
    return {**os.environ, **ours}


def _uv_environ(pip: Sequence[str]) -> dict[str, str]:
    settings = _pip_settings(pip)
    same = {_UV_NAMES[name]: value for name, value in settings.items() if name in _UV_NAMES}
    defaults = {
        **same,
        # pip takes the best match of all registries; the hashes make that safe.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_SYSTEM_CERTS": "1",
        **_cache_setting(),
    }
    # Interpreters come from no package registry.
    return {**defaults, **os.environ, "UV_PYTHON_DOWNLOADS": "never"}


def _pip_settings(pip: Sequence[str]) -> dict[str, str]:
    answer = subprocess.run(  # noqa: S603  # a fixed command
        [*pip, "config", "list"], check=False, capture_output=True, encoding="utf-8"
    )
    lines = (line.partition("=") for line in answer.stdout.splitlines())
    found = {name: str(ast.literal_eval(value)) for name, _, value in lines}
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # the later one wins, as in pip
        for name, value in found.items():
            if name.startswith(f"{section}."):
                settings[name.removeprefix(f"{section}.")] = " ".join(value.split())
    return settings


def _cache_setting() -> dict[str, str]:
    # uv stops without a cache folder, and not every user has a home to keep one in.
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~").expanduser())
    return {} if os.access(home, os.W_OK) else {"UV_CACHE_DIR": str(_BOOT / "cache")}


def _is_quiet_success(command: Sequence[str]) -> bool:
    answer = subprocess.run(command, check=False, capture_output=True)  # noqa: S603  # ours
    return answer.returncode == 0


def _succeeds(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    return subprocess.run(command, check=False, env=environ).returncode == 0  # noqa: S603  # ours
