"""The doors to tickets."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from models.engine import Database
from tests.api.service import FREE, Buyer, Service
from tests.api.test_doors import is_problem

CHECK_IN = "/api/events/1/check-in"


@pytest.fixture
def admin(service: Service) -> Iterator[Buyer]:
    admin = Buyer(service, "admin")
    yield admin
    admin.http.close()


def place_of(buyer: Buyer) -> int:
    """Take a free ticket."""
    place: int = buyer.order(FREE).json()["registration"]["id"]
    return place


def ticket_of(buyer: Buyer, place_id: int) -> dict[str, Any]:
    answer = buyer.http.get(f"/api/registrations/{place_id}/ticket")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    ticket: dict[str, Any] = answer.json()
    return ticket


class TestATicket:
    def test_is_shown_to_its_holder(self, buyer: Buyer) -> None:
        place_id = place_of(buyer)

        ticket = ticket_of(buyer, place_id)

        code = ticket.pop("ticketCode")
        assert re.fullmatch(r"T[A-Z2-7]{39}", code)
        assert ticket == {
            "registrationId": place_id,
            "eventId": 1,
            "eventTitle": "Guichet Demo Night",
            "ticketTypeName": "Free",
            "status": "APPROVED",
            "checkedInAt": None,
        }

    def test_is_drawn_as_a_qr_code(self, buyer: Buyer) -> None:
        answer = buyer.http.get(f"/api/registrations/{place_of(buyer)}/ticket.svg")

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["cache-control"] == "no-store"
        assert ET.fromstring(answer.text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314

    def test_has_no_code_while_nobody_is_admitted_by_it(self, buyer: Buyer) -> None:
        waiting = buyer.http.post("/api/events/2/orders", json={"ticketTypeId": 6}).json()
        place_id = waiting["registration"]["id"]

        ticket = ticket_of(buyer, place_id)

        assert (ticket["status"], ticket["ticketCode"]) == ("PENDING", None)
        drawn = buyer.http.get(f"/api/registrations/{place_id}/ticket.svg")
        assert is_problem(drawn, 409, "TICKET_NOT_VALID")

    @pytest.mark.parametrize("form", ["ticket", "ticket.svg"])
    def test_is_nobody_elses(self, buyer: Buyer, admin: Buyer, form: str) -> None:
        place_id = place_of(buyer)

        assert is_problem(admin.http.get(f"/api/registrations/{place_id}/{form}"), 404, "NOT_FOUND")
        for reference in ("0", "-1", "1.0", "x", str(2**53), str(2**70), str(place_id + 10**6)):
            answer = buyer.http.get(f"/api/registrations/{reference}/{form}")
            assert is_problem(answer, 404, "NOT_FOUND")

    @pytest.mark.parametrize("form", ["ticket", "ticket.svg"])
    def test_is_shown_to_nobody_without_a_token(
        self, service: Service, buyer: Buyer, form: str
    ) -> None:
        with service.client() as stranger:
            answer = stranger.get(f"/api/registrations/{place_of(buyer)}/{form}")

        assert is_problem(answer, 401, "UNAUTHENTICATED")


class TestCheckIn:
    def test_lets_in_once_and_then_tells_when_that_was(self, buyer: Buyer, admin: Buyer) -> None:
        place_id = place_of(buyer)
        code = ticket_of(buyer, place_id)["ticketCode"]

        first, again = (admin.http.post(CHECK_IN, json={"ticketCode": code}) for _ in range(2))

        assert (first.status_code, again.status_code) == (200, 200)
        told = first.json()
        at = told.pop("checkedInAt")
        assert told == {
            "registrationId": place_id,
            "name": buyer.name,
            "ticketTypeName": "Free",
            "isFirst": True,
        }
        assert again.json() == told | {"checkedInAt": at, "isFirst": False}
        assert ticket_of(buyer, place_id)["checkedInAt"] == at

    def test_is_open_to_the_events_own_organizer(self, service: Service, buyer: Buyer) -> None:
        code = ticket_of(buyer, place_of(buyer))["ticketCode"]
        with service.client() as http:
            login = {"name": "organizer", "role": "organizer"}
            token = http.post("/api/auth/sandbox-login", json=login).json()["token"]
            http.headers["Authorization"] = f"Bearer {token}"

            assert http.post(CHECK_IN, json={"ticketCode": code}).json()["isFirst"] is True

    def test_lets_in_once_however_many_scan(self, buyer: Buyer, admin: Buyer) -> None:
        code = ticket_of(buyer, place_of(buyer))["ticketCode"]
        with ThreadPoolExecutor(50) as gate:
            scans = list(
                gate.map(lambda _: admin.http.post(CHECK_IN, json={"ticketCode": code}), range(50))
            )

        assert {scan.status_code for scan in scans} == {200}
        assert sum(scan.json()["isFirst"] for scan in scans) == 1

    def test_knows_the_tickets_of_its_event_only(self, buyer: Buyer, admin: Buyer) -> None:
        place_id = place_of(buyer)
        code = ticket_of(buyer, place_id)["ticketCode"]
        flipped = code[:-3] + ("A" if code[-3] != "A" else "B") + code[-2:]
        wrong = ["", "T", "x" * 1024, code.lower(), f" {code}", flipped, "https://example.org/1"]

        for text in wrong:
            answer = admin.http.post(CHECK_IN, json={"ticketCode": text})
            assert is_problem(answer, 404, "TICKET_UNKNOWN"), text
        elsewhere = admin.http.post("/api/events/2/check-in", json={"ticketCode": code})
        assert is_problem(elsewhere, 404, "TICKET_UNKNOWN")
        assert ticket_of(buyer, place_id)["checkedInAt"] is None

    async def test_lets_nobody_in_by_what_is_cancelled_or_being_refunded(
        self, buyer: Buyer, admin: Buyer, database: Database
    ) -> None:
        place_id = place_of(buyer)
        code = ticket_of(buyer, place_id)["ticketCode"]
        for change in ("refund_no = 'R1'", "refund_no = NULL, status = 'REJECTED'"):
            await database.execute(f"UPDATE registrations SET {change} WHERE id = $1", place_id)  # noqa: S608

            answer = admin.http.post(CHECK_IN, json={"ticketCode": code})
            assert is_problem(answer, 409, "TICKET_NOT_VALID")
            assert ticket_of(buyer, place_id)["ticketCode"] is None
        await database.execute(
            "UPDATE registrations SET status = 'APPROVED' WHERE id = $1", place_id
        )

    def test_is_closed_to_whoever_does_not_manage_the_event(
        self, service: Service, buyer: Buyer
    ) -> None:
        code = ticket_of(buyer, place_of(buyer))["ticketCode"]
        other = Buyer(service, "organizer")

        mine = buyer.http.post(CHECK_IN, json={"ticketCode": code})
        others = other.http.post(CHECK_IN, json={"ticketCode": code})
        other.http.close()

        assert is_problem(mine, 403, "FORBIDDEN")
        assert is_problem(others, 404, "NOT_FOUND")

    @pytest.mark.parametrize("event", ["0", "-1", "1.0", "x", str(2**53), "999999"])
    def test_knows_no_event_that_does_not_exist(self, admin: Buyer, event: str) -> None:
        answer = admin.http.post(f"/api/events/{event}/check-in", json={"ticketCode": "T"})

        assert is_problem(answer, 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"ticketCode": None},
            {"ticketCode": 1},
            {"ticketCode": ["T"]},
            {"ticketCode": "x" * 1025},
            {"ticketCode": "T", "registrationId": 1},
            [],
        ],
    )
    def test_takes_a_code_and_nothing_else(self, admin: Buyer, body: object) -> None:
        assert is_problem(admin.http.post(CHECK_IN, json=body), 400, "INVALID_REQUEST")
