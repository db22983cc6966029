"""Fetch the Node.js packages that some tests ask, as their lock file pins them.

1. The machine's npm knows the machine's registry and certificates, so it goes first; the one that
   came with our dependencies is for machines that have none.
2. Where Python was told of certificates and Node.js was not, they are the same.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from scripts.stamp import ROOT, VENV

_FOLDER = ROOT / "tests" / "node"
_LOCK = _FOLDER / "package-lock.json"
# Written by npm when everything is in place.
_DONE = _FOLDER / "node_modules" / ".package-lock.json"


def main() -> int:
    """Return 0 once the packages are there; next to no work when they are."""
    if _DONE.exists() and _DONE.stat().st_mtime >= _LOCK.stat().st_mtime:
        return 0
    print("Fetching the Node.js packages", flush=True)
    for npm in _npms():
        if _fetch(npm):
            return 0
    print("The Node.js packages of tests/node cannot be had; what npm says stands above.")
    return 1


def _npms() -> Iterator[str]:
    machines = shutil.which("npm")
    if machines is not None:
        yield machines
    yield str(VENV / "bin" / "npm")


def _fetch(npm: str) -> bool:
    command = [npm, "ci", "--no-progress", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=_FOLDER, env=_environ(), check=False)  # noqa: S603 - fixed
    except OSError as absent:
        print(f"{npm}: {absent.strerror}")
        return False
    return done.returncode == 0


def _environ() -> dict[str, str]:
    given = os.environ
    certificates = given.get("SSL_CERT_FILE") or given.get("PIP_CERT")
    known = {"NODE_EXTRA_CA_CERTS": certificates} if certificates else {}
    # Last: the machine's npm wants the machine's node.
    path = f"{given.get('PATH', '/usr/bin:/bin')}:{VENV / 'bin'}"
    return {**known, **given, "PATH": path}


if __name__ == "__main__":
    sys.exit(main())
