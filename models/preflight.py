"""Asking the database what a person should know of before payments are opened further."""

from collections.abc import Collection
from pathlib import Path

from models.engine import Database
from models.invariants import Finding, findings_of

_STATEMENTS = Path(__file__).with_name("preflight.sql")


async def check_preflight(
    database: Database, *, intent_idle_min: float, providers: Collection[str] | None = None
) -> list[Finding]:
    """Count what each question finds, found or not, in one snapshot. Writes nothing.

    *intent_idle_min* is the age in minutes at which an intent should be ended; *providers* are
    those that are set up, None where nobody knows.
    """
    findings: list[Finding] = []
    async with database.transaction() as tx:
        await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await tx.execute(
            "SELECT set_config('guichet.intent_idle_min', $1, true)", str(intent_idle_min)
        )
        if providers is not None:
            await tx.execute(
                "SELECT set_config('guichet.providers', $1, true)", f"{{{','.join(providers)}}}"
            )
        findings += await findings_of(tx, _STATEMENTS.read_text(encoding="utf-8"))
    return findings
