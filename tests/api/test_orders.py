"""Buying at the door, over real HTTP, with the simulator behind it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.engine import Database
from tests.api.service import FREE, HOT, LAST_SEATS, ORDERS, STANDARD, Buyer, Service
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import Simulator


@pytest.fixture
def other(service: Service) -> Iterator[Buyer]:
    buyer = Buyer(service)
    yield buyer
    buyer.http.close()


class TestAnOrder:
    def test_is_made_with_all_that_a_payer_needs(self, buyer: Buyer) -> None:
        answer = buyer.order(quantity=2, prepare=True)
        order = answer.json()

        assert answer.status_code == 201
        code_url = order["payPayload"]["codeUrl"]
        assert code_url.startswith("weixin://")
        assert {name: order[name] for name in order if name not in _VARYING} == {
            "status": "PENDING",
            "paymentMethod": "WECHAT_NATIVE",
            "quantity": 2,
            "totalAmount": 16900,
            "currency": "CNY",
            "channel": "WECHAT_NATIVE",
            "isExisting": False,
            "codeUrl": code_url,
        }

    def test_waits_for_a_later_prepare_when_told_to(self, buyer: Buyer) -> None:
        order = buyer.order().json()

        assert order["payPayload"] is None
        assert "codeUrl" not in order

    def test_is_kept_when_the_provider_is_down(self, buyer: Buyer, simulator: Simulator) -> None:
        simulator.fault("native", "error_500")
        answer = buyer.order(HOT, prepare=True)

        assert answer.status_code == 201
        assert answer.json()["payPayload"] is None
        assert answer.json()["prepareError"] == {"code": "PROVIDER_UNAVAILABLE"}

        again = buyer.order(HOT, prepare=True)
        assert again.status_code == 200
        assert again.json()["payPayload"]["codeUrl"]

    def test_is_found_again_by_the_same_wish(self, buyer: Buyer) -> None:
        first = buyer.order(prepare=True)
        second = buyer.order(prepare=True)

        assert second.status_code == 200
        assert second.json() == first.json() | {"isExisting": True}

    def test_stands_in_the_way_of_another(self, buyer: Buyer) -> None:
        first = buyer.order().json()
        answer = buyer.order(HOT)

        assert is_problem(answer, 409, "PENDING_ORDER_EXISTS")
        assert answer.json()["orderId"] == first["orderId"]
        assert answer.json()["orderNo"] == first["orderNo"]

    def test_has_a_price_for_the_quantity_or_is_not_offered(self, buyer: Buyer) -> None:
        answer = buyer.order(quantity=3)

        assert is_problem(answer, 422, "QUANTITY_NOT_OFFERED")
        assert answer.json()["offered"] == [1, 2, 4]

    @pytest.mark.parametrize("ticket_type_id", [99, 5])
    def test_needs_a_ticket_type_of_the_event(self, buyer: Buyer, ticket_type_id: int) -> None:
        assert is_problem(buyer.order(ticket_type_id), 404, "NOT_FOUND")

    def test_needs_an_event(self, buyer: Buyer) -> None:
        answer = buyer.http.post(
            "/api/events/9007199254740991/orders", json={"ticketTypeId": STANDARD}
        )

        assert is_problem(answer, 404, "NOT_FOUND")

    def test_takes_no_coupon_that_does_not_exist(self, buyer: Buyer) -> None:
        assert is_problem(buyer.order(couponCode="HALF"), 422, "COUPON_INVALID")
        assert buyer.http.get(f"{ORDERS}/pending").status_code == 204

    def test_says_where_the_payer_is(self, buyer: Buyer) -> None:
        context = {"environmentType": "none", "shellVersion": "1.0.0"}

        assert buyer.order(clientContext=context).status_code == 201

    def test_for_a_free_ticket_is_a_place_at_once(self, buyer: Buyer) -> None:
        answer = buyer.order(FREE)
        body = answer.json()

        assert answer.status_code == 201
        assert body["orderId"] is None
        assert body["registration"]["status"] == "APPROVED"
        assert is_problem(buyer.order(FREE), 409, "ALREADY_REGISTERED")

    async def test_keeps_the_trace_of_its_making(self, buyer: Buyer, database: Database) -> None:
        order = buyer.order().json()
        trace_ctx = await database.fetchval(
            "SELECT trace_ctx FROM orders WHERE id = $1", order["orderId"]
        )

        assert trace_ctx.startswith("00-")

    def test_is_sold_out_for_those_who_come_too_late(self, service: Service) -> None:
        with ThreadPoolExecutor(8) as crowd:
            buyers = list(crowd.map(lambda _: Buyer(service), range(60)))
            answers = list(crowd.map(lambda one: one.order(LAST_SEATS), buyers))
        for one in buyers:
            one.http.close()

        refused = [answer for answer in answers if answer.status_code != 201]
        assert len(refused) == 10
        assert all(is_problem(answer, 409, "SOLD_OUT") for answer in refused)


class TestAnIdempotencyKey:
    def test_gives_the_same_answer_to_the_same_request(self, buyer: Buyer) -> None:
        first = buyer.order(key="a", prepare=True)
        second = buyer.order(key="a", prepare=True)

        assert (second.status_code, second.json()) == (201, first.json())

    def test_gives_one_answer_to_all_who_come_at_once(self, buyer: Buyer) -> None:
        with ThreadPoolExecutor(8) as crowd:
            answers = list(crowd.map(lambda _: buyer.order(key="b", prepare=True), range(8)))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1

    def test_gives_the_same_place_for_a_free_ticket(self, buyer: Buyer) -> None:
        first, second = (buyer.order(FREE, key="c") for _ in range(2))

        assert (second.status_code, second.json()) == (201, first.json())

    def test_ignores_how_a_body_is_written(self, buyer: Buyer) -> None:
        headers = {"Idempotency-Key": "d"}
        first = buyer.http.post(
            ORDERS, content=b'{"ticketTypeId":1,"prepare":false}', headers=headers
        )
        second = buyer.http.post(
            ORDERS, content=b'{ "prepare":false, "quantity":1, "ticketTypeId":1 }', headers=headers
        )

        assert second.json() == first.json()

    def test_belongs_to_one_request(self, buyer: Buyer) -> None:
        assert buyer.order(key="e").status_code == 201
        assert is_problem(buyer.order(key="e", quantity=2), 422, "IDEMPOTENCY_MISMATCH")

    def test_belongs_to_one_person(self, buyer: Buyer, other: Buyer) -> None:
        mine, theirs = buyer.order(key="f").json(), other.order(key="f").json()

        assert mine["orderId"] != theirs["orderId"]

    def test_is_forgotten_after_a_refusal(self, buyer: Buyer) -> None:
        assert buyer.order(key="g", quantity=3).status_code == 422
        assert buyer.order(key="g").status_code == 201

    @pytest.mark.parametrize("key", ["", "x" * 256, "é"])
    def test_is_a_short_printable_word(self, buyer: Buyer, key: str) -> None:
        answer = buyer.http.post(
            ORDERS,
            json={"ticketTypeId": STANDARD},
            headers={b"Idempotency-Key": key.encode()},
        )

        assert is_problem(answer, 400, "INVALID_REQUEST")


class TestOnesOrders:
    def test_are_found_by_id_and_by_number(self, buyer: Buyer) -> None:
        order = buyer.order(quantity=2).json()
        by_id, by_number = (
            buyer.http.get(f"{ORDERS}/{order[name]}").json() for name in ("orderId", "orderNo")
        )

        assert by_id == by_number
        assert {name: by_id[name] for name in by_id if name != "registration"} == {
            "id": order["orderId"],
            "orderNo": order["orderNo"],
            "status": "PENDING",
            "paymentStatus": "UNPAID",
            "lastPaymentAttemptStatus": None,
            "refundStatus": None,
            "channel": None,
            "quantity": 2,
            "totalAmount": 16900,
            "currency": "CNY",
            "paidAt": None,
            "expiredAt": order["expiredAt"],
        }
        assert by_id["registration"]["status"] == "PENDING_PAYMENT"

    @pytest.mark.parametrize("path", ["", "/cancel", "/query"])
    def test_do_not_exist_for_others(self, buyer: Buyer, other: Buyer, path: str) -> None:
        order = buyer.order().json()
        method = "POST" if path else "GET"
        for reference in (order["orderId"], order["orderNo"]):
            foreign = other.http.request(method, f"{ORDERS}/{reference}{path}")
            absent = other.http.request(method, f"{ORDERS}/999999{path}")

            assert is_problem(foreign, 404, "NOT_FOUND")
            assert foreign.content == absent.content

    def test_belong_to_their_event(self, buyer: Buyer) -> None:
        order = buyer.order().json()

        answer = buyer.http.get(f"/api/events/2/orders/{order['orderId']}")
        assert is_problem(answer, 404, "NOT_FOUND")

    @pytest.mark.parametrize("reference", ["0", "x", "\uff11", "1e3", "9" * 17, "g" * 16, "%00"])
    def test_are_not_found_by_nonsense(self, buyer: Buyer, reference: str) -> None:
        assert is_problem(buyer.http.get(f"{ORDERS}/{reference}"), 404, "NOT_FOUND")

    def test_are_listed_newest_first_in_pages(self, buyer: Buyer, other: Buyer) -> None:
        assert other.order().status_code == 201
        made: list[int] = []
        for _ in range(3):
            order = buyer.order().json()
            buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")
            made.insert(0, order["orderId"])
        first = buyer.http.get(f"{ORDERS}?limit=2").json()
        second = buyer.http.get(f"{ORDERS}?limit=2&cursor={first['nextCursor']}").json()

        assert [order["id"] for order in first["items"] + second["items"]] == made
        assert second["nextCursor"] is None

    def test_that_wait_can_be_picked_up_again(self, buyer: Buyer) -> None:
        assert buyer.http.get(f"{ORDERS}/pending").status_code == 204
        order = buyer.order(prepare=True).json()

        pending = buyer.http.get(f"{ORDERS}/pending")
        assert pending.status_code == 200
        assert pending.json() == order | {"isExisting": True}

    async def test_wait_no_longer_once_their_time_is_up(
        self, buyer: Buyer, database: Database
    ) -> None:
        order = buyer.order().json()
        await database.execute(
            "UPDATE orders SET expired_at = now() WHERE id = $1", order["orderId"]
        )

        assert buyer.http.get(f"{ORDERS}/pending").status_code == 204


class TestLeaving:
    @pytest.mark.parametrize("path", ["cancel", "query"])
    def test_and_asking_take_no_words(self, buyer: Buyer, path: str) -> None:
        order = buyer.order().json()
        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/{path}", json={"x": 1})

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert buyer.http.get(f"{ORDERS}/{order['orderId']}").json()["status"] == "PENDING"

    def test_ends_an_order_nobody_could_pay(self, buyer: Buyer) -> None:
        order = buyer.order().json()
        first, second = (buyer.http.post(f"{ORDERS}/{order['orderNo']}/cancel") for _ in range(2))

        assert (first.status_code, first.json()) == (200, {"status": "CANCELLED"})
        assert (second.status_code, second.json()) == (200, {"status": "CANCELLED"})
        assert buyer.order(HOT).status_code == 201

    def test_has_the_provider_close_what_is_open(self, buyer: Buyer, simulator: Simulator) -> None:
        order = buyer.order(prepare=True).json()
        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")

        assert (answer.status_code, answer.json()) == (200, {"status": "CANCELLED"})
        assert simulator.status(f"{order['orderNo']}01") == "CLOSED"

    def test_takes_longer_when_the_provider_does(self, buyer: Buyer, simulator: Simulator) -> None:
        order = buyer.order(prepare=True).json()
        simulator.fault("close", "error_500", out_trade_no=f"{order['orderNo']}01")
        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")

        assert (answer.status_code, answer.json()) == (202, {"status": "CLOSING"})

    def test_is_refused_when_the_close_finds_the_money(
        self, buyer: Buyer, simulator: Simulator
    ) -> None:
        order = buyer.order(prepare=True).json()
        simulator.act(f"{order['orderNo']}01", "pay", drop=True)
        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")

        assert is_problem(answer, 409, "INVALID_STATE")
        assert answer.json()["orderStatus"] == "PAID"


class TestAskingTheProvider:
    def test_tells_both_sides_of_it(self, buyer: Buyer) -> None:
        order = buyer.order(prepare=True).json()
        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/query")

        assert answer.json() == {"status": "PENDING", "providerStatus": "NOTPAY"}

    def test_bothers_it_seldom(self, buyer: Buyer, simulator: Simulator) -> None:
        order = buyer.order(prepare=True).json()
        for _ in range(3):
            buyer.http.post(f"{ORDERS}/{order['orderId']}/query")

        assert simulator.calls(f"{order['orderNo']}01")["query"] == 1

    def test_settles_what_was_paid(self, buyer: Buyer, simulator: Simulator) -> None:
        order = buyer.order(prepare=True).json()
        simulator.act(f"{order['orderNo']}01", "pay", drop=True)
        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/query")

        assert answer.json() == {"status": "PAID", "providerStatus": "SUCCESS"}
        cancel = buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")
        assert is_problem(cancel, 409, "INVALID_STATE")

    def test_has_nothing_to_say_before_a_payment_is_open(self, buyer: Buyer) -> None:
        order = buyer.order().json()
        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/query")

        assert answer.json() == {"status": "PENDING", "providerStatus": None}


_VARYING = {"orderId", "orderNo", "expiredAt", "payPayload"}
