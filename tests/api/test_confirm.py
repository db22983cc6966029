"""Confirming an intent, as the payments document describes `POST /payments/confirm`."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.api.channels import SIGNED, lose_openid, verify_pay_sign
from tests.api.service import HOT, ORDERS, Buyer, Service
from tests.api.test_doors import is_problem
from tests.api.test_intents import create
from tests.api.test_order_refunds import Organizer
from tests.sandbox.simulator import OTHER_APP_ID, Simulator, wait_until

CONFIRM = "/payments/confirm"
_NO_IDS: tuple[object, ...] = (0, -1, 1.0, "1", True, None, [], 2**53)
_NO_KEYS: tuple[object, ...] = ("", "x" * 256, "a\n", "a\x00b", "\u00e9", 1, None)


def confirm(buyer: Buyer, intent: dict[str, Any], **changes: object) -> httpx.Response:
    """Try to pay by an intent."""
    said: dict[str, object] = {"intentId": intent["intentId"], "idempotencyKey": "first"}
    return buyer.http.post(CONFIRM, json=said | changes)


async def attempts_of(database: Database, order: dict[str, Any]) -> list[dict[str, Any]]:
    statement = "SELECT * FROM payment_attempts WHERE order_id = $1 ORDER BY id"
    return [dict(row) for row in await database.fetch(statement, order["orderId"])]


def seen(buyer: Buyer, order: dict[str, Any]) -> dict[str, Any]:
    view: dict[str, Any] = buyer.http.get(f"{ORDERS}/{order['orderId']}").json()
    return view


@pytest.fixture
def order(buyer: Buyer) -> dict[str, Any]:
    made: dict[str, Any] = buyer.order(HOT).json()
    return made


@pytest.fixture
def intent(buyer: Buyer, order: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = create(buyer, order).json()
    return made


class TestConfirm:
    async def test_writes_an_attempt_and_calls_the_provider(
        self,
        buyer: Buyer,
        order: dict[str, Any],
        intent: dict[str, Any],
        database: Database,
        simulator: Simulator,
    ) -> None:
        answer = confirm(buyer, intent)

        assert answer.status_code == 201
        body = answer.json()
        (attempt,) = await attempts_of(database, order)
        assert body.keys() == {"intentId", "attemptId", "status", "actionData"}
        assert (body["intentId"], body["attemptId"]) == (intent["intentId"], attempt["id"])
        assert (body["status"], attempt["intent_id"]) == ("requires_action", intent["intentId"])
        assert body["actionData"]["codeUrl"].startswith("weixin://")
        assert simulator.calls(attempt["attempt_no"]) == {"native": 1}

    def test_does_not_move_the_payment_status(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any]
    ) -> None:
        confirm(buyer, intent)

        view = seen(buyer, order)
        assert (view["paymentStatus"], view["lastPaymentAttemptStatus"]) == (
            "UNPAID",
            "requires_action",
        )

    def test_of_a_paid_intent_says_when(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any], simulator: Simulator
    ) -> None:
        first = confirm(buyer, intent).json()
        simulator.act(f"{order['orderNo']}01", "pay")
        wait_until(lambda: seen(buyer, order)["paymentStatus"] == "PAID")

        answer = confirm(buyer, intent, idempotencyKey="second")

        assert answer.status_code == 200
        body = answer.json()
        assert body.keys() == {"intentId", "attemptId", "status", "paidAt"}
        assert (body["attemptId"], body["status"]) == (first["attemptId"], "succeeded")

    def test_is_not_for_strangers(
        self, buyer: Buyer, intent: dict[str, Any], service: Service
    ) -> None:
        for role in ("buyer", "admin"):
            stranger = Buyer(service, role)
            assert is_problem(confirm(stranger, intent), 404, "NOT_FOUND")
            stranger.http.close()
        assert is_problem(confirm(buyer, intent, intentId=2**53 - 1), 404, "NOT_FOUND")


class TestAMethod:
    @pytest.mark.parametrize("method", ["WECHAT_NATIVE", "wx_pub_qr"])
    def test_of_a_code_to_scan_brings_one(
        self, buyer: Buyer, intent: dict[str, Any], method: str
    ) -> None:
        assert confirm(buyer, intent, method=method).json()["actionData"].keys() == {"codeUrl"}

    @pytest.mark.parametrize("method", ["WECHAT_JSAPI", "wx_pub"])
    def test_of_the_wechat_browser_is_signed(
        self, buyer: Buyer, intent: dict[str, Any], method: str, simulator: Simulator
    ) -> None:
        params = confirm(buyer, intent, method=method).json()["actionData"]["jsapiParams"]

        assert params.keys() == SIGNED
        verify_pay_sign(params, simulator.keyring.merchant.public_key())

    @pytest.mark.parametrize("method", ["MINIPROGRAM_BRIDGE", "wx_lite"])
    async def test_of_the_bridge_is_signed_for_the_mini_program(
        self,
        buyer: Buyer,
        order: dict[str, Any],
        intent: dict[str, Any],
        method: str,
        simulator: Simulator,
    ) -> None:
        params = confirm(buyer, intent, method=method).json()["actionData"]["requestPaymentParams"]

        assert params.pop("orderNo") == order["orderNo"]
        assert params["appId"] == OTHER_APP_ID
        verify_pay_sign(params, simulator.keyring.merchant.public_key())

    @pytest.mark.parametrize("method", ["WECHAT_JSAPI", "MINIPROGRAM_BRIDGE"])
    def test_that_needs_an_openid_asks_for_it_and_keeps_the_order(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any], method: str
    ) -> None:
        lose_openid(buyer)

        answer = confirm(buyer, intent, method=method)

        assert is_problem(answer, 400, "WECHAT_OPENID_REQUIRED")
        assert answer.json()["orderNo"] == order["orderNo"]
        assert confirm(buyer, intent).status_code == 201

    @pytest.mark.parametrize("method", ["", "MOCK", "wx_pub ", "alipay_qr", "x" * 65, 1])
    def test_that_is_none_is_refused(
        self, buyer: Buyer, intent: dict[str, Any], method: object
    ) -> None:
        assert is_problem(confirm(buyer, intent, method=method), 400, "INVALID_REQUEST")

    async def test_of_another_channel_opens_another_attempt_of_the_intent(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any], database: Database
    ) -> None:
        confirm(buyer, intent)
        other = confirm(buyer, intent, idempotencyKey="second", method="WECHAT_JSAPI")

        assert other.status_code == 201
        attempts = await attempts_of(database, order)
        assert [row["intent_id"] for row in attempts] == [intent["intentId"]] * 2
        assert [row["close_owed"] for row in attempts] == [True, False]


class TestAnIntentThatNobodyCanPayBy:
    def test_is_refused_once_the_order_is_cancelled(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any]
    ) -> None:
        buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")

        answer = confirm(buyer, intent)

        assert is_problem(answer, 409, "INVALID_STATE")
        assert answer.json()["orderStatus"] == "CANCELLED"

    def test_is_refused_once_the_order_is_paid_otherwise(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any], service: Service
    ) -> None:
        organizer = Organizer(service)
        assert organizer.mark_paid(order["orderId"]).is_success
        organizer.http.close()

        assert is_problem(confirm(buyer, intent), 409, "INVALID_STATE")

    async def test_is_refused_once_it_has_ended(
        self, buyer: Buyer, intent: dict[str, Any], database: Database
    ) -> None:
        await database.execute(
            """UPDATE payment_intents SET ended_at = now(), end_reason = 'INTENT_EXPIRED'
               WHERE id = $1""",
            intent["intentId"],
        )

        assert is_problem(confirm(buyer, intent), 409, "INVALID_STATE")

    def test_is_refused_once_the_price_has_changed(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any], service: Service
    ) -> None:
        admin = Buyer(service, "admin")
        code = f"C-{order['orderNo']}"
        coupon = {"code": code, "kind": "fixed", "value": 1000}
        assert admin.http.post("/api/coupons", json=coupon).is_success
        admin.http.close()
        path = f"{ORDERS}/{order['orderId']}/coupon"
        assert buyer.http.post(path, json={"couponCode": code}).is_success

        answer = confirm(buyer, intent)

        assert is_problem(answer, 409, "PRICE_MISMATCH")
        assert answer.json()["orderAmount"] == order["totalAmount"] - 1000


class TestAKeyOfAConfirmation:
    def test_brings_the_first_answer_again(self, buyer: Buyer, intent: dict[str, Any]) -> None:
        first, again = (confirm(buyer, intent) for _ in range(2))

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()

    def test_signs_anew_what_the_payer_needs(self, buyer: Buyer, intent: dict[str, Any]) -> None:
        first, again = (confirm(buyer, intent, method="wx_pub").json() for _ in range(2))

        assert first.pop("actionData") != again.pop("actionData")
        assert first == again

    def test_brings_no_way_to_pay_for_what_is_over(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any]
    ) -> None:
        first = confirm(buyer, intent).json()
        buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")

        again = confirm(buyer, intent)

        assert again.status_code == 200
        first.pop("actionData")
        assert again.json() == first

    @pytest.mark.parametrize("said", [{"method": "wx_pub"}, {"simulate": "failed"}])
    def test_with_another_body_is_refused(
        self, buyer: Buyer, intent: dict[str, Any], said: dict[str, object]
    ) -> None:
        confirm(buyer, intent)

        assert is_problem(confirm(buyer, intent, **said), 422, "IDEMPOTENCY_MISMATCH")

    def test_of_another_name_finds_the_open_attempt_and_is_remembered(
        self, buyer: Buyer, intent: dict[str, Any]
    ) -> None:
        first = confirm(buyer, intent).json()
        second = confirm(buyer, intent, idempotencyKey="second")

        assert (second.status_code, second.json()) == (200, first)
        answer = confirm(buyer, intent, idempotencyKey="second", method="wx_pub")
        assert is_problem(answer, 422, "IDEMPOTENCY_MISMATCH")

    async def test_asked_a_hundred_times_at_once_opens_one_attempt(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any], database: Database
    ) -> None:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: confirm(buyer, intent), range(100)))

        assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
        assert len({answer.text for answer in answers}) == 1
        assert len(await attempts_of(database, order)) == 1

    def test_of_a_refusal_is_free(
        self, buyer: Buyer, order: dict[str, Any], intent: dict[str, Any]
    ) -> None:
        assert is_problem(confirm(buyer, intent, method="none"), 400, "INVALID_REQUEST")

        assert confirm(buyer, intent).status_code == 201
        assert seen(buyer, order)["status"] == "PENDING"


class TestABodyThatConfirmsNothing:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("intentId", value) for value in _NO_IDS),
            *(("idempotencyKey", value) for value in _NO_KEYS),
            *(("simulate", value) for value in ("", "Succeeded", "paid", 1, True)),
            ("amount", 1),
            ("orderId", 1),
        ],
    )
    def test_is_refused(
        self, buyer: Buyer, intent: dict[str, Any], name: str, value: object
    ) -> None:
        assert is_problem(confirm(buyer, intent, **{name: value}), 400, "INVALID_REQUEST")

    @pytest.mark.parametrize("name", ["intentId", "idempotencyKey"])
    def test_is_refused_without_a_field(self, buyer: Buyer, name: str) -> None:
        said: dict[str, object] = {"intentId": 1, "idempotencyKey": "k"}
        said.pop(name)

        answer = buyer.http.post(CONFIRM, json=said)

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] == name
