import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors import wishes
from models.engine import Database
from tests.conftest import empty
from tests.simulation.crossings import CROSSINGS, a_locking_load_that_waits
from tests.simulation.scripts import play
from tests.simulation.twins import RealTwin, StandInTwin, Twin, comparable, only_common

_SCRIPTS = 40


@pytest.fixture
async def real(pool: Database) -> RealTwin:
    """Lend PostgreSQL to a script that promises nothing."""
    await empty(pool)
    twin = RealTwin(pool)
    await twin.put_on_sale()
    return twin


@pytest.fixture(autouse=True)
async def _emptied(pool: Database) -> Any:  # noqa: ANN401 - a generator fixture
    yield
    await empty(pool)


def _in_the_stand_in(work: Callable[[Twin], Awaitable[Any]]) -> tuple[StandInTwin, Any]:
    twin = StandInTwin()

    async def run() -> Any:  # noqa: ANN401 - whatever the script says
        return await work(twin)

    try:
        return twin, twin.loop.run_until_complete(run())
    finally:
        twin.loop.close()


@pytest.fixture
def _without_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be told "sold out" from memory: how old that is depends on the machine."""
    monkeypatch.setattr(wishes, "HINT_LIFE_SECONDS", -1)


class TestTheStandIn:
    @pytest.mark.usefixtures("_without_news")
    @pytest.mark.parametrize("seed", range(_SCRIPTS))
    async def test_ends_a_history_as_postgresql_does(self, real: RealTwin, seed: int) -> None:
        said = await play(real, seed)
        rows = await real.dump()

        twin, said_by_stand_in = await asyncio.to_thread(
            _in_the_stand_in, lambda twin: play(twin, seed)
        )
        stood_in = {name: list(twin.server.tables[name].rows.values()) for name in rows}

        assert said_by_stand_in == said
        common = only_common(rows, stood_in)
        for table, expected in comparable(common).items():
            assert comparable(stood_in)[table] == expected, table

    @pytest.mark.parametrize("crossing", CROSSINGS, ids=lambda crossing: crossing.__name__)
    async def test_lets_two_sessions_meet_as_postgresql_does(
        self, real: RealTwin, crossing: Callable[[Twin], Awaitable[list[str]]]
    ) -> None:
        said = await crossing(real)

        _, said_by_stand_in = await asyncio.to_thread(_in_the_stand_in, crossing)

        assert said_by_stand_in == said


class TestALockingLoad:
    async def test_sees_all_of_an_order_as_it_is_after_the_wait(self, real: RealTwin) -> None:
        said = await a_locking_load_that_waits(real)

        assert said == ["waited: True", "loaded", "new", "1", "CLOSED"]
