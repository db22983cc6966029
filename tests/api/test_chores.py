"""The command line's chores, run as an operator would."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from models.engine import Database
from sandbox.embedded.postgres import EmbeddedPostgres
from tests.api.service import ORDERS, ROOT, Buyer, Service
from tests.api.test_webhooks import a_notice, signed
from tests.sandbox.simulator import Simulator


async def chore(name: str, environ: dict[str, str], *said: str) -> tuple[int, str]:
    """Run one to its end; return its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "guichet.py",
        name,
        *said,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


@pytest.fixture
async def empty_dsn(api_postgres: EmbeddedPostgres, database: Database) -> str:
    await database.execute("DROP DATABASE IF EXISTS chores")
    await database.execute("CREATE DATABASE chores")
    return api_postgres.url_of("chores")


class TestMigrate:
    async def test_does_its_work_once_however_many_start(self, empty_dsn: str) -> None:
        environ = {"DATABASE_URL": empty_dsn, "APP_ENV": "sandbox"}
        for _ in range(2):
            runs = await asyncio.gather(*(chore("migrate", environ) for _ in range(3)))
            assert [status for status, _ in runs] == [0, 0, 0], runs

        connection = await asyncpg.connect(empty_dsn)
        assert await connection.fetchval("SELECT count(*) FROM events") == 2
        assert await connection.fetchval("SELECT count(*) FROM ticket_types") == 6
        fresh = await connection.fetchval("SELECT nextval(pg_get_serial_sequence('events', 'id'))")
        assert fresh == 3
        await connection.close()

    async def test_puts_nothing_on_sale_in_production(self, empty_dsn: str) -> None:
        status, printed = await chore("migrate", {"DATABASE_URL": empty_dsn})

        connection = await asyncpg.connect(empty_dsn)
        assert (status, printed) == (0, "")
        assert await connection.fetchval("SELECT count(*) FROM events") == 0
        await connection.close()

    async def test_names_the_setting_it_needs(self) -> None:
        assert await chore("migrate", {}) == (78, "DATABASE_URL is missing\n")


class TestInvariants:
    async def test_are_all_listed_and_hold(self, empty_dsn: str) -> None:
        environ = {"DATABASE_URL": empty_dsn, "APP_ENV": "sandbox"}
        await chore("migrate", environ)
        status, printed = await chore("invariants", environ)

        assert status == 0
        assert "seats.count" in printed
        assert all(line.split()[1] == "ok" for line in printed.splitlines())

    async def test_are_told_when_one_is_broken(self, empty_dsn: str) -> None:
        environ = {"DATABASE_URL": empty_dsn, "APP_ENV": "sandbox"}
        await chore("migrate", environ)
        connection = await asyncpg.connect(empty_dsn)
        await connection.execute("UPDATE ticket_types SET current_quantity = 7 WHERE id = 1")
        await connection.close()
        status, printed = await chore("invariants", environ)

        assert status == 1
        assert any(
            line.startswith("seats.count") and line.split()[1] == "1"
            for line in printed.splitlines()
        )


class TestPreflight:
    async def test_says_that_nothing_was_found(self, empty_dsn: str, service: Service) -> None:
        environ = service.environ | {"DATABASE_URL": empty_dsn}
        await chore("migrate", environ)
        status, printed = await chore("preflight", environ)

        rows = dict(line.split() for line in printed.splitlines())
        assert status == 0, printed
        assert {*rows.values()} == {"0"}
        assert {"settings.keys", "settings.notify_url", "intents.stuck", "seats.drift"} <= {*rows}

    async def test_says_what_was_found(self, empty_dsn: str, service: Service) -> None:
        environ = service.environ | {"DATABASE_URL": empty_dsn}
        await chore("migrate", environ)
        connection = await asyncpg.connect(empty_dsn)
        await connection.execute("UPDATE ticket_types SET current_quantity = 7 WHERE id = 1")
        await connection.close()
        status, printed = await chore("preflight", environ)

        assert status == 1
        assert "seats.drift 2 event 1" in [" ".join(line.split()) for line in printed.splitlines()]

    async def test_looks_at_a_provider_before_it_is_enabled(
        self, empty_dsn: str, service: Service
    ) -> None:
        environ = service.environ | {"DATABASE_URL": empty_dsn, "PAYMENT_PROVIDER": "mock"}
        await chore("migrate", environ)
        environ |= {"WECHAT_PAY_MCH_ID": "", "WECHAT_PAY_SERIAL_NO": ""}
        status, printed = await chore("preflight", environ, "--provider", "wechat")

        (start,) = [line.split() for line in printed.splitlines() if "settings" in line]
        assert status == 1
        assert start[:2] == ["settings.start", "2"]
        assert "WECHAT_PAY_MCH_ID is missing; WECHAT_PAY_SERIAL_NO is missing" in printed
        # The rows are looked at all the same.
        assert "intents.stuck" in printed

    async def test_names_the_setting_it_needs(self) -> None:
        assert await chore("preflight", {}) == (78, "DATABASE_URL is missing\n")


