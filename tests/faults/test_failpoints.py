"""Where failpoints may be used, and that each order is carried out once."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from actors.failpoints import nowhere
from runtime.environments import objections
from runtime.failpoints import PASSED, Deed, FailpointReached, Misfortune, reach_of
from runtime.settings import AppEnv, Settings


def settings(app_env: AppEnv, folder: Path | None) -> Settings:
    return Settings(
        app_env=app_env,
        database_url="-",
        jwt_secret="x" * 32,
        guichet_failpoints=None if folder is None else str(folder),
    )


def arm(folder: Path, name: str, misfortune: Misfortune) -> None:
    (folder / name).write_bytes(msgspec.json.encode(misfortune))


class TestFailpoints:
    def test_are_refused_in_production(self, tmp_path: Path) -> None:
        found = objections(settings(AppEnv.PRODUCTION, tmp_path))

        assert "GUICHET_FAILPOINTS is set, but APP_ENV is production" in found
        assert reach_of(settings(AppEnv.PRODUCTION, tmp_path)) is nowhere

    def test_are_passed_by_where_no_folder_is_named(self) -> None:
        assert reach_of(settings(AppEnv.SANDBOX, None)) is nowhere


class TestAnOrder:
    async def test_is_carried_out_once(self, tmp_path: Path) -> None:
        reach = reach_of(settings(AppEnv.SANDBOX, tmp_path))
        arm(tmp_path, "create.locked", Misfortune(deed=Deed.RAISE))

        await reach("create.begun")
        with pytest.raises(FailpointReached):
            await reach("create.locked")
        await reach("create.locked")

        lines = (tmp_path / PASSED).read_text(encoding="utf-8").splitlines()
        assert [line.split()[::2] for line in lines] == [
            ["create.begun", "-"],
            ["create.locked", "raise"],
            ["create.locked", "-"],
        ]

    async def test_may_wait_for_a_later_pass(self, tmp_path: Path) -> None:
        reach = reach_of(settings(AppEnv.SANDBOX, tmp_path))
        arm(tmp_path, "create.locked", Misfortune(deed=Deed.RAISE, on_pass=3))

        await reach("create.locked")
        await reach("create.locked")
        with pytest.raises(FailpointReached):
            await reach("create.locked")

    async def test_may_be_to_pause(self, tmp_path: Path) -> None:
        reach = reach_of(settings(AppEnv.SANDBOX, tmp_path))
        arm(tmp_path, "open.called", Misfortune(deed=Deed.SLEEP, sleep_ms=200))

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reach("open.called"), 0.05)
