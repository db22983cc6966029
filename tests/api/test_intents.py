"""Asking for an intent, as the payments document describes `POST /payments/create_intent`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.api.service import HOT, ORDERS, Buyer, Service
from tests.api.test_doors import is_problem
from tests.api.test_order_refunds import Organizer

CREATE = "/payments/create_intent"
PRICE = 5000
_NO_IDS: tuple[object, ...] = (0, -1, 1.0, "1", True, None, [], 2**53)
_NO_KEYS: tuple[object, ...] = ("", "x" * 256, "a\n", "a\x00b", "\u00e9", 1, None)
_NO_METADATA: tuple[object, ...] = (
    {str(n): "x" for n in range(21)},
    {"x" * 41: "x"},
    {"x": "x" * 501},
    {"x": 1},
    {"x": None},
    ["x"],
    "x",
    {"x": "a\x00b"},
)


def create(buyer: Buyer, order: dict[str, Any], **changes: object) -> httpx.Response:
    """Ask for an intent."""
    said = {
        "orderId": order["orderId"],
        "amount": order["totalAmount"],
        "currency": "CNY",
        "idempotencyKey": "first",
    }
    return buyer.http.post(CREATE, json=said | changes)


async def intents_of(database: Database, order: dict[str, Any]) -> list[dict[str, Any]]:
    statement = "SELECT * FROM payment_intents WHERE order_id = $1 ORDER BY id"
    return [dict(row) for row in await database.fetch(statement, order["orderId"])]


@pytest.fixture
def order(buyer: Buyer) -> dict[str, Any]:
    made: dict[str, Any] = buyer.order(HOT).json()
    return made


@pytest.fixture
def other(service: Service) -> Iterator[Buyer]:
    buyer = Buyer(service)
    yield buyer
    buyer.http.close()


class TestCreateIntent:
    def test_answers_with_the_fields_of_the_document(
        self, buyer: Buyer, order: dict[str, Any]
    ) -> None:
        answer = create(buyer, order)

        assert answer.status_code == 201
        body = answer.json()
        assert body.keys() == {"intentId", "status", "amount", "currency", "clientSecret"}
        assert isinstance(body["intentId"], int)
        assert (body["status"], body["amount"], body["currency"]) == (
            "requires_confirmation",
            PRICE,
            "CNY",
        )
        assert body["clientSecret"].startswith(f"cs_{body['intentId']}_")

    async def test_stores_what_is_said_of_it_and_no_secret(
        self, buyer: Buyer, order: dict[str, Any], database: Database
    ) -> None:
        secret = create(buyer, order, metadata={"seat": "A\u00e4"}).json()["clientSecret"]

        (intent,) = await intents_of(database, order)
        assert intent["metadata"] == '{"seat": "A\u00e4"}'
        assert secret not in str(intent)

    def test_tells_every_intent_another_secret(self, buyer: Buyer, other: Buyer) -> None:
        secrets = {
            create(who, who.order(HOT).json()).json()["clientSecret"].split("_")[2]
            for who in (buyer, other)
        }

        assert len(secrets) == 2

    def test_leaves_the_order_unpaid(self, buyer: Buyer, order: dict[str, Any]) -> None:
        create(buyer, order)

        seen = buyer.http.get(f"{ORDERS}/{order['orderId']}").json()
        assert (seen["paymentStatus"], seen["lastPaymentAttemptStatus"]) == ("UNPAID", None)


class TestAnOrderThatIsNotOnesOwn:
    def test_does_not_exist(
        self, buyer: Buyer, order: dict[str, Any], other: Buyer, service: Service
    ) -> None:
        assert create(buyer, order).is_success
        admin = Buyer(service, "admin")
        for stranger in (other, admin):
            assert is_problem(create(stranger, order), 404, "NOT_FOUND")
        admin.http.close()
        assert is_problem(create(buyer, order, orderId=2**53 - 1), 404, "NOT_FOUND")


class TestThePrice:
    @pytest.mark.parametrize("said", [{"amount": 4999}, {"amount": 5001}, {"currency": "USD"}])
    async def test_is_the_orders_or_nothing_is_made(
        self, buyer: Buyer, order: dict[str, Any], database: Database, said: dict[str, object]
    ) -> None:
        answer = create(buyer, order, **said)

        assert is_problem(answer, 409, "PRICE_MISMATCH")
        assert answer.json()["orderAmount"] == PRICE
        assert await intents_of(database, order) == []

    def test_is_compared_before_an_active_intent_is_found(
        self, buyer: Buyer, order: dict[str, Any]
    ) -> None:
        create(buyer, order)

        answer = create(buyer, order, idempotencyKey="second", amount=1)

        assert is_problem(answer, 409, "PRICE_MISMATCH")
        # A refusal is not remembered: the key is free for the right price.
        assert create(buyer, order, idempotencyKey="second").status_code == 200

    async def test_that_a_coupon_changed_needs_another_intent(
        self, buyer: Buyer, order: dict[str, Any], database: Database, service: Service
    ) -> None:
        admin = Buyer(service, "admin")
        code = f"I-{order['orderNo']}"
        coupon = {"code": code, "kind": "fixed", "value": 1000}
        assert admin.http.post("/api/coupons", json=coupon).is_success
        admin.http.close()
        dear = create(buyer, order).json()["intentId"]
        path = f"{ORDERS}/{order['orderId']}/coupon"
        assert buyer.http.post(path, json={"couponCode": code}).is_success

        cheap = create(buyer, order, idempotencyKey="second", amount=4000)

        assert cheap.status_code == 201
        assert cheap.json()["intentId"] != dear
        answer = create(buyer, order, idempotencyKey="third")
        assert is_problem(answer, 409, "PRICE_MISMATCH")
        assert [row["end_reason"] for row in await intents_of(database, order)] == [
            "PRICE_CHANGED",
            None,
        ]


class TestAnOrderThatNobodyCanPay:
    def test_is_refused_once_cancelled(self, buyer: Buyer, order: dict[str, Any]) -> None:
        buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")

        answer = create(buyer, order)

        assert is_problem(answer, 409, "INVALID_STATE")
        assert answer.json()["orderStatus"] == "CANCELLED"

    def test_is_refused_once_paid(
        self, buyer: Buyer, order: dict[str, Any], service: Service
    ) -> None:
        organizer = Organizer(service)
        assert organizer.mark_paid(order["orderId"]).is_success
        organizer.http.close()

        assert is_problem(create(buyer, order), 409, "INVALID_STATE")

    async def test_is_refused_once_its_time_is_up(
        self, buyer: Buyer, order: dict[str, Any], database: Database
    ) -> None:
        await database.execute(
            "UPDATE orders SET expired_at = now() WHERE id = $1", order["orderId"]
        )

        assert is_problem(create(buyer, order), 409, "INVALID_STATE")


class TestAKey:
    def test_brings_the_first_answer_again(self, buyer: Buyer, order: dict[str, Any]) -> None:
        first, again = (create(buyer, order, metadata={"a": "b"}) for _ in range(2))

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()

    def test_brings_it_also_when_nobody_can_pay_any_more(
        self, buyer: Buyer, order: dict[str, Any]
    ) -> None:
        first = create(buyer, order)
        buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")

        assert create(buyer, order).json() == first.json()

    @pytest.mark.parametrize(
        "said", [{"amount": 1}, {"currency": "USD"}, {"metadata": {}}, {"metadata": {"a": "c"}}]
    )
    def test_with_another_body_is_refused(
        self, buyer: Buyer, order: dict[str, Any], said: dict[str, object]
    ) -> None:
        create(buyer, order)

        assert is_problem(create(buyer, order, **said), 422, "IDEMPOTENCY_MISMATCH")

    def test_of_another_name_finds_the_active_intent_and_is_remembered(
        self, buyer: Buyer, order: dict[str, Any]
    ) -> None:
        first = create(buyer, order)
        second = create(buyer, order, idempotencyKey="second")

        assert second.status_code == 200
        assert second.json() == first.json()
        other = create(buyer, order, idempotencyKey="second", metadata={"a": "b"})
        assert is_problem(other, 422, "IDEMPOTENCY_MISMATCH")

    def test_finds_the_intent_that_a_prepare_made(self, buyer: Buyer) -> None:
        order = buyer.order(HOT, prepare=True).json()

        answer = create(buyer, order)

        assert (answer.status_code, answer.json()["status"]) == (200, "requires_action")

    def test_is_its_orders_own(self, buyer: Buyer, other: Buyer) -> None:
        ids = [create(who, who.order(HOT).json()).json()["intentId"] for who in (buyer, other)]

        assert len(set(ids)) == 2

    async def test_asked_a_hundred_times_at_once_makes_one_intent(
        self, buyer: Buyer, order: dict[str, Any], database: Database
    ) -> None:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: create(buyer, order), range(100)))

        assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
        assert len({answer.text for answer in answers}) == 1
        assert len(await intents_of(database, order)) == 1

    async def test_beside_a_hundred_others_finds_the_one_intent(
        self, buyer: Buyer, order: dict[str, Any], database: Database
    ) -> None:
        with ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(lambda n: create(buyer, order, idempotencyKey=f"k{n}"), range(100))
            )

        assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
        assert len({answer.text for answer in answers}) == 1
        assert len(await intents_of(database, order)) == 1


class TestABodyThatAsksForNoIntent:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("orderId", value) for value in _NO_IDS),
            *(("amount", value) for value in (*_NO_IDS, 10**30)),
            *(("currency", value) for value in ("", "cny", "CNYX", "CNY\n", 1, None)),
            *(("idempotencyKey", value) for value in _NO_KEYS),
            *(("metadata", value) for value in _NO_METADATA),
            ("status", "succeeded"),
        ],
    )
    def test_is_refused(
        self, buyer: Buyer, order: dict[str, Any], name: str, value: object
    ) -> None:
        answer = create(buyer, order, **{name: value})

        assert is_problem(answer, 400, "INVALID_REQUEST")

    @pytest.mark.parametrize("name", ["orderId", "amount", "currency", "idempotencyKey"])
    def test_is_refused_without_a_field(self, buyer: Buyer, name: str) -> None:
        said = {"orderId": 1, "amount": 1, "currency": "CNY", "idempotencyKey": "k"}
        said.pop(name)

        answer = buyer.http.post(CREATE, json=said)

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] == name
