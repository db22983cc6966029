"""Who has paid for something is somebody who has paid, whatever becomes of it."""

import asyncio

from structlog.testing import capture_logs

from jobs.batch import Batch
from jobs.effects import Effects, LogDelivery, Undeliverable
from models.engine import Database
from models.people import note_payers
from models.sweeps import DueEffect
from tests.jobs.conftest import Start
from tests.jobs.mail_server import a_person, a_sold_order, owe
from tests.jobs.rows import ALL_EFFECTS_DONE, until_found


class Never:
    """A way to the outside that leads nowhere."""

    async def deliver(self, _effect: DueEffect) -> None:
        raise Undeliverable


async def do_round(database: Database, delivery: LogDelivery | Never) -> None:
    effects = Effects(database=database, delivery=delivery)
    with capture_logs():
        await Batch(
            job="effects",
            noun="effect",
            size=10,
            claim=effects.claim,
            handle=effects.deliver,
            let_go=effects.deliver_later,
        ).do_round()


async def states(database: Database) -> list[str]:
    return [row["state"] for row in await database.fetch("SELECT state FROM users ORDER BY id")]


class TestAPayer:
    async def test_is_who_paid_and_nobody_else(self, database: Database) -> None:
        sold = await a_sold_order(database)
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        await do_round(database, LogDelivery())

        # The second is their guest.
        assert await states(database) == ["paid", "registered"]

    async def test_is_one_even_where_no_letter_arrives(self, database: Database) -> None:
        sold = await a_sold_order(database)
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        await do_round(database, Never())

        assert await states(database) == ["paid", "registered"]

    async def test_stays_one_when_the_money_goes_back(self, database: Database) -> None:
        sold = await a_sold_order(database)
        await owe(database, "TICKETS", "paid:1", sold.order_id)
        await do_round(database, LogDelivery())
        await owe(database, "REFUND_NOTICE", "refund:R1", sold.order_id)

        await do_round(database, LogDelivery())

        assert (await states(database))[0] == "paid"

    async def test_is_nobody_whose_order_ended_unpaid(self, database: Database) -> None:
        sold = await a_sold_order(database, status="EXPIRED")
        await owe(database, "FAREWELL", "expired", sold.order_id)

        await do_round(database, LogDelivery())

        assert await states(database) == ["registered", "registered"]

    async def test_is_noted_by_several_at_once(self, database: Database) -> None:
        orders = [(await a_sold_order(database)).order_id for _ in range(20)]

        await asyncio.gather(
            *(note_payers(database, orders), note_payers(database, orders[::-1])),
            *(note_payers(database, orders[n:]) for n in range(8)),
        )

        assert (await states(database)).count("paid") == 20

    async def test_is_noted_by_the_worker(self, database: Database, start: Start) -> None:
        await a_person(database, None)
        sold = await a_sold_order(database)
        await owe(database, "TICKETS", "paid:1", sold.order_id)
        start()

        await until_found(database, ALL_EFFECTS_DONE)
        assert (await states(database)).count("paid") == 1
