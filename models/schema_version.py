"""Which migrations this code needs, and whether the database has them.

Read from their files, not imported: a process that serves carries none of what runs them.
"""

import re
from pathlib import Path
from typing import Final

from models.engine import Database

APP_NAME: Final = "guichet"
MIGRATIONS: Final = Path(__file__).resolve().parents[1] / "migrations"

_ID: Final = re.compile(r'^ID = "([^"]+)"$', re.MULTILINE)


def known_migrations() -> frozenset[str]:
    """List the migrations this code needs."""
    texts = (file.read_text() for file in MIGRATIONS.glob(f"{APP_NAME}_*.py"))
    return frozenset(name for text in texts for name in _ID.findall(text))


async def missing_migrations(db: Database, known: frozenset[str]) -> frozenset[str]:
    """Tell which of *known* have not run; raises what the driver raises when it cannot ask."""
    rows = await db.fetch("SELECT name FROM migration WHERE app_name = $1", APP_NAME)
    return known - {row["name"] for row in rows}
