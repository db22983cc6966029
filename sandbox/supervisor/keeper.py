"""Keeping one program running: started again when it ends, sooner if it lived long."""

import subprocess
import sys
import time

from sandbox.embedded.processes import Program, has_ended, kill, launch

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
# Having lived this long it was well; its end is a new trouble, not the old one.
_WELL_AFTER_SECONDS = 30.0


class Keeper:
    """One program, its process of the moment, and the pause before the next."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.deaths_in_a_row = 0
        self._started_at = time.monotonic()
        self._start_again_at: float | None = None
        self._process = launch(program)

    @property
    def pid(self) -> int:
        """The number of its latest process."""
        return self._process.pid

    def tend(self) -> None:
        """Notice that the process has ended, and start it again once its pause is over."""
        now = time.monotonic()
        if self._start_again_at is None:
            if has_ended(self._process):
                self._note_death(now)
        elif now >= self._start_again_at:
            self._start_again_at = None
            self._started_at = now
            self._process = launch(self.program)

    def ask_to_stop(self) -> None:
        """Send the stop signal; the process is not started again unless tended."""
        if not has_ended(self._process):
            self._process.send_signal(self.program.stop_signal)

    def has_stopped(self) -> bool:
        """Tell whether nothing of it runs."""
        return has_ended(self._process)

    def kill(self) -> None:
        """Kill the process and what it started."""
        kill(self._process)

    def _note_death(self, now: float) -> None:
        if now - self._started_at >= _WELL_AFTER_SECONDS:
            self.deaths_in_a_row = 0
        self.deaths_in_a_row += 1
        pause_seconds = _pause_seconds(self.deaths_in_a_row)
        self._start_again_at = now + pause_seconds
        print(
            f"{self.program.name} ended {_how(self._process)}; "
            f"it starts again in {pause_seconds:g} s",
            file=sys.stderr,
            flush=True,
        )


def _pause_seconds(deaths_in_a_row: int) -> float:
    # Past ten doublings the longest pause holds anyway, and floats stay finite.
    doublings = min(deaths_in_a_row - 1, 10)
    return min(_FIRST_PAUSE_SECONDS * (1 << doublings), _LONGEST_PAUSE_SECONDS)


def _how(process: subprocess.Popen[bytes]) -> str:
    status = process.returncode
    return f"by signal {-status}" if status < 0 else f"with status {status}"
