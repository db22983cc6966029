"""Duties to the outside."""

from structlog.testing import capture_logs

from jobs.batch import Batch
from jobs.effects import MAX_TRIES, Effects, LogDelivery
from models.engine import Database
from models.sweeps import DueEffect, claim_effects
from tests.jobs.rows import an_effect


class Failing:
    """A way to the outside that is blocked for some time."""

    def __init__(self, times: int) -> None:
        self.seen: list[str] = []
        self._times = times

    async def deliver(self, effect: DueEffect) -> None:
        self.seen.append(effect.effect_id)
        if len(self.seen) <= self._times:
            raise ConnectionError


async def _round(database: Database, effects: Effects) -> None:
    async def claim(limit: int) -> list[DueEffect]:
        return await claim_effects(database, limit)

    await Batch(
        job="effects",
        noun="effect",
        size=10,
        claim=claim,
        handle=effects.deliver,
        let_go=effects.deliver_later,
    ).do_round()


class TestADuty:
    async def test_is_done_once_and_told_in_the_log(self, database: Database) -> None:
        await an_effect(database)
        effects = Effects(database=database, delivery=LogDelivery())

        with capture_logs() as lines:
            await _round(database, effects)
            await database.execute("UPDATE effects SET due_at = now() WHERE done_at IS NULL")
            await _round(database, effects)

        (line,) = lines
        assert line["event"] == "effects.delivered"
        assert (line["kind"], line["holder"]) == ("TICKETS", "order:7")
        assert line["effect_id"] == f"order:7:{line['cause']}:TICKETS"
        row = await database.fetchrow("SELECT due_at, done_at, tries FROM effects")
        assert row is not None
        assert row["done_at"] is not None
        assert (row["due_at"], row["tries"]) == (None, 1)

    async def test_is_repeated_under_the_same_id_ever_later(self, database: Database) -> None:
        await an_effect(database)
        delivery = Failing(times=3)
        effects = Effects(database=database, delivery=delivery)
        pauses = []

        with capture_logs():
            for _ in range(4):
                await _round(database, effects)
                left = await database.fetchval("SELECT due_at - now() FROM effects")
                pauses.append(left and round(left.total_seconds()))
                await database.execute("UPDATE effects SET due_at = now() WHERE done_at IS NULL")

        assert len(delivery.seen) == 4
        assert len(set(delivery.seen)) == 1
        assert pauses == [1, 2, 4, None]
        assert await database.fetchval("SELECT done_at FROM effects") is not None

    async def test_is_given_up_visibly_after_its_last_try(self, database: Database) -> None:
        await an_effect(database, tries=MAX_TRIES - 1)
        effects = Effects(database=database, delivery=Failing(times=1))

        with capture_logs() as lines:
            await _round(database, effects)
            await _round(database, effects)

        row = await database.fetchrow("SELECT due_at, done_at FROM effects")
        assert row is not None
        assert (row["due_at"], row["done_at"]) == (None, None)
        assert [line["event"] for line in lines] == ["jobs.row.failed", "effects.dead"] or [
            line["event"] for line in lines
        ] == ["effects.dead", "jobs.row.failed"]

    async def test_is_not_given_up_when_its_last_try_works(self, database: Database) -> None:
        await an_effect(database, tries=MAX_TRIES - 1)

        with capture_logs() as lines:
            await _round(database, Effects(database=database, delivery=LogDelivery()))

        assert [line["event"] for line in lines] == ["effects.delivered"]
