"""What .venv was made from, written into it when it was complete."""

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "made-from"


def wanted_stamp() -> str:
    """Return what the stamp says when .venv was made from the lock, here, by this Python."""
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    version = ".".join(map(str, sys.version_info[:3]))
    return f"python {version}\nfolder {VENV}\nlock sha256 {lock}\n"


def is_complete(wanted: str) -> bool:
    """Tell whether .venv has the stamp *wanted* and its Python is still there."""
    return _stamp() == wanted and VENV_PYTHON.exists()


def is_refillable(wanted: str) -> bool:
    """Tell whether .venv differs from *wanted* in its packages only."""
    here, _, _ = wanted.partition("lock ")
    return _stamp().startswith(here) and VENV_PYTHON.exists()


def _stamp() -> str:
    try:
        return STAMP.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
