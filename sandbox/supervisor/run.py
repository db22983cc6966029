"""The command `run`: checks that this house may stand here, and keeps it standing."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from sandbox.embedded.homes import HomeTakenError, locked_home
from sandbox.embedded.ports import PortClaim, PortTakenError, claim_port
from sandbox.embedded.processes import tie_to_parent
from sandbox.embedded.store import StoreFailedError
from sandbox.supervisor.commands import Commands
from sandbox.supervisor.house import House, StartFailedError
from sandbox.supervisor.wakeups import Wakeups

_DEFAULT_PORT = 8000
_HIGHEST_PORT = 65_535


class BadSettingError(Exception):
    """A setting of the house cannot be understood; correct it."""


def run_checkout(folder: Path) -> int:
    """Run the checkout in *folder* until a stop signal; return the exit status."""
    return run(Commands.of_checkout(folder), os.environ)


def run(commands: Commands, environ: Mapping[str, str]) -> int:
    """Run *commands* until a stop signal; return the exit status."""
    try:
        with Wakeups() as wakeups:
            _stop_with_parent(environ, wakeups)
            with _house(commands, environ, wakeups) as house:
                house.run()
    except PortTakenError as error:
        return _refuse(f"port {error.number} is taken; choose another: PORT=8001 make run")
    except HomeTakenError as error:
        return _refuse(
            f"{error}; stop it, or choose another folder: make run GUICHET_HOME=.guichet-2"
        )
    except (BadSettingError, StartFailedError, StoreFailedError, OSError) as error:
        return _refuse(str(error))
    return 0


@contextlib.contextmanager
def _house(commands: Commands, environ: Mapping[str, str], wakeups: Wakeups) -> Iterator[House]:
    home = Path(environ.get("GUICHET_HOME") or commands.folder / ".guichet").expanduser().absolute()
    with (
        claim_port(_port(environ)) as port,
        claim_port() as sandbox_port,
        _mailbox_port(environ) as smtp_port,
        locked_home(home) as lock,
    ):
        yield House(
            commands=commands,
            environ=environ,
            home=home,
            lock=lock,
            port=port.number,
            sandbox_port=sandbox_port.number,
            smtp_port=0 if smtp_port is None else smtp_port.number,
            wakeups=wakeups,
        )


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get("PORT") or str(_DEFAULT_PORT)
    if not (text.isascii() and text.isdecimal() and int(text) <= _HIGHEST_PORT):
        raise BadSettingError(f"PORT is {text!r}; it must be a number from 0 to {_HIGHEST_PORT}")
    return int(text)


def _mailbox_port(environ: Mapping[str, str]) -> AbstractContextManager[PortClaim | None]:
    # Who measures the house does without: a mail server never runs on the house's own cores.
    is_off = environ.get("SANDBOX_MAILBOX") == "0"
    return contextlib.nullcontext() if is_off else claim_port()


def _stop_with_parent(environ: Mapping[str, str], wakeups: Wakeups) -> None:
    # Make names itself, so that killing it ends the house in order rather than not at all.
    parent = environ.get("GUICHET_DIE_WITH_PARENT", "")
    if parent.isdecimal() and not tie_to_parent(signal.SIGTERM, int(parent)):
        wakeups.stop_requested = True


def _refuse(reason: str) -> int:
    print(f"Guichet cannot run: {reason}", file=sys.stderr, flush=True)
    return 1
