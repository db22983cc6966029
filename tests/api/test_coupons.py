"""Coupons at the doors: made by who manages, used by buyers, and what is refused."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.api.service import EVENT, FREE, HOT, ORDERS, Buyer, Service
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import Simulator

EVENTS_OWN, FOR_ALL = f"{EVENT}/coupons", "/api/coupons"


@pytest.fixture
def organizer(service: Service) -> Iterator[httpx.Client]:
    """Sign in as who owns the demo events."""
    yield from _signed_in(service, "organizer", "organizer")


@pytest.fixture
def stranger(service: Service) -> Iterator[httpx.Client]:
    """Sign in as an organizer of nothing."""
    yield from _signed_in(service, f"organizer {secrets.token_hex(4)}", "organizer")


@pytest.fixture
def admin(service: Service) -> Iterator[httpx.Client]:
    """Sign in as an admin."""
    yield from _signed_in(service, f"admin {secrets.token_hex(4)}", "admin")


def _signed_in(service: Service, name: str, role: str) -> Iterator[httpx.Client]:
    with service.client() as http:
        answer = http.post("/api/auth/sandbox-login", json={"name": name, "role": role})
        http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield http


def a_code() -> str:
    """Think of a code nobody has."""
    return f"C-{secrets.token_hex(6)}".upper()


def a_coupon(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any word may be the one
    """Describe a coupon that halves every price."""
    return {"code": a_code(), "kind": "percent", "value": 50} | fields


def made(http: httpx.Client, path: str = EVENTS_OWN, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a coupon."""
    answer = http.post(path, json=a_coupon(**fields))
    assert answer.status_code == 201, answer.text
    coupon: dict[str, Any] = answer.json()
    return coupon


def listed(http: httpx.Client, coupon: dict[str, Any]) -> dict[str, Any]:
    """Read a coupon as the list of its event shows it."""
    items = http.get(EVENTS_OWN, params={"limit": 100}).json()["items"]
    (found,) = (item for item in items if item["id"] == coupon["id"])
    return dict(found)


