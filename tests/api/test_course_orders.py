"""The course shop's order flow, at its doors."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.api.channels import lose_openid, prepare, verify_pay_sign
from tests.api.service import FREE, HOT, ORDERS, STANDARD, Buyer, Service
from tests.api.test_coupons import made
from tests.api.test_doors import is_problem
from tests.api.test_order_refunds import Organizer
from tests.sandbox.simulator import Simulator, wait_until

SHOP = "/api/order"
CHARGE = "reqiure-to-pay"
QR = {"payment_channel": "wechat", "channel": "wx_pub_qr"}
OF_AN_ORDER = (CHARGE, "require-to-pay", "query-order", "payment-detail", "stripe/sync")


def ask(buyer: Buyer, door: str, **said: object) -> httpx.Response:
    return buyer.http.post(f"{SHOP}/{door}", json=said)


def told(buyer: Buyer, door: str, **said: object) -> dict[str, Any]:
    answer = ask(buyer, door, **said)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def status_of(buyer: Buyer, order: dict[str, Any]) -> int:
    status: int = told(buyer, "query-order", order_id=order["order_id"])["status"]
    return status


@pytest.fixture
def order(buyer: Buyer) -> dict[str, Any]:
    return told(buyer, "init-order", course_id=HOT)


@pytest.fixture
def stranger(service: Service) -> Iterator[Buyer]:
    stranger = Buyer(service)
    yield stranger
    stranger.http.close()


@pytest.fixture
def organizer(service: Service) -> Iterator[Organizer]:
    organizer = Organizer(service)
    yield organizer
    organizer.http.close()


class TestAnOrder:
    def test_is_made_once_and_found_again(self, buyer: Buyer) -> None:
        first = told(buyer, "init-order", course_id=STANDARD)
        second = told(buyer, "init-order", course_id=str(STANDARD))

        assert first == second
        assert (first["user_id"], first["course_id"]) == (str(buyer.user["id"]), str(STANDARD))
        assert (first["price"], first["value_to_pay"], first["discount"]) == (
            "99.00",
            "99.00",
            "0.00",
        )
        assert first["status"] == 501
        assert told(buyer, "query-order", order_id=first["order_id"]) == first

    def test_is_the_same_order_everywhere(self, buyer: Buyer, order: dict[str, Any]) -> None:
        view = buyer.http.get(f"{ORDERS}/{order['order_id']}").json()

        assert (view["quantity"], view["totalAmount"], view["status"]) == (1, 5000, "PENDING")
        by_id = told(buyer, "query-order", order_id=view["id"])
        assert by_id == told(buyer, "query-order", order_id=str(view["id"])) == order

    def test_of_another_ticket_has_to_wait(self, buyer: Buyer, order: dict[str, Any]) -> None:
        answer = ask(buyer, "init-order", course_id=STANDARD)

        assert is_problem(answer, 409, "PENDING_ORDER_EXISTS")
        assert answer.json()["orderNo"] == order["order_id"]

    def test_of_a_free_course_is_simply_given(self, buyer: Buyer) -> None:
        given = told(buyer, "init-order", course_id=FREE)

        assert (given["order_id"], given["status"], given["value_to_pay"]) == (None, 502, "0.00")
        assert is_problem(ask(buyer, "init-order", course_id=FREE), 409, "ALREADY_REGISTERED")

    @pytest.mark.parametrize("course_id", [2**53 - 1, "9007199254740991", "0"])
    def test_of_nothing_is_not_found(self, buyer: Buyer, course_id: object) -> None:
        assert is_problem(ask(buyer, "init-order", course_id=course_id), 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        "course_id", [0, -1, 1.0, True, None, "one", "", "1\n", "\uff11", 2**53]
    )
    def test_of_nonsense_is_refused(self, buyer: Buyer, course_id: object) -> None:
        assert is_problem(ask(buyer, "init-order", course_id=course_id), 400, "INVALID_REQUEST")


class TestACharge:
    @pytest.mark.parametrize("door", [CHARGE, "require-to-pay"])
    def test_is_a_code_to_scan(
        self, buyer: Buyer, order: dict[str, Any], simulator: Simulator, door: str
    ) -> None:
        charge = told(buyer, door, order_id=order["order_id"], **QR)

        code = charge["qr_url"]
        assert charge == {
            "order_id": order["order_id"],
            "user_id": str(buyer.user["id"]),
            "price": "50.00",
            "channel": "wx_pub_qr",
            "qr_url": code,
            "payment_channel": "wechat",
            "payment_payload": {"qr_url": code, "credential": {"wx_pub_qr": code}},
        }
        assert code.startswith("weixin://")
        assert simulator.calls(f"{order['order_id']}01") == {"native": 1}
        assert status_of(buyer, order) == 504

    def test_is_the_same_again_whatever_it_is_called(
        self, buyer: Buyer, order: dict[str, Any]
    ) -> None:
        number = order["order_id"]
        first = told(buyer, CHARGE, order_id=number, **QR)

        for said in (
            QR,
            {"channel": "wechat:wx_pub_qr"},
            {"channel": "wechat"},
            {"channel": "wx_pub_qr"},
            {},
        ):
            assert told(buyer, CHARGE, order_id=number, **said) == first

    def test_in_the_wechat_browser_is_signed(
        self, buyer: Buyer, order: dict[str, Any], simulator: Simulator
    ) -> None:
        charge = told(buyer, CHARGE, order_id=order["order_id"], channel="wechat:wx_pub")

        assert (charge["channel"], charge["qr_url"]) == ("wx_pub", "")
        params = charge["payment_payload"]["credential"]["wx_pub"]
        verify_pay_sign(params, simulator.keyring.merchant.public_key())

    def test_needs_an_openid_there(self, buyer: Buyer, order: dict[str, Any]) -> None:
        lose_openid(buyer)

        answer = ask(buyer, CHARGE, order_id=order["order_id"], channel="wechat:wx_pub")

        assert is_problem(answer, 400, "WECHAT_OPENID_REQUIRED")
        assert answer.json()["orderNo"] == order["order_id"]

    async def test_of_another_channel_has_the_first_closed(
        self, buyer: Buyer, order: dict[str, Any], database: Database
    ) -> None:
        told(buyer, CHARGE, order_id=order["order_id"], **QR)
        told(buyer, CHARGE, order_id=order["order_id"], channel="wx_pub")

        found = await database.fetch(
            "SELECT channel, close_owed FROM payment_attempts WHERE attempt_no LIKE $1 ORDER BY id",
            f"{order['order_id']}%",
        )
        assert [tuple(row) for row in found] == [("WECHAT_NATIVE", True), ("WECHAT_JSAPI", False)]

    @pytest.mark.parametrize(
        "said",
        [
            {"payment_channel": "stripe"},
            {"channel": "stripe:"},
            {"channel": "stripe:card"},
            {"payment_channel": "pingxx", "channel": "wx_pub"},
            {"payment_channel": "wechat", "channel": "alipay_qr"},
            {"payment_channel": "paypal"},
            {"payment_channel": "mock"},
        ],
        ids=str,
    )
    def test_by_a_way_that_is_not_offered_is_refused_with_those_that_are(
        self, buyer: Buyer, order: dict[str, Any], said: dict[str, str]
    ) -> None:
        answer = ask(buyer, CHARGE, order_id=order["order_id"], **said)

        assert is_problem(answer, 422, "PAY_CHANNEL_NOT_SUPPORTED")
        assert "wechat:wx_pub_qr" in answer.json()["supported"]
        assert status_of(buyer, order) == 501

    @pytest.mark.parametrize(
        "said",
        [{"channel": ""}, {"payment_channel": ""}, {"channel": 1}, {"chanel": "wx_pub"}],
        ids=str,
    )
    def test_in_other_words_is_refused(
        self, buyer: Buyer, order: dict[str, Any], said: dict[str, object]
    ) -> None:
        answer = ask(buyer, CHARGE, order_id=order["order_id"], **said)

        assert is_problem(answer, 400, "INVALID_REQUEST")

    def test_that_is_paid_shows_nothing_more(
        self, buyer: Buyer, order: dict[str, Any], simulator: Simulator
    ) -> None:
        told(buyer, CHARGE, order_id=order["order_id"], **QR)
        simulator.act(f"{order['order_id']}01", "pay")
        wait_until(lambda: status_of(buyer, order) == 502)

        charge = told(buyer, CHARGE, order_id=order["order_id"], channel="stripe")

        assert (charge["channel"], charge["payment_channel"]) == ("wx_pub_qr", "wechat")
        assert charge["qr_url"] == ""
        assert charge["payment_payload"] == {"qr_url": "", "credential": None}

    def test_of_an_order_that_is_over_is_refused(self, buyer: Buyer, order: dict[str, Any]) -> None:
        buyer.http.post(f"{ORDERS}/{order['order_id']}/cancel")

        answer = ask(buyer, CHARGE, order_id=order["order_id"], **QR)

        assert is_problem(answer, 409, "ORDER_CANCELLED")
        assert status_of(buyer, order) == 505

    def test_and_the_wechat_door_show_the_same_code(
        self, buyer: Buyer, order: dict[str, Any]
    ) -> None:
        code = told(buyer, CHARGE, order_id=order["order_id"], **QR)["qr_url"]

        prepared = prepare(buyer, {"orderId": order["order_id"]})

        assert prepared.json()["payPayload"] == {"codeUrl": code}


class TestTheDoorsOfWechat:
    async def test_go_on_when_the_last_charge_went_elsewhere(
        self, buyer: Buyer, order: dict[str, Any], database: Database
    ) -> None:
        await database.execute(
            "UPDATE orders SET payment_channel = 'stripe' WHERE order_no = $1", order["order_id"]
        )

        prepared = prepare(buyer, {"orderId": order["order_id"]}).json()
        pending = buyer.http.get(f"{ORDERS}/pending").json()
        resumed = buyer.order(HOT, prepare=True).json()

        assert prepared["channel"] == "WECHAT_NATIVE"
        assert prepared["payPayload"]["codeUrl"].startswith("weixin://")
        assert pending["payPayload"] == resumed["payPayload"] == prepared["payPayload"]


class TestADiscount:
    def test_lowers_the_price_and_closes_what_is_open(
        self,
        buyer: Buyer,
        order: dict[str, Any],
        organizer: Organizer,
        simulator: Simulator,
    ) -> None:
        number = order["order_id"]
        told(buyer, CHARGE, order_id=number, **QR)
        code = made(organizer.http)["code"]

        lowered = told(buyer, "apply-discount", order_id=number, discount_code=code)
        charge = told(buyer, CHARGE, order_id=number, **QR)

        assert (lowered["price"], lowered["discount"], lowered["value_to_pay"]) == (
            "50.00",
            "25.00",
            "25.00",
        )
        assert [item["is_discount"] for item in lowered["price_item"]] == [False, True]
        assert charge["price"] == "25.00"
        assert simulator.status(f"{number}01") == "CLOSED"
        assert simulator.status(f"{number}02") == "NOTPAY"

    def test_that_leaves_nothing_settles_at_once(
        self, buyer: Buyer, order: dict[str, Any], organizer: Organizer
    ) -> None:
        code = made(organizer.http, value=100)["code"]

        free = told(buyer, "apply-discount", order_id=order["order_id"], discount_code=code)
        charge = told(buyer, CHARGE, order_id=order["order_id"], **QR)

        assert (free["status"], free["value_to_pay"]) == (502, "0.00")
        assert (charge["price"], charge["qr_url"]) == ("0.00", "")

    def test_of_nobodys_code_is_refused(self, buyer: Buyer, order: dict[str, Any]) -> None:
        answer = ask(buyer, "apply-discount", order_id=order["order_id"], discount_code="NOBODYS")

        assert is_problem(answer, 422, "COUPON_INVALID")


class TestADetail:
    def test_follows_the_money(
        self, buyer: Buyer, order: dict[str, Any], simulator: Simulator
    ) -> None:
        number = order["order_id"]
        untried = told(buyer, "payment-detail", order_id=number)
        told(buyer, CHARGE, order_id=number, **QR)
        opened = told(buyer, "payment-detail", order_id=number)
        simulator.act(f"{number}01", "pay")
        wait_until(lambda: status_of(buyer, order) == 502)
        paid = told(buyer, "payment-detail", order_id=number)

        assert [one["status"] for one in (untried, opened, paid)] == [0, 0, 1]
        assert (opened["payment_channel"], opened["channel"]) == ("wechat", "wx_pub_qr")
        assert (opened["order_bid"], opened["amount"], opened["currency"]) == (number, 5000, "CNY")
        assert (opened["charge_id"], opened["transaction_no"]) == (f"{number}01", None)
        assert paid["transaction_no"]


class TestASync:
    def test_of_an_order_without_stripe_moves_nothing(
        self, buyer: Buyer, order: dict[str, Any], simulator: Simulator
    ) -> None:
        told(buyer, CHARGE, order_id=order["order_id"], **QR)

        synced = told(buyer, "stripe/sync", order_id=order["order_id"])

        assert synced == told(buyer, "payment-detail", order_id=order["order_id"])
        assert simulator.calls(f"{order['order_id']}01") == {"native": 1}

    def test_by_a_session_of_nobodys_is_not_found(
        self, buyer: Buyer, order: dict[str, Any]
    ) -> None:
        answer = ask(buyer, "stripe/sync", order_id=order["order_id"], session_id="cs_test_1")

        assert is_problem(answer, 404, "NOT_FOUND")


class TestSomeoneElses:
    @pytest.mark.parametrize("door", OF_AN_ORDER)
    def test_order_is_not_there(
        self, buyer: Buyer, stranger: Buyer, order: dict[str, Any], door: str
    ) -> None:
        view = buyer.http.get(f"{ORDERS}/{order['order_id']}").json()

        for reference in (order["order_id"], view["id"], str(view["id"]), "GAAAAAAAAAAAAAAA"):
            answer = ask(stranger, door, order_id=reference)
            assert is_problem(answer, 404, "NOT_FOUND")
        assert status_of(buyer, order) == 501

    def test_order_takes_no_discount(
        self, buyer: Buyer, stranger: Buyer, order: dict[str, Any], organizer: Organizer
    ) -> None:
        code = made(organizer.http)["code"]

        answer = ask(stranger, "apply-discount", order_id=order["order_id"], discount_code=code)

        assert is_problem(answer, 404, "NOT_FOUND")
        assert told(buyer, "query-order", order_id=order["order_id"])["discount"] == "0.00"
