"""Gift seats, free tickets and an organizer's answers, over real HTTP."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from models.engine import Database
from models.invariants import check_invariants
from tests.api.service import FREE, ORDERS, STANDARD, Buyer, Service
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import Simulator

MEMBERS = "/api/events/2"
MEMBERS_STANDARD, MEMBERS_FREE = 5, 6
REGISTER = "/api/events/1/register"
NO_CODE = "A" * 22


class People:
    """Whoever a test needs, and a till for them."""

    def __init__(self, service: Service, simulator: Simulator) -> None:
        self._service = service
        self._simulator = simulator
        self._known: list[Buyer] = []

    def new(self, role: str = "buyer") -> Buyer:
        """Meet somebody."""
        self._known.append(Buyer(self._service, role))
        return self._known[-1]

    def organizer(self) -> Buyer:
        """Meet who owns the demo events."""
        one = self.new("organizer")
        body = {"name": "organizer", "role": "organizer"}
        token = one.http.post("/api/auth/sandbox-login", json=body).json()["token"]
        one.http.headers["Authorization"] = f"Bearer {token}"
        return one

    def pay(self, buyer: Buyer, order: dict[str, Any], event: str = "/api/events/1") -> None:
        """Pay an order and wait until it is known."""
        self._simulator.act(f"{order['orderNo']}01", "pay", drop=True)
        answer = buyer.http.post(f"{event}/orders/{order['orderId']}/query")
        assert answer.json()["status"] == "PAID"

    def paid(self, buyer: Buyer, quantity: int = 2) -> dict[str, Any]:
        """Have somebody buy and pay."""
        order: dict[str, Any] = buyer.order(STANDARD, quantity=quantity, prepare=True).json()
        self.pay(buyer, order)
        return order

    def member(self) -> tuple[Buyer, dict[str, Any]]:
        """Have somebody pay for a seat that an organizer must approve."""
        buyer = self.new()
        body = {"ticketTypeId": MEMBERS_STANDARD, "prepare": True}
        order: dict[str, Any] = buyer.http.post(f"{MEMBERS}/orders", json=body).json()
        self.pay(buyer, order, MEMBERS)
        return buyer, order

    def leave(self) -> None:
        """See everybody off."""
        for one in self._known:
            one.http.close()


@pytest.fixture
def people(service: Service, simulator: Simulator) -> Iterator[People]:
    people = People(service, simulator)
    yield people
    people.leave()


@pytest.fixture(autouse=True)
async def kept(database: Database) -> Any:  # noqa: ANN401 - a generator to pytest alone
    yield
    broken = [found for found in await check_invariants(database) if found.violations]
    assert broken == []


def gifts(buyer: Buyer, order: dict[str, Any]) -> list[dict[str, Any]]:
    page = buyer.http.get(f"{ORDERS}/{order['orderNo']}/invites").json()
    assert page["nextCursor"] is None
    items: list[dict[str, Any]] = page["items"]
    return items


def redeem(buyer: Buyer, code: str, **body: object) -> httpx.Response:
    return buyer.http.post(f"{ORDERS}/invites/{code}/redeem", json=body)


class TestGiftSeats:
    def test_have_a_code_and_a_link_once_they_are_paid(
        self, people: People, buyer: Buyer, service: Service
    ) -> None:
        order = buyer.order(STANDARD, quantity=4, prepare=True).json()
        before = gifts(buyer, order)
        people.pay(buyer, order)
        after = gifts(buyer, order)

        assert [(one["status"], one["code"], one["url"]) for one in before] == [
            ("PENDING", None, None)
        ] * 3
        assert [one["id"] for one in after] == sorted(one["id"] for one in before)
        assert len({one["code"] for one in after}) == 3
        link = f"{service.base_url}/events/1/register?gift={after[0]['code']}"
        assert after[0] == {
            "id": before[0]["id"],
            "status": "PENDING",
            "code": after[0]["code"],
            "url": link,
            "redeemedAt": None,
            "redeemer": None,
        }

    def test_are_nobody_elses_to_see_or_change(self, people: People, buyer: Buyer) -> None:
        order = people.paid(buyer)
        (gift,) = gifts(buyer, order)
        other = people.new()
        theirs = people.paid(other)
        for reference in (order["orderId"], order["orderNo"]):
            path = f"{ORDERS}/{reference}/invites"
            for role in ("buyer", "organizer", "admin"):
                stranger = people.new(role)
                assert is_problem(stranger.http.get(path), 404, "NOT_FOUND")
                answer = stranger.http.post(f"{path}/{gift['id']}/reissue")
                assert is_problem(answer, 404, "NOT_FOUND")
        # Nor by way of an order of one's own.
        answer = other.http.post(f"{ORDERS}/{theirs['orderNo']}/invites/{gift['id']}/reissue")
        assert is_problem(answer, 404, "NOT_FOUND")
        assert gifts(buyer, order) == [gift]

    def test_get_another_code_that_makes_the_old_one_worthless(
        self, people: People, buyer: Buyer
    ) -> None:
        order, guest = people.paid(buyer), people.new()
        (gift,) = gifts(buyer, order)
        answer = buyer.http.post(f"{ORDERS}/{order['orderId']}/invites/{gift['id']}/reissue")

        assert answer.status_code == 200
        assert [answer.json()] == gifts(buyer, order)
        assert answer.json()["code"] not in {None, gift["code"]}
        assert is_problem(redeem(guest, gift["code"]), 404, "NOT_FOUND")
        assert redeem(guest, answer.json()["code"]).status_code == 201

    @pytest.mark.parametrize("invite", ["0", "-1", "1.0", "x", "9" * 17, "999999", "%00"])
    def test_are_found_by_their_ids_alone(self, people: People, buyer: Buyer, invite: str) -> None:
        order = people.paid(buyer)
        answer = buyer.http.post(f"{ORDERS}/{order['orderNo']}/invites/{invite}/reissue")

        assert is_problem(answer, 404, "NOT_FOUND")

    def test_cannot_be_issued_anew_before_they_are_paid_or_when_they_are_taken(
        self, people: People, buyer: Buyer
    ) -> None:
        order = buyer.order(STANDARD, quantity=2, prepare=True).json()
        (gift,) = gifts(buyer, order)
        path = f"{ORDERS}/{order['orderNo']}/invites/{gift['id']}/reissue"

        assert is_problem(buyer.http.post(path), 409, "INVITE_NOT_ACTIVE")
        people.pay(buyer, order)
        assert redeem(people.new(), gifts(buyer, order)[0]["code"]).status_code == 201
        assert is_problem(buyer.http.post(path), 409, "INVITE_REDEEMED")
        assert is_problem(buyer.http.post(path, json={"a": 1}), 400, "INVALID_REQUEST")


class TestACode:
    async def test_is_worth_a_place_with_answers(
        self, people: People, buyer: Buyer, database: Database
    ) -> None:
        order, guest = people.paid(buyer), people.new()
        (gift,) = gifts(buyer, order)
        first = redeem(guest, gift["code"], answers={"diet": "none"})
        again = redeem(guest, gift["code"])
        (taken,) = gifts(buyer, order)

        assert first.status_code == 201
        assert first.json()["status"] == "APPROVED"
        assert (again.status_code, again.json()) == (200, first.json())
        assert (taken["status"], taken["code"], taken["url"]) == ("REDEEMED", None, None)
        assert taken["redeemer"] == {"id": guest.user["id"], "name": guest.name}
        assert taken["redeemedAt"]
        answers = await database.fetchval(
            "SELECT answers ->> 'diet' FROM registrations WHERE id = $1", first.json()["id"]
        )
        assert answers == "none"

    def test_needs_no_body(self, people: People, buyer: Buyer) -> None:
        (gift,) = gifts(buyer, people.paid(buyer))
        answer = people.new().http.post(f"{ORDERS}/invites/{gift['code']}/redeem")

        assert answer.status_code == 201

    def test_is_for_somebody_without_a_place(self, people: People, buyer: Buyer) -> None:
        one, another = gifts(buyer, people.paid(buyer, 4))[:2]
        guest = people.new()

        assert is_problem(redeem(buyer, one["code"]), 409, "ALREADY_REGISTERED")
        assert redeem(guest, one["code"]).status_code == 201
        assert is_problem(redeem(guest, another["code"]), 409, "ALREADY_REGISTERED")
        assert is_problem(guest.order(), 409, "ALREADY_REGISTERED")

    def test_is_for_its_event_and_for_who_is_signed_in(
        self, people: People, buyer: Buyer, service: Service
    ) -> None:
        order = buyer.order(STANDARD, quantity=2, prepare=True).json()
        people.pay(buyer, order)
        code = gifts(buyer, order)[0]["code"]

        other_event = f"{MEMBERS}/orders/invites/{code}/redeem"
        assert is_problem(people.new().http.post(other_event), 404, "NOT_FOUND")
        with service.client() as stranger:
            answer = stranger.post(f"{ORDERS}/invites/{code}/redeem")
            assert is_problem(answer, 401, "UNAUTHENTICATED")

    @pytest.mark.parametrize(
        "code", [NO_CODE, "x", "A" * 21, "A" * 23, "A" * 5000, "%00", "%ED%A0%80", "%2F", "1'--"]
    )
    def test_that_is_none_is_worth_nothing(self, people: People, code: str) -> None:
        assert is_problem(redeem(people.new(), code), 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        "body",
        [{"answers": {"a": 1}}, {"answers": []}, {"answers": {"x": "y" * 1001}}, {"userId": 1}],
        ids=str,
    )
    def test_comes_with_words_that_are_understood(
        self, people: People, buyer: Buyer, body: dict[str, Any]
    ) -> None:
        order = people.paid(buyer)
        (gift,) = gifts(buyer, order)

        assert is_problem(redeem(people.new(), gift["code"], **body), 400, "INVALID_REQUEST")
        assert gifts(buyer, order) == [gift]

    def test_is_not_guessed_at_for_long(self, people: People, buyer: Buyer) -> None:
        guesser = people.new()
        (gift,) = gifts(buyer, people.paid(buyer))
        for _ in range(10):
            assert is_problem(redeem(guesser, secrets.token_urlsafe(16)), 404, "NOT_FOUND")
        answer = redeem(guesser, gift["code"])

        assert is_problem(answer, 429, "RATE_LIMITED")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert redeem(people.new(), gift["code"]).status_code == 201

    def test_is_had_by_one_of_a_hundred(self, people: People, buyer: Buyer) -> None:
        (gift,) = gifts(buyer, people.paid(buyer))
        with ThreadPoolExecutor(16) as crowd:
            guests = list(crowd.map(lambda _: people.new(), range(100)))
            answers = list(crowd.map(lambda guest: redeem(guest, gift["code"]), guests))

        refused = [answer for answer in answers if answer.status_code != 201]
        assert len(refused) == 99
        assert all(is_problem(answer, 409, "INVITE_REDEEMED") for answer in refused)


class TestAFreeTicket:
    async def test_is_a_place_at_once(self, buyer: Buyer, database: Database) -> None:
        answer = buyer.http.post(
            REGISTER, json={"ticketTypeId": FREE, "answers": {"diet": "vegan"}}
        )

        assert answer.status_code == 201
        place = answer.json()["registration"]
        assert answer.json() == {"orderId": None, "registration": place}
        assert place["status"] == "APPROVED"
        row = await database.fetchrow(
            """SELECT g.answers ->> 'diet' AS diet, e.kind FROM registrations g
               JOIN effects e ON e.holder_kind = 'registration' AND e.holder_id = g.id
               WHERE g.id = $1""",
            place["id"],
        )
        assert row is not None
        assert dict(row) == {"diet": "vegan", "kind": "ADMISSION"}

    def test_is_had_once(self, buyer: Buyer) -> None:
        body = {"ticketTypeId": FREE}

        assert buyer.http.post(REGISTER, json=body).status_code == 201
        assert is_problem(buyer.http.post(REGISTER, json=body), 409, "ALREADY_REGISTERED")

    def test_has_no_price(self, buyer: Buyer) -> None:
        body = {"ticketTypeId": STANDARD}

        assert is_problem(buyer.http.post(REGISTER, json=body), 409, "INVALID_STATE")
        assert buyer.http.get(f"{ORDERS}").json()["items"] == []
        assert buyer.order(STANDARD).status_code == 201
        assert is_problem(buyer.http.post(REGISTER, json=body), 409, "INVALID_STATE")

    @pytest.mark.parametrize(
        "body",
        [
            *({"ticketTypeId": wrong} for wrong in (0, -1, 2**53, 1.0, "4", None, True)),
            {},
            {"ticketTypeId": FREE, "quantity": 2},
            {"ticketTypeId": FREE, "answers": {"x": 1}},
        ],
        ids=str,
    )
    def test_is_asked_for_in_plain_words(self, buyer: Buyer, body: dict[str, Any]) -> None:
        assert is_problem(buyer.http.post(REGISTER, json=body), 400, "INVALID_REQUEST")
        assert is_problem(buyer.http.delete(REGISTER), 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        ("event", "ticket_type_id"), [(1, 999), (1, MEMBERS_FREE), (99, FREE), ("x", FREE)]
    )
    def test_is_of_its_event(self, buyer: Buyer, event: object, ticket_type_id: int) -> None:
        answer = buyer.http.post(
            f"/api/events/{event}/register", json={"ticketTypeId": ticket_type_id}
        )

        assert is_problem(answer, 404, "NOT_FOUND")

    async def test_can_be_given_up_once(self, buyer: Buyer, database: Database) -> None:
        buyer.http.post(REGISTER, json={"ticketTypeId": FREE})
        before = await _taken(database, FREE)
        with ThreadPoolExecutor(8) as crowd:
            answers = list(crowd.map(lambda _: buyer.http.delete(REGISTER), range(8)))

        assert sorted(answer.status_code for answer in answers) == [204] + [404] * 7
        assert await _taken(database, FREE) == before - 1
        assert buyer.http.post(REGISTER, json={"ticketTypeId": FREE}).status_code == 201

    def test_alone_can_be_given_up_for_nothing(self, people: People, buyer: Buyer) -> None:
        people.paid(buyer)

        assert is_problem(buyer.http.delete(REGISTER), 409, "INVALID_STATE")
        assert is_problem(people.new().http.delete(REGISTER), 404, "NOT_FOUND")
        assert is_problem(buyer.http.delete("/api/events/x/register"), 404, "NOT_FOUND")


class TestAnOrganizersAnswer:
    @pytest.mark.parametrize(
        ("answer", "status"), [("approve", "APPROVED"), ("reject", "REJECTED")]
    )
    async def test_decides_about_a_free_place(
        self, people: People, buyer: Buyer, database: Database, answer: str, status: str
    ) -> None:
        place = _member_for_nothing(buyer)
        before = await _taken(database, MEMBERS_FREE)
        organizer, other = people.organizer(), {"approve": "reject", "reject": "approve"}[answer]
        path = f"/api/registrations/{place['id']}"
        first, second = (organizer.http.post(f"{path}/{answer}", json={}) for _ in range(2))

        assert place["status"] == "PENDING"
        assert (first.status_code, first.json()) == (200, {"id": place["id"], "status": status})
        assert (second.status_code, second.json()) == (200, first.json())
        assert is_problem(organizer.http.post(f"{path}/{other}"), 409, "INVALID_STATE")
        assert await _taken(database, MEMBERS_FREE) == before - (answer == "reject")
        told = await database.fetch(
            "SELECT kind FROM effects WHERE holder_kind = 'registration' AND holder_id = $1",
            place["id"],
        )
        assert [row["kind"] for row in told] == [
            {"approve": "ADMISSION", "reject": "REJECTION"}[answer]
        ]

    async def test_that_rejects_a_buyer_owes_the_money(
        self, people: People, database: Database
    ) -> None:
        buyer, order = people.member()
        place = buyer.http.get(f"{MEMBERS}/orders/{order['orderId']}").json()["registration"]
        answer = people.organizer().http.post(f"/api/registrations/{place['id']}/reject")

        assert (answer.status_code, answer.json()["status"]) == (200, "REJECTED")
        refund = await database.fetchrow(
            "SELECT amount_minor, reason FROM refunds WHERE order_id = $1", order["orderId"]
        )
        assert refund is not None
        assert dict(refund) == {"amount_minor": 9900, "reason": "rejected"}

    def test_is_an_admins_too(self, people: People, buyer: Buyer) -> None:
        place = _member_for_nothing(buyer)
        answer = people.new("admin").http.post(f"/api/registrations/{place['id']}/approve")

        assert answer.json()["status"] == "APPROVED"

    @pytest.mark.parametrize("answer", ["approve", "reject"])
    @pytest.mark.parametrize(
        ("role", "refusal"),
        [("buyer", (403, "FORBIDDEN")), ("organizer", (404, "NOT_FOUND"))],
    )
    async def test_is_nobody_elses(
        self,
        people: People,
        buyer: Buyer,
        database: Database,
        *,
        answer: str,
        role: str,
        refusal: tuple[int, str],
    ) -> None:
        place = _member_for_nothing(buyer)
        for one in (people.new(role), *([buyer] if role == "buyer" else [])):
            told = one.http.post(f"/api/registrations/{place['id']}/{answer}")
            assert is_problem(told, *refusal)
        found = await database.fetchval(
            "SELECT status FROM registrations WHERE id = $1", place["id"]
        )
        assert found == "PENDING"

    @pytest.mark.parametrize("reference", ["0", "-1", "1.0", "x", "9" * 17, "999999", "%00"])
    def test_is_about_somebody(self, people: People, reference: str) -> None:
        answer = people.organizer().http.post(f"/api/registrations/{reference}/approve")

        assert is_problem(answer, 404, "NOT_FOUND")

    def test_says_nothing_more(self, people: People, buyer: Buyer) -> None:
        place = _member_for_nothing(buyer)
        path = f"/api/registrations/{place['id']}/reject"

        answer = people.organizer().http.post(path, json={"status": "APPROVED"})
        assert is_problem(answer, 400, "INVALID_REQUEST")


def _member_for_nothing(buyer: Buyer) -> dict[str, Any]:
    answer = buyer.http.post(f"{MEMBERS}/register", json={"ticketTypeId": MEMBERS_FREE})
    place: dict[str, Any] = answer.json()["registration"]
    return place


async def _taken(database: Database, ticket_type_id: int) -> int:
    taken: int = await database.fetchval(
        "SELECT current_quantity FROM ticket_types WHERE id = $1", ticket_type_id
    )
    return taken