class TestACoupon:
    def test_is_made_for_an_event_of_ones_own(self, organizer: httpx.Client) -> None:
        code = a_code()

        coupon = made(
            organizer,
            code=code.lower(),
            kind="fixed",
            value=1000,
            startsAt="2026-01-01T00:00:00Z",
            endsAt="2126-01-01T08:00:00+08:00",
            maxUses=3,
        )

        assert coupon == {
            "id": coupon["id"],
            "code": code,
            "kind": "fixed",
            "value": 1000,
            "eventId": 1,
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "2126-01-01T00:00:00Z",
            "maxUses": 3,
            "usedCount": 0,
            "isActive": True,
        }
        assert listed(organizer, coupon) == coupon

    def test_is_made_for_every_event_by_an_admin(self, admin: httpx.Client) -> None:
        coupon = made(admin, FOR_ALL)

        assert coupon["eventId"] is None
        assert admin.get(FOR_ALL).json()["items"][0] == coupon
        changed = admin.put(f"{FOR_ALL}/{coupon['id']}", json={"isActive": False})
        assert changed.json() == coupon | {"isActive": False}

    def test_has_a_code_of_its_own(self, organizer: httpx.Client, admin: httpx.Client) -> None:
        taken = made(organizer)["code"]

        for http, path in ((organizer, EVENTS_OWN), (admin, FOR_ALL)):
            answer = http.post(path, json=a_coupon(code=taken.lower()))
            assert is_problem(answer, 409, "COUPON_EXISTS")

    def test_is_listed_page_by_page(self, organizer: httpx.Client) -> None:
        newest, *_ = reversed([made(organizer) for _ in range(3)])

        first = organizer.get(EVENTS_OWN, params={"limit": 2}).json()
        cursor = first["nextCursor"]
        second = organizer.get(EVENTS_OWN, params={"limit": 2, "cursor": cursor}).json()

        assert first["items"][0] == newest
        assert max(item["id"] for item in second["items"]) < first["items"][-1]["id"]

    def test_keeps_what_a_change_does_not_mention(self, organizer: httpx.Client) -> None:
        coupon = made(organizer, maxUses=5, endsAt="2100-01-01T00:00:00Z")
        path = f"{EVENTS_OWN}/{coupon['id']}"

        off = organizer.put(path, json={"isActive": False}).json()
        without = organizer.put(path, json={"isActive": True, "maxUses": None, "endsAt": None})

        assert off == coupon | {"isActive": False}
        assert without.json() == coupon | {"maxUses": None, "endsAt": None}

    def test_cannot_have_fewer_uses_than_it_had(
        self, organizer: httpx.Client, buyer: Buyer, service: Service
    ) -> None:
        coupon = made(organizer, maxUses=5)
        path = f"{EVENTS_OWN}/{coupon['id']}"
        assert buyer.order(HOT, couponCode=coupon["code"]).status_code == 201
        second = Buyer(service)
        assert second.order(HOT, couponCode=coupon["code"]).status_code == 201
        second.http.close()

        answer = organizer.put(path, json={"isActive": True, "maxUses": 1})

        assert is_problem(answer, 409, "INVALID_STATE")
        assert organizer.put(path, json={"isActive": True, "maxUses": 2}).status_code == 200

    @pytest.mark.parametrize(
        "fields",
        [
            *({"code": ""}, {"code": "a b"}, {"code": "x" * 65}, {"code": "é"}, {"code": 1}),
            *({"code": None}, {"code": "%"}, {"code": "a\nb"}, {"code": "a\n"}),
            *({"kind": "FIXED"}, {"kind": "free"}, {"kind": None}, {"kind": 701}),
            *({"value": 0}, {"value": -1}, {"value": 101}, {"value": 1.5}, {"value": "50"}),
            *({"value": None}, {"value": True}, {"kind": "fixed", "value": 2**53}),
            *({"maxUses": 0}, {"maxUses": -1}, {"maxUses": 2**31}, {"maxUses": "3"}),
            *({"startsAt": "2026-01-01"}, {"startsAt": "2026-01-01T00:00:00"}, {"startsAt": 1}),
            *({"startsAt": "0001-01-01T00:00:00+14:00"}, {"endsAt": "9999-12-31T23:59:59-12:00"}),
            {"startsAt": "2026-02-01T00:00:00Z", "endsAt": "2026-02-01T00:00:00Z"},
            *({"usedCount": 1}, {"eventId": 2}, {"isActive": True}, {"id": 1}),
        ],
        ids=str,
    )
    def test_makes_sense_or_is_refused(
        self, organizer: httpx.Client, admin: httpx.Client, fields: dict[str, Any]
    ) -> None:
        before = organizer.get(EVENTS_OWN).json()

        for http, path in ((organizer, EVENTS_OWN), (admin, FOR_ALL)):
            answer = http.post(path, json=a_coupon(**fields))
            assert is_problem(answer, 400, "INVALID_REQUEST"), answer.text
            assert answer.json()["errors"][0]["field"] in fields

        assert organizer.get(EVENTS_OWN).json() == before

    @pytest.mark.parametrize(
        "body",
        [
            *({}, {"isActive": None}, {"isActive": 1}, {"isActive": "true"}, {"maxUses": 3}),
            *({"isActive": True, "value": 60}, {"isActive": True, "kind": "fixed"}),
            *({"isActive": True, "code": "A"}, {"isActive": True, "startsAt": None}),
            *({"isActive": True, "maxUses": 1.0}, {"isActive": True, "endsAt": "soon"}),
            {"isActive": True, "endsAt": "2025-01-01T00:00:00Z"},
        ],
        ids=str,
    )
    def test_changes_into_nothing_odd(self, organizer: httpx.Client, body: dict[str, Any]) -> None:
        coupon = made(organizer, startsAt="2026-01-01T00:00:00Z")

        answer = organizer.put(f"{EVENTS_OWN}/{coupon['id']}", json=body)

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert listed(organizer, coupon) == coupon


class TestWhoManagesCoupons:
    def test_is_no_buyer(self, buyer: Buyer) -> None:
        for method, path in _MANAGED:
            answer = buyer.http.request(method, path, json=_words(method))
            assert is_problem(answer, 403, "FORBIDDEN"), path

    def test_is_no_organizer_of_another_event(self, stranger: httpx.Client) -> None:
        for method, path in _MANAGED:
            answer = stranger.request(method, path, json=_words(method))
            expected = (403, "FORBIDDEN") if path.startswith(FOR_ALL) else (404, "NOT_FOUND")
            assert is_problem(answer, *expected), path

    def test_knows_which_coupon_is_meant(
        self, organizer: httpx.Client, admin: httpx.Client
    ) -> None:
        own, for_all = made(organizer), made(admin, FOR_ALL)
        theirs = made(admin, "/api/events/2/coupons")
        body = {"isActive": False}
        for reference in (for_all["id"], theirs["id"], 2**53 - 1, 0, -1, "x", 2**64):
            answer = organizer.put(f"{EVENTS_OWN}/{reference}", json=body)
            assert is_problem(answer, 404, "NOT_FOUND"), reference

        assert is_problem(admin.put(f"{FOR_ALL}/{own['id']}", json=body), 404, "NOT_FOUND")
        assert is_problem(
            admin.post("/api/events/9007199254740991/coupons", json=a_coupon()), 404, "NOT_FOUND"
        )


