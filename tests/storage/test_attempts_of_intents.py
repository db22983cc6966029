"""Which intent an attempt belongs to, on the real database."""

import asyncio
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from actors.actor import Actor
from actors.turn import Turn
from contracts.attempt import Confirmation
from contracts.commands import ApplyCoupon, StartAttempt
from contracts.errors import InvalidState
from contracts.order import Order
from contracts.states import Channel
from models.engine import Database
from tests.storage.stage import a_start, buy, make_coupon, opened, put_on_sale, wish


async def rows_of(database: Database, table: str, order: Order) -> list[dict[str, Any]]:
    """Read an order's rows of one table."""
    statement = f"SELECT * FROM {table} WHERE order_id = $1 ORDER BY id"  # noqa: S608 - ours
    return [dict(row) for row in await database.fetch(statement, order.id)]


async def an_intent(database: Database, order: Order) -> int:
    """Ask for one by name."""
    intent_id: int = await database.fetchval(
        """INSERT INTO payment_intents (order_id, provider, amount_minor, currency, idempotency_key)
           VALUES ($1, 'wechat', $2, 'CNY', gen_random_uuid()::text) RETURNING id""",
        order.id,
        order.total.amount_minor,
    )
    return intent_id


def confirmed(order: Order, intent_id: int, key: str) -> StartAttempt:
    """Ask for an attempt that confirms an intent."""
    said = Confirmation(order_id=order.id, intent_id=intent_id, idempotency_key=key)
    return replace(a_start(order), confirmation=said)


class TestAnAttemptNobodyConfirmedAnIntentFor:
    async def test_comes_with_its_orders_own(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        model = a_start(await buy(actor, sale, user_id=2))
        made = await actor.create(wish(sale, 1, first_attempt=model))
        assert made.order is not None

        (intent,) = await rows_of(database, "payment_intents", made.order)
        (attempt,) = await rows_of(database, "payment_attempts", made.order)

        assert attempt["intent_id"] == intent["id"]
        assert (intent["amount_minor"], intent["idempotency_key"]) == (9900, None)

    async def test_shares_it_with_the_next(self, actor: Actor, database: Database) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await actor.take_turn(a_start(order, Channel.WECHAT_JSAPI))

        (intent,) = await rows_of(database, "payment_intents", order)
        attempts = await rows_of(database, "payment_attempts", order)

        assert [attempt["intent_id"] for attempt in attempts] == [intent["id"]] * 2

    async def test_joins_the_one_asked_for(self, actor: Actor, database: Database) -> None:
        order = await buy(actor, await put_on_sale(database))
        intent_id = await an_intent(database, order)

        order = await opened(actor, order)

        (attempt,) = await rows_of(database, "payment_attempts", order)
        assert attempt["intent_id"] == intent_id


class TestAConfirmedAttempt:
    async def test_is_found_again_by_its_key(self, actor: Actor, database: Database) -> None:
        order = await buy(actor, await put_on_sale(database))
        command = confirmed(order, await an_intent(database, order), "k1")

        first = await actor.take_turn(command)
        again = await actor.take_turn(command)

        assert again.events == ()
        (attempt,) = await rows_of(database, "payment_attempts", first.order)
        assert (attempt["intent_id"], attempt["idempotency_key"]) == (
            command.confirmation.intent_id if command.confirmation else None,
            "k1",
        )

    async def test_has_its_key_to_itself(self, actor: Actor, database: Database) -> None:
        order = await buy(actor, await put_on_sale(database))
        command = confirmed(order, await an_intent(database, order), "k1")
        await actor.take_turn(command)

        with pytest.raises(asyncpg.UniqueViolationError):
            await database.execute(
                """INSERT INTO payment_attempts SELECT (jsonb_populate_record(a, jsonb_build_object(
                     'id', a.id + 1, 'attempt_no', 'ANOTHER'))).* FROM payment_attempts a"""
            )

    @pytest.mark.parametrize("is_another_asked_for", [False, True])
    async def test_is_none_of_an_intent_that_ended_meanwhile(
        self, actor: Actor, database: Database, *, is_another_asked_for: bool
    ) -> None:
        sale = await put_on_sale(database)
        order, other = await buy(actor, sale), await buy(actor, sale, user_id=2)
        idle = await an_intent(database, order)
        await database.execute(
            """UPDATE payment_intents SET ended_at = now(), end_reason = 'INTENT_EXPIRED'
               WHERE id = $1""",
            idle,
        )
        if is_another_asked_for:
            await an_intent(database, order)

        refused, kept = await asyncio.gather(
            actor.take_turn(confirmed(order, idle, "k1")),
            actor.take_turn(confirmed(other, await an_intent(database, other), "k1")),
            return_exceptions=True,
        )

        assert isinstance(refused, InvalidState)
        assert await rows_of(database, "payment_attempts", order) == []
        assert (await actor.load(order.id)).version == order.version
        assert isinstance(kept, Turn)
        assert len(await rows_of(database, "payment_attempts", other)) == 1


class TestAnIntent:
    async def test_ends_with_the_price_it_was_for(self, actor: Actor, database: Database) -> None:
        order = await buy(actor, await put_on_sale(database))
        await an_intent(database, order)
        await make_coupon(database)

        await actor.take_turn(ApplyCoupon(order_id=order.id, code="HALF"))
        await opened(actor, order)

        dear, cheap = await rows_of(database, "payment_intents", order)
        assert (dear["end_reason"], dear["amount_minor"]) == ("PRICE_CHANGED", 9900)
        assert (cheap["ended_at"], cheap["amount_minor"]) == (None, 4950)

    async def test_is_the_orders_only_one(self, actor: Actor, database: Database) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))

        with pytest.raises(asyncpg.UniqueViolationError):
            await an_intent(database, order)
