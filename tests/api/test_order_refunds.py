"""Refunds and money by hand, at the doors of who manages the event."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.api.service import ORDERS, Buyer, Service
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import Simulator, wait_until

_NO_AMOUNTS: tuple[object, ...] = (0, -1, 1.0, 1.5, "1", True, [], 2**53, 10**30)


class Organizer(Buyer):
    """Who owns the demo events."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        login = {"name": "organizer", "role": "organizer"}
        token = self.http.post("/api/auth/sandbox-login", json=login).json()["token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def refund(self, order: object, **said: Any) -> httpx.Response:  # noqa: ANN401
        """Ask for money back, for a reason."""
        return self.http.post(f"{ORDERS}/{order}/refund", json={"reason": "sick"} | said)

    def mark_paid(self, order: object, **said: Any) -> httpx.Response:  # noqa: ANN401
        """Say that the money is here."""
        return self.http.post(f"{ORDERS}/{order}/mark-paid", json={"reason": "cash"} | said)


@pytest.fixture
def organizer(service: Service) -> Iterator[Organizer]:
    organizer = Organizer(service)
    yield organizer
    organizer.http.close()


@pytest.fixture
def paid(buyer: Buyer, organizer: Organizer) -> dict[str, Any]:
    """Make an order of two and have it paid by hand."""
    order: dict[str, Any] = buyer.order(quantity=2).json()
    assert organizer.mark_paid(order["orderId"]).status_code == 200
    return order


@pytest.fixture
def paid_online(buyer: Buyer, simulator: Simulator) -> dict[str, Any]:
    """Make an order of two and have it paid at the provider."""
    order: dict[str, Any] = buyer.order(quantity=2, prepare=True).json()
    simulator.act(f"{order['orderNo']}01", "pay")
    wait_until(lambda: status_of(buyer, order) == "PAID")
    return order


def status_of(buyer: Buyer, order: dict[str, Any]) -> str:
    status: str = buyer.http.get(f"{ORDERS}/{order['orderId']}").json()["status"]
    return status


def words(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["status"]


class TestARefund:
    def test_is_owed_and_told_by_its_id(
        self, buyer: Buyer, organizer: Organizer, paid_online: dict[str, Any]
    ) -> None:
        answer = organizer.refund(paid_online["orderNo"], amount=900)

        assert words(answer) == (201, "requested")
        assert isinstance(answer.json()["refundId"], int)
        seen = buyer.http.get(f"{ORDERS}/{paid_online['orderId']}").json()
        assert (seen["status"], seen["paymentStatus"], seen["refundStatus"]) == (
            "PAID",
            "REFUNDING",
            "requested",
        )

    def test_may_be_one_of_several(self, organizer: Organizer, paid_online: dict[str, Any]) -> None:
        order = paid_online["orderId"]
        ids = {organizer.refund(order, amount=amount).json()["refundId"] for amount in (1, 1, 2)}

        assert len(ids) == 3
        assert organizer.refund(order).status_code == 201
        answer = organizer.refund(order)
        assert is_problem(answer, 409, "REFUND_EXCEEDS_PAID")
        assert answer.json()["refundable"] == 0

    def test_of_more_than_is_left_is_refused(
        self, organizer: Organizer, paid: dict[str, Any]
    ) -> None:
        answer = organizer.refund(paid["orderId"], amount=16901)

        assert is_problem(answer, 409, "REFUND_EXCEEDS_PAID")
        assert answer.json()["refundable"] == 16900

    def test_of_money_that_came_by_hand_is_done_at_once(
        self, buyer: Buyer, organizer: Organizer, paid: dict[str, Any]
    ) -> None:
        assert words(organizer.refund(paid["orderId"])) == (201, "succeeded")
        assert status_of(buyer, paid) == "REFUNDED"
        assert is_problem(organizer.refund(paid["orderId"]), 409, "REFUND_EXCEEDS_PAID")

    def test_of_an_unpaid_order_is_refused(self, buyer: Buyer, organizer: Organizer) -> None:
        order = buyer.order().json()

        assert is_problem(organizer.refund(order["orderId"]), 409, "INVALID_STATE")

    def test_is_an_admins_too(self, service: Service, paid: dict[str, Any]) -> None:
        admin = Buyer(service, "admin")
        answer = admin.http.post(f"{ORDERS}/{paid['orderId']}/refund", json={"reason": "x"})
        admin.http.close()

        assert answer.status_code == 201


class TestANamedSeat:
    async def test_goes_with_the_money(
        self, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        invite_id = await database.fetchval(
            "SELECT id FROM order_invites WHERE order_id = $1", paid["orderId"]
        )

        assert organizer.refund(paid["orderId"], amount=1, inviteIds=[invite_id]).is_success
        assert is_problem(
            organizer.refund(paid["orderId"], amount=1, inviteIds=[invite_id]), 409, "INVALID_STATE"
        )
        assert (
            await database.fetchval("SELECT seats_held FROM orders WHERE id = $1", paid["orderId"])
            == 1
        )

    @pytest.mark.parametrize("name", ["inviteIds", "registrationIds"])
    async def test_of_somebody_elses_order_is_not_found(
        self,
        service: Service,
        organizer: Organizer,
        paid: dict[str, Any],
        database: Database,
        name: str,
    ) -> None:
        other = Buyer(service)
        order_id = other.order(quantity=2).json()["orderId"]
        other.http.close()
        table = "order_invites" if name == "inviteIds" else "registrations"
        foreign = await database.fetchval(
            f"SELECT id FROM {table} WHERE order_id = $1",  # noqa: S608  # our own words
            order_id,
        )

        for seat in (foreign, 2**53 - 1):
            answer = organizer.refund(paid["orderId"], amount=1, **{name: [seat]})
            assert is_problem(answer, 404, "NOT_FOUND")


class TestAKey:
    def test_finds_the_refund_it_made(
        self, organizer: Organizer, paid_online: dict[str, Any]
    ) -> None:
        order = paid_online["orderId"]
        first = organizer.refund(order, amount=5, idempotencyKey="k")
        again = organizer.refund(order, amount=5, idempotencyKey="k")

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()

    def test_with_another_content_is_refused(
        self, organizer: Organizer, paid_online: dict[str, Any]
    ) -> None:
        order = paid_online["orderId"]
        organizer.refund(order, amount=5, idempotencyKey="k")

        for other in ({"amount": 6}, {"reason": "well", "amount": 5}, {}):
            answer = organizer.refund(order, idempotencyKey="k", **other)
            assert is_problem(answer, 422, "IDEMPOTENCY_MISMATCH")

    def test_may_come_as_a_header(self, organizer: Organizer, paid_online: dict[str, Any]) -> None:
        order = paid_online["orderId"]
        first = organizer.refund(order, amount=5, idempotencyKey="k")
        organizer.http.headers["Idempotency-Key"] = "k"

        assert organizer.refund(order, amount=5).json() == first.json()
        assert organizer.refund(order, amount=5, idempotencyKey="k").status_code == 200
        assert is_problem(
            organizer.refund(order, amount=5, idempotencyKey="l"), 400, "INVALID_REQUEST"
        )

    @pytest.mark.parametrize("key", ["x" * 201, ""])
    def test_of_another_length_is_refused(
        self, organizer: Organizer, paid: dict[str, Any], key: str
    ) -> None:
        in_body = organizer.refund(paid["orderId"], idempotencyKey=key)
        organizer.http.headers["Idempotency-Key"] = key
        in_header = organizer.refund(paid["orderId"])

        for answer in (in_body, in_header):
            assert is_problem(answer, 400, "INVALID_REQUEST")

    def test_of_many_at_once_makes_one_refund(
        self, service: Service, paid_online: dict[str, Any]
    ) -> None:
        def ask(_: int) -> httpx.Response:
            organizer = Organizer(service)
            answer = organizer.refund(paid_online["orderId"], amount=5, idempotencyKey="k")
            organizer.http.close()
            return answer

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(16)))

        assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
        assert len({answer.json()["refundId"] for answer in answers}) == 1


class TestMarkingAsPaid:
    def test_settles_the_order_and_may_be_repeated(
        self, buyer: Buyer, organizer: Organizer
    ) -> None:
        order = buyer.order(quantity=2).json()

        for _ in range(2):
            assert words(organizer.mark_paid(order["orderNo"])) == (200, "PAID")
        assert buyer.http.get(f"{ORDERS}/{order['orderId']}").json()["registration"]["status"] == (
            "APPROVED"
        )

    async def test_says_who_did_it_and_why(self, paid: dict[str, Any], database: Database) -> None:
        said = await database.fetchrow(
            """SELECT data ->> 'reason', data ->> 'by_user_id'
               FROM order_events WHERE order_id = $1 AND kind = 'order_paid'""",
            paid["orderId"],
        )
        owner = await database.fetchval("SELECT organizer_user_id FROM events WHERE id = 1")

        assert said is not None
        assert tuple(said) == ("cash", str(owner))

    def test_closes_what_is_open_at_the_provider(
        self, buyer: Buyer, organizer: Organizer, simulator: Simulator
    ) -> None:
        order = buyer.order(prepare=True).json()

        assert words(organizer.mark_paid(order["orderId"])) == (200, "PAID")
        assert simulator.status(f"{order['orderNo']}01") == "CLOSED"

    def test_finds_money_that_a_provider_has(
        self, buyer: Buyer, organizer: Organizer, simulator: Simulator
    ) -> None:
        order = buyer.order(prepare=True).json()
        simulator.act(f"{order['orderNo']}01", "pay", drop=True)

        assert words(organizer.mark_paid(order["orderId"])) == (200, "PAID")
        assert is_problem(organizer.mark_paid(order["orderId"]), 409, "ORDER_ALREADY_PAID")

    def test_waits_for_a_provider_that_does_not_answer(
        self, buyer: Buyer, organizer: Organizer, simulator: Simulator
    ) -> None:
        order = buyer.order(prepare=True).json()
        for operation in ("query", "close"):
            about = f"{order['orderNo']}01"
            simulator.fault(operation, "error_500", out_trade_no=about)

        assert is_problem(organizer.mark_paid(order["orderId"]), 409, "INVALID_STATE")
        assert status_of(buyer, order) == "PENDING"
        assert words(organizer.mark_paid(order["orderId"])) == (200, "PAID")

    def test_of_an_order_that_has_ended_is_refused(
        self, buyer: Buyer, organizer: Organizer
    ) -> None:
        order = buyer.order().json()
        buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")

        assert is_problem(organizer.mark_paid(order["orderId"]), 409, "INVALID_STATE")

    def test_of_a_refunded_order_is_refused(
        self, organizer: Organizer, paid: dict[str, Any]
    ) -> None:
        organizer.refund(paid["orderId"])

        assert is_problem(organizer.mark_paid(paid["orderId"]), 409, "INVALID_STATE")


@pytest.fixture
async def unmoved(paid: dict[str, Any], database: Database) -> Any:  # noqa: ANN401
    """Assert that neither money nor seats moved."""
    question = """SELECT o.version, o.seats_held, (SELECT count(*) FROM refunds r
                    WHERE r.order_id = o.id) AS refunds FROM orders o WHERE o.id = $1"""
    before = await database.fetchrow(question, paid["orderId"])
    yield
    assert await database.fetchrow(question, paid["orderId"]) == before


@pytest.mark.usefixtures("unmoved")
class TestABadRequest:
    @pytest.mark.parametrize("amount", _NO_AMOUNTS, ids=str)
    def test_for_no_amount_is_refused(
        self, organizer: Organizer, paid: dict[str, Any], amount: object
    ) -> None:
        answer = organizer.refund(paid["orderId"], amount=amount)

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] == "amount"

    @pytest.mark.parametrize(
        "said",
        [
            *({"reason": ""}, {"reason": "x" * 201}, {"reason": None}, {"reason": 1}),
            *({"status": "succeeded"}, {"refundId": 1}, {"invite_ids": [1]}, {"force": True}),
            *({"inviteIds": ["1"]}, {"inviteIds": [0]}, {"inviteIds": 1}, {"inviteIds": [1.0]}),
            *({"registrationIds": [-1]}, {"registrationIds": [True]}),
            *({"inviteIds": [1] * 101}, {"idempotencyKey": "a\nb"}, {"idempotencyKey": 1}),
        ],
        ids=lambda said: str(said)[:40],
    )
    def test_that_says_what_it_may_not_is_refused(
        self, organizer: Organizer, paid: dict[str, Any], said: dict[str, Any]
    ) -> None:
        assert is_problem(organizer.refund(paid["orderId"], **said), 400, "INVALID_REQUEST")

    @pytest.mark.parametrize(
        "said", [{"reason": ""}, {"reason": None}, {"amount": 1}, {"status": "PAID"}], ids=str
    )
    def test_to_mark_as_paid_is_refused(
        self, organizer: Organizer, paid: dict[str, Any], said: dict[str, Any]
    ) -> None:
        assert is_problem(organizer.mark_paid(paid["orderId"], **said), 400, "INVALID_REQUEST")

    @pytest.mark.parametrize("door", ["refund", "mark-paid"])
    def test_needs_a_reason(self, organizer: Organizer, paid: dict[str, Any], door: str) -> None:
        answer = organizer.http.post(f"{ORDERS}/{paid['orderId']}/{door}", json={})

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] == "reason"


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("door", ["refund", "mark-paid"])
class TestAStranger:
    def test_without_a_role_is_refused(self, buyer: Buyer, paid: dict[str, Any], door: str) -> None:
        answer = buyer.http.post(f"{ORDERS}/{paid['orderId']}/{door}", json={"reason": "mine"})

        assert is_problem(answer, 403, "FORBIDDEN")

    def test_who_organizes_something_else_finds_nothing(
        self, service: Service, paid: dict[str, Any], door: str
    ) -> None:
        other = Buyer(service, "organizer")
        answer = other.http.post(f"{ORDERS}/{paid['orderId']}/{door}", json={"reason": "mine"})
        other.http.close()

        assert is_problem(answer, 404, "NOT_FOUND")

    def test_to_a_token_is_unknown(self, service: Service, paid: dict[str, Any], door: str) -> None:
        with service.client() as http:
            answer = http.post(f"{ORDERS}/{paid['orderId']}/{door}", json={"reason": "mine"})

        assert is_problem(answer, 401, "UNAUTHENTICATED")

    @pytest.mark.parametrize("reference", ["0", "x", "9007199254740991", "G000000000000000"])
    def test_among_orders_is_not_found(
        self,
        organizer: Organizer,
        paid: dict[str, Any],  # noqa: ARG002  # beside one that exists
        door: str,
        reference: str,
    ) -> None:
        answer = organizer.http.post(f"{ORDERS}/{reference}/{door}", json={"reason": "mine"})

        assert is_problem(answer, 404, "NOT_FOUND")

    def test_at_another_event_is_not_found(
        self, organizer: Organizer, paid: dict[str, Any], door: str
    ) -> None:
        path = f"/api/events/2/orders/{paid['orderId']}/{door}"

        assert is_problem(organizer.http.post(path, json={"reason": "mine"}), 404, "NOT_FOUND")