_MANAGED = (
    ("POST", EVENTS_OWN),
    ("GET", EVENTS_OWN),
    ("PUT", f"{EVENTS_OWN}/1"),
    ("POST", FOR_ALL),
    ("GET", FOR_ALL),
    ("PUT", f"{FOR_ALL}/1"),
)


def _words(method: str) -> dict[str, Any] | None:
    return {"POST": a_coupon(), "PUT": {"isActive": True}}.get(method)


class TestAnOrderWithACoupon:
    def test_costs_less(self, organizer: httpx.Client, buyer: Buyer) -> None:
        coupon = made(organizer)

        order = buyer.order(HOT, prepare=True, couponCode=f" {coupon['code'].lower()} ")

        assert order.status_code == 201
        assert order.json()["totalAmount"] == 2500
        assert order.json()["payPayload"]["codeUrl"]
        assert listed(organizer, coupon)["usedCount"] == 1

    def test_that_costs_nothing_is_paid_at_once(
        self, organizer: httpx.Client, buyer: Buyer
    ) -> None:
        coupon = made(organizer, value=100)

        answer = buyer.order(quantity=2, prepare=True, couponCode=coupon["code"])

        order = answer.json()
        assert answer.status_code == 201
        assert (order["status"], order["totalAmount"], order["payPayload"]) == ("PAID", 0, None)
        assert "prepareError" not in order
        seen = buyer.http.get(f"{ORDERS}/{order['orderNo']}").json()
        assert (seen["paymentStatus"], seen["refundStatus"]) == ("PAID", None)
        assert seen["registration"]["status"] == "APPROVED"

    def test_is_found_again_by_its_key_when_it_cost_nothing(
        self, organizer: httpx.Client, buyer: Buyer
    ) -> None:
        code = made(organizer, value=100)["code"]

        first, second = (buyer.order(HOT, key="free", couponCode=code) for _ in range(2))

        assert (second.status_code, second.json()) == (201, first.json())

    def test_gives_the_use_back_when_it_is_left(
        self, organizer: httpx.Client, buyer: Buyer
    ) -> None:
        coupon = made(organizer, maxUses=1)
        order = buyer.order(HOT, couponCode=coupon["code"]).json()

        assert buyer.http.post(f"{ORDERS}/{order['orderNo']}/cancel").status_code == 200

        assert listed(organizer, coupon)["usedCount"] == 0
        assert buyer.order(HOT, couponCode=coupon["code"]).status_code == 201

    @pytest.mark.parametrize(
        "fields",
        [
            {"startsAt": (datetime.now(UTC) + timedelta(days=1)).isoformat()},
            {"endsAt": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()},
        ],
        ids=["too early", "expired"],
    )
    def test_is_not_made_outside_the_window(
        self, organizer: httpx.Client, buyer: Buyer, fields: dict[str, Any]
    ) -> None:
        code = made(organizer, **fields)["code"]

        assert is_problem(buyer.order(HOT, couponCode=code), 422, "COUPON_INVALID")
        assert buyer.http.get(f"{ORDERS}/pending").status_code == 204

    def test_is_refused_alike_whatever_is_wrong(
        self, organizer: httpx.Client, admin: httpx.Client, buyer: Buyer
    ) -> None:
        off = made(organizer)
        organizer.put(f"{EVENTS_OWN}/{off['id']}", json={"isActive": False})
        elsewhere = made(admin, "/api/events/2/coupons")
        codes = [off["code"], elsewhere["code"], "NONE SUCH", "", " ", "%", "🎟"]

        told = [buyer.order(HOT, couponCode=code) for code in codes]
        told.append(buyer.order(FREE, couponCode=made(organizer)["code"]))

        assert all(is_problem(answer, 422, "COUPON_INVALID") for answer in told)
        assert len({answer.text for answer in told}) == 1

    def test_of_before_gets_the_coupon_that_is_named_now(
        self, organizer: httpx.Client, buyer: Buyer
    ) -> None:
        code = made(organizer)["code"]
        first = buyer.order(HOT, prepare=True).json()

        again = buyer.order(HOT, prepare=True, couponCode=code)

        assert again.status_code == 200
        assert (again.json()["orderNo"], again.json()["totalAmount"]) == (first["orderNo"], 2500)
        assert again.json()["isExisting"] is True
        assert again.json()["payPayload"] != first["payPayload"]

    async def test_keeps_the_answers_to_the_organizers_questions(
        self, buyer: Buyer, database: Database
    ) -> None:
        order = buyer.order(HOT, answers={"diet": "none"}).json()

        kept = await database.fetchval(
            "SELECT answers ->> 'diet' FROM registrations WHERE order_id = $1", order["orderId"]
        )
        assert kept == "none"


