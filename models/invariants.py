"""Asking the database whether every promise holds."""

from pathlib import Path

import msgspec

from models.engine import Database, Tx

_STATEMENTS = Path(__file__).with_name("invariants.sql")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One promise or question and how many rows speak against it; *detail* names some."""

    id: str
    violations: int
    detail: str | None


async def check_invariants(db: Database | Tx) -> list[Finding]:
    """Count the violations of every invariant, broken or not."""
    return await findings_of(db, _STATEMENTS.read_text(encoding="utf-8"))


async def findings_of(db: Database | Tx, text: str) -> list[Finding]:
    """Run statements that each say an id, how many rows and which."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    findings: list[Finding] = []
    for statement in filter(None, (part.strip() for part in bare.split(";"))):
        findings += [_finding(dict(row)) for row in await db.fetch(statement)]
    return findings


def _finding(row: dict[str, object]) -> Finding:
    detail = row["detail"]
    return Finding(
        id=str(row["id"]),
        violations=int(str(row["violations"])),
        detail=None if detail is None else str(detail),
    )