class TestBackfill:
    async def test_tells_what_is_wrong_and_corrects_it_when_told_to(self, empty_dsn: str) -> None:
        environ = {"DATABASE_URL": empty_dsn, "APP_ENV": "sandbox"}
        await chore("migrate", environ)
        assert await chore("backfill", environ) == (0, "0 differences, 0 left\n")
        connection = await asyncpg.connect(empty_dsn)
        await connection.execute("UPDATE ticket_types SET current_quantity = 7 WHERE id = 1")
        wrong = "event 1, ticket type 1: current_quantity 7 -> 0\n"
        for _ in range(2):
            told = await chore("backfill", environ)
            assert told == (1, f"{wrong}1 differences, 1 left\n")
        told = await chore("backfill", environ, "--apply")
        assert told == (0, f"{wrong}1 differences, 0 left\n")
        seats = await connection.fetchval("SELECT current_quantity FROM ticket_types WHERE id = 1")
        await connection.close()

        assert seats == 0
        assert await chore("backfill", environ, "--apply") == (0, "0 differences, 0 left\n")

    async def test_names_the_setting_it_needs(self) -> None:
        assert await chore("backfill", {}) == (78, "DATABASE_URL is missing\n")


class TestReplay:
    async def test_gives_a_dead_notice_another_chance(
        self, service: Service, buyer: Buyer, simulator: Simulator, database: Database
    ) -> None:
        order = (await asyncio.to_thread(buyer.order, prepare=True)).json()
        body = a_notice(f"{order['orderNo']}01")
        headers = {
            name.lower(): text
            for name, text in signed(body, simulator.keyring.platform, age_seconds=9999).items()
            if name.startswith("Wechatpay")
        }
        await database.execute(
            "INSERT INTO webhook_events (provider, event_id, headers, body, status, retry_count)"
            " VALUES ('wechat', $1, $2, $3, 'DEAD', 9)",
            order["orderNo"],
            json.dumps(headers),
            body,
        )
        status, printed = await chore("replay", service.environ)

        assert status == 0, printed
        found = await asyncio.to_thread(buyer.http.get, f"{ORDERS}/{order['orderId']}")
        assert found.json()["status"] == "PAID"


class TestBill:
    async def test_of_a_quiet_day_says_so(self, service: Service) -> None:
        day = long_ago()
        status, printed = await chore("bill", service.environ, day)

        assert status == 0, printed
        told = f"wechat {day}: 0 refunds past us, 0 of other services"
        assert told in printed.splitlines()

    async def test_that_cannot_be_read_is_told(
        self, service: Service, simulator: Simulator
    ) -> None:
        simulator.fault("bill", "error_500")
        day = long_ago()
        status, printed = await chore("bill", service.environ, day)

        assert status == 1
        assert f"wechat {day}: not read, SYSTEM_ERROR" in printed.splitlines()

    @pytest.mark.parametrize("said", [(), ("yesterday",), ("2026-02-30",)])
    async def test_wants_a_day(self, service: Service, said: tuple[str, ...]) -> None:
        status, printed = await chore("bill", service.environ, *said)

        assert status == 2
        assert "day" in printed


def long_ago() -> str:
    """Name a day that no test made a refund on."""
    return (datetime.now(UTC) - timedelta(days=60)).date().isoformat()