class TestTheDoorOfACoupon:
    def test_lowers_what_is_still_to_pay(
        self, organizer: httpx.Client, buyer: Buyer, simulator: Simulator
    ) -> None:
        code = made(organizer)["code"]
        order = buyer.order(HOT, prepare=True).json()
        path = f"{ORDERS}/{order['orderNo']}/coupon"

        first, second = (buyer.http.post(path, json={"couponCode": code}) for _ in range(2))

        assert (first.status_code, second.json()) == (200, first.json())
        seen = buyer.http.get(f"{ORDERS}/{order['orderNo']}").json()
        assert first.json() == seen | {"discountAmount": 2500}
        assert seen["totalAmount"] == 2500
        assert simulator.status(f"{order['orderNo']}01") == "CLOSED"
        again = buyer.order(HOT, prepare=True, couponCode=code).json()
        assert again["payPayload"]["codeUrl"] != order["payPayload"]["codeUrl"]

    def test_settles_what_costs_nothing(self, organizer: httpx.Client, buyer: Buyer) -> None:
        code = made(organizer, kind="fixed", value=1_000_000)["code"]
        order = buyer.order(HOT).json()

        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/coupon", json={"couponCode": code})

        assert (answer.json()["status"], answer.json()["totalAmount"]) == ("PAID", 0)
        assert answer.json()["discountAmount"] == 5000

    def test_takes_one_coupon_for_an_order(self, organizer: httpx.Client, buyer: Buyer) -> None:
        order = buyer.order(HOT, couponCode=made(organizer)["code"]).json()
        path = f"{ORDERS}/{order['orderNo']}/coupon"

        for code in (made(organizer)["code"], "NONE SUCH"):
            answer = buyer.http.post(path, json={"couponCode": code})
            assert is_problem(answer, 409, "INVALID_STATE")

    def test_is_closed_for_an_order_that_ended(self, organizer: httpx.Client, buyer: Buyer) -> None:
        code = made(organizer)["code"]
        order = buyer.order(HOT).json()
        buyer.http.post(f"{ORDERS}/{order['orderNo']}/cancel")

        answer = buyer.http.post(f"{ORDERS}/{order['orderNo']}/coupon", json={"couponCode": code})

        assert is_problem(answer, 409, "ORDER_CANCELLED")
        assert "discountAmount" not in answer.text

    @pytest.mark.parametrize(
        "body",
        [
            *({}, {"couponCode": None}, {"couponCode": 1}, {"couponCode": "x" * 65}),
            *({"couponCode": ["A"]}, {"couponCode": "A", "discountAmount": 1}, {"code": "A"}),
        ],
        ids=str,
    )
    def test_is_told_a_code_and_no_more(self, buyer: Buyer, body: dict[str, Any]) -> None:
        order = buyer.order(HOT).json()
        path = f"{ORDERS}/{order['orderNo']}"

        assert is_problem(buyer.http.post(f"{path}/coupon", json=body), 400, "INVALID_REQUEST")
        assert buyer.http.get(path).json()["totalAmount"] == 5000

    def test_is_of_ones_own_order(
        self, organizer: httpx.Client, buyer: Buyer, service: Service
    ) -> None:
        code = made(organizer)["code"]
        order = buyer.order(HOT).json()
        other = Buyer(service)
        body = {"couponCode": code}

        for http in (other.http, organizer):
            answer = http.post(f"{ORDERS}/{order['orderNo']}/coupon", json=body)
            assert is_problem(answer, 404, "NOT_FOUND")
        other.http.close()
        for path in ("/api/events/2/orders", "/api/events/x/orders"):
            answer = buyer.http.post(f"{path}/{order['orderNo']}/coupon", json=body)
            assert is_problem(answer, 404, "NOT_FOUND")
        assert is_problem(buyer.http.post(f"{ORDERS}/999999/coupon", json=body), 404, "NOT_FOUND")
