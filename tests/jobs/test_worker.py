"""The worker as a process: started, stopped, killed, and left without its stores."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from redis import Redis

from models.engine import Database
from sandbox.embedded.redis import EmbeddedRedis
from tests.jobs.conftest import Start
from tests.jobs.rows import ALL_EFFECTS_DONE, an_effect, an_order, until_found


async def _duties_are_done(database: Database) -> None:
    await until_found(database, ALL_EFFECTS_DONE)


class TestAWorker:
    async def test_does_what_it_finds_and_ends_when_told(
        self, database: Database, start: Start
    ) -> None:
        await an_effect(database)
        worker = start()
        await _duties_are_done(database)

        worker.send_signal(signal.SIGTERM)

        assert worker.wait(timeout=60) == 0

    async def test_expires_orders_nobody_paid(self, database: Database, start: Start) -> None:
        for _ in range(5):
            await an_order(database, expired_at="now() - interval '1 s'")
        start()

        await until_found(
            database, "SELECT 5 = (SELECT count(*) FROM orders WHERE status = 'EXPIRED')"
        )

    async def test_leaves_off_what_is_switched_off(self, database: Database, start: Start) -> None:
        await an_effect(database)
        order_id = await an_order(database, expired_at="now() - interval '1 s'")
        start(EXPIRE_INTERVAL_SECONDS="0")

        await _duties_are_done(database)

        status = await database.fetchval("SELECT status FROM orders WHERE id = $1", order_id)
        assert status == "PENDING"

    async def test_takes_over_what_a_killed_one_had_claimed(
        self, database: Database, start: Start
    ) -> None:
        worker = start(EFFECTS_INTERVAL_SECONDS="0.01")
        for _ in range(200):
            await an_effect(database)
        worker.kill()
        worker.wait()
        await database.execute(
            """UPDATE effects SET due_at = now() + interval '1 s', tries = 1
               WHERE done_at IS NULL AND (due_at > now()
                 OR id IN (SELECT id FROM effects WHERE done_at IS NULL LIMIT 20))"""
        )
        start()

        await _duties_are_done(database)

    @pytest.mark.parametrize("loss", ["down", "flushed"])
    async def test_loses_nothing_with_its_redis(
        self, database: Database, start: Start, own_redis: EmbeddedRedis, loss: str
    ) -> None:
        worker = start(redis_url=own_redis.url)
        await an_effect(database)
        await _duties_are_done(database)
        if loss == "down":
            own_redis.stop()
        else:
            with Redis.from_url(own_redis.url) as client:
                client.flushall()
        for _ in range(5):
            await an_effect(database)

        await _duties_are_done(database)

        assert worker.poll() is None

    async def test_tells_the_metrics_page(
        self, database: Database, start: Start, metrics: Path
    ) -> None:
        await an_effect(database)
        worker = start()
        await _duties_are_done(database)
        worker.send_signal(signal.SIGINT)
        assert worker.wait(timeout=60) == 0

        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(metrics))  # type: ignore[no-untyped-call]  # has no types

        done = {"job": "effects", "outcome": "done"}
        heartbeat = registry.get_sample_value("guichet_worker_heartbeat_timestamp_seconds")
        assert registry.get_sample_value("guichet_jobs_total", done) == 1
        assert heartbeat == pytest.approx(time.time(), abs=30)
        assert registry.get_sample_value("guichet_orders_stuck", {"state": "CLOSING"}) == 0

    def test_refuses_settings_that_make_no_sense(self) -> None:
        worker = subprocess.run(
            [sys.executable, "-m", "jobs.worker"],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            timeout=90,
            check=False,
        )

        assert worker.returncode == 78
        assert b"DATABASE_URL is missing" in worker.stderr
