import asyncio

import pytest

from actors import bridge
from actors.bridge import Gatekeeper
from contracts.bridge import BridgeGate
from models.bridge import set_gate
from models.engine import Database, Record

DEFAULT = BridgeGate(rollout_percent=60, min_version="1.1")
CHANGED = BridgeGate(rollout_percent=5, min_version="2.0")


class Away:
    """A database that does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    async def fetchrow(self, *_args: object) -> None:
        self.asked += 1
        raise ConnectionError


class Counted:
    """A database that counts how often it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked = 0

    async def fetchrow(self, *args: str) -> Record | None:
        self.asked += 1
        return await self._database.fetchrow(*args)


@pytest.fixture
def gatekeeper(database: Database) -> Gatekeeper:
    return Gatekeeper(database=database, default=DEFAULT)


class TestAGatekeeper:
    async def test_knows_the_settings_until_somebody_changes_them(
        self, gatekeeper: Gatekeeper
    ) -> None:
        assert await gatekeeper.current() == DEFAULT

    async def test_knows_at_once_what_it_changed_itself(self, gatekeeper: Gatekeeper) -> None:
        await gatekeeper.current()
        await gatekeeper.change(CHANGED, user_id=1)

        assert await gatekeeper.current() == CHANGED

    async def test_learns_within_seconds_what_another_process_changed(
        self, gatekeeper: Gatekeeper, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await gatekeeper.current()
        await set_gate(database, CHANGED, changed_by=1)

        assert await gatekeeper.current() == DEFAULT
        monkeypatch.setattr(bridge, "_FRESH_SECONDS", 0)
        await gatekeeper.read()
        assert await gatekeeper.current() == CHANGED

    async def test_looks_once_for_everybody_who_asks_at_once(
        self, gatekeeper: Gatekeeper, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted = Counted(database)
        monkeypatch.setattr(gatekeeper, "_database", counted)

        await asyncio.gather(*(gatekeeper.current() for _ in range(50)))

        assert counted.asked == 1

    async def test_keeps_to_what_it_knew_while_the_database_is_away(
        self, gatekeeper: Gatekeeper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await gatekeeper.change(CHANGED, user_id=1)
        away = Away()
        monkeypatch.setattr(gatekeeper, "_database", away)
        monkeypatch.setattr(gatekeeper, "_stale_at", 0)

        assert [await gatekeeper.current() for _ in range(5)] == [CHANGED] * 5
        assert away.asked == 1

    async def test_does_not_guess_what_it_never_knew(
        self, gatekeeper: Gatekeeper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gatekeeper, "_database", Away())

        with pytest.raises(ConnectionError):
            await gatekeeper.current()
