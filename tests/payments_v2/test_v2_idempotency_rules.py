"""Idempotency rules: four keys that the database itself keeps unique."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import httpx
import pytest

from models.engine import Database
from tests.payments_v2.shop import PRICE, Desk, Payer, event, tell

pytestmark = pytest.mark.xdist_group("payments_v2")

_AT_ONCE = 20


def at_once(ask: Any) -> list[httpx.Response]:  # noqa: ANN401 - whatever asks
    """Ask the same many times at once."""
    with ThreadPoolExecutor(_AT_ONCE) as crowd:
        return list(crowd.map(lambda _: ask(), range(100)))


async def again(books: Database, table: str, **changes: object) -> None:
    """Write the newest row of a table once more, with another id."""
    said = ", ".join(f"'{name}', {value!r}" for name, value in changes.items())
    await books.execute(
        f"INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('id',"  # noqa: S608
        f" t.id + 1000000{', ' + said if said else ''}))).* FROM {table} t ORDER BY id DESC LIMIT 1"
    )


class TestPaymentIntents:
    def test_are_one_for_an_order_and_a_key(self, payer: Payer) -> None:
        answers = at_once(payer.want)

        assert {answer.status_code for answer in answers} <= {200, 201}
        assert sum(answer.status_code == 201 for answer in answers) == 1
        assert len({answer.text for answer in answers}) == 1

    def test_with_a_key_of_before_and_another_body_are_refused(self, payer: Payer) -> None:
        payer.want()

        answer = payer.want(metadata={"other": "words"})

        assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_MISMATCH")

    def test_are_found_by_another_key_while_they_are_active(self, payer: Payer) -> None:
        first = payer.want("first").json()

        second = payer.want("second")

        assert (second.status_code, second.json()["intentId"]) == (200, first["intentId"])

    def test_are_not_found_for_another_price(self, payer: Payer) -> None:
        payer.want("first")

        assert payer.want("second", amount=PRICE + 1).json()["code"] == "PRICE_MISMATCH"

    async def test_are_unique_in_the_database(self, payer: Payer, books: Database) -> None:
        payer.want()

        with pytest.raises(asyncpg.UniqueViolationError):
            await again(books, "payment_intents")


class TestPaymentAttempts:
    def test_are_one_for_an_intent_and_a_key(self, payer: Payer) -> None:
        intent_id = payer.want().json()["intentId"]

        answers = at_once(
            lambda: payer.post(
                "confirm", intentId=intent_id, idempotencyKey="k", simulate="requires_action"
            )
        )

        assert {answer.status_code for answer in answers} <= {200, 201}
        assert len({answer.json()["attemptId"] for answer in answers}) == 1
        (trade,) = payer.service.sandbox.get(
            "/control/trades", params={"order_no": payer.bought["orderNo"]}
        ).json()["trades"]
        assert trade["provider"] == "mock"

    async def test_are_unique_in_the_database(self, payer: Payer, books: Database) -> None:
        payer.confirm(simulate="requires_action")

        with pytest.raises(asyncpg.UniqueViolationError, match="intent_key"):
            await again(books, "payment_attempts", attempt_no="ANOTHERONE")


class TestRefunds:
    def test_are_one_for_an_order_and_a_key(self, payer: Payer, desk: Desk) -> None:
        payer.paid()

        answers = at_once(lambda: desk.refund(payer, amount=100))

        assert {answer.status_code for answer in answers} <= {200, 201}
        assert len({answer.json()["refundId"] for answer in answers}) == 1
        assert len(payer.payments()["refunds"]) == 1

    async def test_are_unique_in_the_database(
        self, payer: Payer, desk: Desk, books: Database
    ) -> None:
        desk.refund(payer.paid(), amount=100)

        with pytest.raises(asyncpg.UniqueViolationError, match="order_key"):
            await again(books, "refunds", refund_no="ANOTHER")


class TestWebhookEvents:
    async def test_are_one_for_a_provider_and_an_id(self, payer: Payer, books: Database) -> None:
        payer.confirm(simulate="requires_action")
        told = event(payer, "payment.succeeded")
        tell(payer.service, told)

        with pytest.raises(asyncpg.UniqueViolationError):
            await again(books, "webhook_events")
