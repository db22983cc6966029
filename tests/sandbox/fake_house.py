"""A house whose service is a few lines, run as a program of its own by the supervisor's tests."""

import http.server
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from sandbox.supervisor.commands import Commands
from sandbox.supervisor.run import run

_SELF = ["python", __file__]
_HOME = Path(os.environ["GUICHET_HOME"])


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers that it is ready, whatever is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def main() -> int:
    """Be the house, or the part of it that the first argument names."""
    part = sys.argv[1] if len(sys.argv) > 1 else "house"
    if part == "house":
        return run(_commands(), os.environ)
    if part != "migrate":
        _note_signals(part)
    # Its being there says that the part takes note of signals now.
    Path(_HOME, f"{part}.json").write_text(json.dumps(dict(os.environ)), encoding="utf-8")
    if part == os.environ.get("FAKE_FAILS"):
        return 7
    if part == "migrate":
        return 0
    if part == "worker":
        _work()
    port = int(os.environ["PORT" if part == "api" else "SANDBOX_PORT"])
    http.server.HTTPServer(("127.0.0.1", port), Ready).serve_forever()
    return 0


def _note_signals(part: str) -> None:
    def note(number: int, _frame: FrameType | None) -> None:
        with (_HOME / "signals").open("a", encoding="utf-8") as notes:
            notes.write(f"{part} {signal.Signals(number).name}\n")
        sys.exit()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)


def _work() -> None:
    if "FAKE_WORKER_HAS_A_HELPER" in os.environ:
        # Nothing ties it to its parent: it lasts until its group is killed.
        subprocess.run(["/bin/sleep", "1000"], check=True)
    signal.pause()


def _commands() -> Commands:
    return Commands(
        folder=Path(__file__).parent,
        migrate=[*_SELF, "migrate"],
        sandbox=[*_SELF, "sandbox"],
        processes={"api": [*_SELF, "api"], "worker": [*_SELF, "worker"]},
    )


if __name__ == "__main__":
    sys.exit(main())
