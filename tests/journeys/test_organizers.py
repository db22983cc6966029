"""Setting up an event, typed as it is written down."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from models.engine import Database
from tests.journeys.service import ROOT, Person, Service

pytestmark = pytest.mark.xdist_group("service")

PAGE = ROOT / "docs" / "organizers.md"
ADDRESS = "http://127.0.0.1:8000"
HEADING = re.compile(r"^## (\d)\. ", re.MULTILINE)


def commands() -> str:
    """Put the page's commands together, as one shell would be told them."""
    blocks: list[str] = re.findall(
        r"^```bash\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return "".join(blocks)


def files_of(folder: Path) -> set[str]:
    """Name what was downloaded."""
    return {file.name for file in folder.iterdir()}


class TestThePageForOrganizers:
    def test_has_five_steps(self) -> None:
        assert HEADING.findall(PAGE.read_text(encoding="utf-8")) == list("12345")

    async def test_can_be_typed_as_it_stands(
        self, service: Service, books: Database, tmp_path: Path
    ) -> None:
        assert ADDRESS in commands()
        done = await asyncio.to_thread(
            subprocess.run,
            ["/bin/bash", "-eu", "-o", "pipefail", "-c", commands().replace(ADDRESS, service.url)],
            cwd=tmp_path,
            env={"PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        planner = Person(service, "planner", role="organizer")
        event = await books.fetchrow(
            "SELECT id, title, status FROM events WHERE organizer_user_id = $1", planner.id
        )
        assert event is not None
        assert (event["title"], event["status"]) == ("Evening of Trains", "CLOSED")
        kinds = await books.fetch(
            "SELECT name, price_minor FROM ticket_types WHERE event_id = $1 ORDER BY position",
            event["id"],
        )
        assert [tuple(kind) for kind in kinds] == [("Standard", 10900), ("Friends", 0)]
        assert files_of(tmp_path) == {
            f"event-{event['id']}-{kind}.csv" for kind in ("orders", "registrations")
        }
