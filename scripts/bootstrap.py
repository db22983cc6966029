"""Make .venv match requirements.lock with nothing but a bare Python, its pip and the registries.

1. Every file installed is pinned by a hash in a lock file; what the locks say is all there is.
2. uv installs when it can be had, pip otherwise; both ask the registries that pip is set up for.
3. When .venv matches already, nothing is done and nothing slow is imported.
"""

import sys

from scripts.stamp import is_complete, wanted_stamp

_OLDEST_PYTHON = (3, 11)


def main() -> int:
    """Return 0 once .venv matches the lock."""
    if sys.version_info < _OLDEST_PYTHON:
        version = sys.version.split()[0]
        print(f"Guichet needs Python 3.11 or newer; {sys.executable} is {version}")
        return 1
    wanted = wanted_stamp()
    if is_complete(wanted):
        return 0
    from scripts.installation import install  # noqa: PLC0415  # slow to import, rarely needed

    return install(wanted)


if __name__ == "__main__":
    sys.exit(main())
