"""Every question of the preflight finds a row that answers it, in a house where none was found."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from actors.actor import Actor
from models import preflight
from models.engine import Database
from models.preflight import check_preflight
from tests.storage.stage import POLICY, buy, opened, paid, put_on_sale, refund_of

UNIQUE = "UNIQUE (provider, provider_txn_id)"
AGED = "UPDATE payment_intents SET created_at = now() - interval '71 min'"
NOTICE = (
    "INSERT INTO webhook_events (provider, event_id, headers, body, status, retry_count,"
    " received_at) VALUES ('wechat', '1', '{}', '', '%s', 0, now() - interval '%s')"
)
# What is done to the rows, and what is then said of how many of them.
BREAKS = {
    "payments.duplicates": (
        """ALTER TABLE payments DROP CONSTRAINT payments_provider_txn_key;
           UPDATE payments SET provider_txn_id = 'T'""",
        (1, "wechat, orders 1 2"),
    ),
    "payments.unsettled": (
        """UPDATE orders SET status = 'PENDING', payment_status = 'UNPAID', paid_at = NULL
           WHERE id = 1""",
        (1, "order 1"),
    ),
    "intents.stuck": (
        """UPDATE payment_intents SET created_at = now() - interval '71 min';
           UPDATE payment_attempts SET state = 'UNKNOWN', created_at = now() - interval '71 min'""",
        (1, "intent 3"),
    ),
    "events.failed": (NOTICE % ("DEAD", "1 s"), (1, "wechat 1")),
    "refunds.stuck": (
        "UPDATE refunds SET status = 'processing', updated_at = now() - interval '25 h'",
        (1, "refund "),
    ),
    # The attempt that waits, and the refund.
    "providers.left": (
        """UPDATE payment_attempts SET provider = 'alipay' WHERE state = 'OPEN';
           UPDATE payments SET provider = 'stripe'""",
        (2, "alipay 1, stripe 1"),
    ),
    "refunds.too_much": ("UPDATE refunds SET amount_minor = 9901", (1, "payment 2")),
    "seats.drift": ("UPDATE ticket_types SET current_quantity = 7", (2, "event 1")),
}


@pytest.fixture
async def lived_in(emptied: Database) -> AsyncIterator[Database]:
    """Fill the house: two paid orders, one with money on its way back, and one that waits."""
    actor = Actor(database=emptied, redis=None, policy=POLICY)
    sale = await put_on_sale(emptied)
    await paid(actor, sale, 1)
    await actor.take_turn(refund_of(await paid(actor, sale, 2), 100))
    await opened(actor, await buy(actor, sale, 3))
    await emptied.execute("ALTER TABLE orders DISABLE TRIGGER orders_status_edge")
    yield emptied
    await emptied.execute("ALTER TABLE orders ENABLE TRIGGER orders_status_edge")
    await emptied.execute("DELETE FROM refunds; DELETE FROM payments")
    await emptied.execute(
        "ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_provider_txn_key"
    )
    await emptied.execute(f"ALTER TABLE payments ADD CONSTRAINT payments_provider_txn_key {UNIQUE}")
    await actor.close()


async def found(database: Database) -> dict[str, tuple[int, str | None]]:
    findings = await check_preflight(database, intent_idle_min=70, providers=["wechat", "mock"])
    return {finding.id: (finding.violations, finding.detail) for finding in findings}


class TestThePreflight:
    async def test_finds_nothing_where_all_is_well(self, lived_in: Database) -> None:
        assert {name: number for name, (number, _) in (await found(lived_in)).items()} == (
            dict.fromkeys(BREAKS, 0)
        )

    @pytest.mark.parametrize("name", BREAKS)
    async def test_finds_what_is_wrong_and_nothing_else(
        self, lived_in: Database, name: str
    ) -> None:
        damage, (number, detail) = BREAKS[name]

        await lived_in.execute(damage)

        told = await found(lived_in)
        count, which = told.pop(name)
        assert count == number
        assert (which or "").startswith(detail)
        assert {other: count for other, (count, _) in told.items() if count} == {}

    @pytest.mark.parametrize(
        ("state", "minutes", "number"),
        [
            ("UNKNOWN", 69, 0),
            ("OPENING", 71, 1),
            ("OPEN", 71, 0),
            ("PAID", 71, 0),
            ("CLOSED", 69, 0),
            ("CLOSED", 71, 1),
            ("REFUSED", 71, 1),
        ],
    )
    async def test_knows_a_stuck_intent_from_one_that_is_under_way(
        self, lived_in: Database, state: str, minutes: int, number: int
    ) -> None:
        await lived_in.execute(AGED)
        await lived_in.execute(
            "UPDATE payment_attempts SET state = $1, created_at = now() - make_interval(mins => $2)"
            " WHERE order_id = 3",
            state,
            minutes,
        )

        assert (await found(lived_in))["intents.stuck"][0] == number

    @pytest.mark.parametrize(
        ("opened", "minutes", "number"),
        [('{"needs_payer": false}', 71, 1), ('{"needs_payer": false}', 69, 0), ("{}", 71, 0)],
    )
    async def test_finds_an_intent_that_waits_for_its_provider_alone(
        self, lived_in: Database, opened: str, minutes: int, number: int
    ) -> None:
        await lived_in.execute(AGED)
        await lived_in.execute(
            "UPDATE payment_attempts SET opened = $1::jsonb,"
            " created_at = now() - make_interval(mins => $2) WHERE order_id = 3",
            opened,
            minutes,
        )

        assert (await found(lived_in))["intents.stuck"][0] == number

    async def test_finds_an_intent_nobody_confirmed(self, lived_in: Database) -> None:
        await lived_in.execute(AGED)
        await lived_in.execute("DELETE FROM payment_attempts WHERE order_id = 3")

        assert (await found(lived_in))["intents.stuck"] == (1, "intent 3")

    @pytest.mark.parametrize(
        ("status", "age", "number"),
        [("FAILED", "1 s", 1), ("RECEIVED", "11 min", 1), ("RECEIVED", "9 min", 0),
         ("PROCESSED", "1 h", 0), ("QUARANTINED", "1 h", 0)],
    )  # fmt: skip
    async def test_counts_notices_that_nobody_finished(
        self, lived_in: Database, status: str, age: str, number: int
    ) -> None:
        await lived_in.execute(NOTICE % (status, age))

        assert (await found(lived_in))["events.failed"][0] == number

    async def test_writes_nothing(
        self, lived_in: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writing = tmp_path / "preflight.sql"
        writing.write_text(
            "DELETE FROM payments RETURNING 'x' AS id, 1 AS violations, 'x' AS detail"
        )
        monkeypatch.setattr(preflight, "_STATEMENTS", writing)

        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await check_preflight(lived_in, intent_idle_min=70)
