"""Places to run tests in: each a copy of the checkout, with a PostgreSQL to lend to its tests."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.embedded.homes import throwaway_home
from sandbox.embedded.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres
from scripts.stamp import ROOT

_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".boot", ".guichet*", "__pycache__", ".*_cache", ".hypothesis", ".import_*"
)


@dataclass(frozen=True)
class Lane:
    """One copy; *environ* lends its tests the server, *bare_environ* lets them start their own."""

    folder: Path
    environ: dict[str, str]
    bare_environ: dict[str, str]


@contextlib.contextmanager
def lanes(number: int) -> Iterator[list[Lane]]:
    """Make *number* lanes, and remove them at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_lane()) for _ in range(number)]


@contextlib.contextmanager
def _lane() -> Iterator[Lane]:
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "GUICHET_"))}
    with throwaway_home() as home:
        folder = home / "checkout"
        shutil.copytree(ROOT, folder, ignore=_NOT_COPIED)
        postgres = EmbeddedPostgres(home, settings={**THROWAWAY_SETTINGS, "max_connections": "200"})
        postgres.start()
        try:
            lent = {"GUICHET_TEST_POSTGRES": postgres.url_of("postgres")}
            yield Lane(folder=folder, environ=bare | lent, bare_environ=bare)
        finally:
            postgres.stop()
