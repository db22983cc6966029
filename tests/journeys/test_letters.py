"""What a buyer finds in the mailbox."""

import asyncio
import re
import secrets
from typing import Any

import pytest

from models.engine import Database
from tests.journeys.service import Person, Service, act, eventually

pytestmark = pytest.mark.xdist_group("service")

EVENT, STANDARD = 1, 1


class Reader(Person):
    """Somebody who reads mail in English."""

    def __init__(self, service: Service) -> None:
        super().__init__(service, f"Reader {secrets.token_hex(6)}")
        answer = service.client.put("/api/me", json={"locale": "en"}, headers=self.headers)
        self.email: str = answer.json()["email"]

    def mails(self) -> list[dict[str, Any]]:
        found = self.service.sandbox.get("/mailbox.json", params={"to": self.email}).json()
        return list(found["items"])

    def wait_for(self, subject: str) -> dict[str, Any]:
        return dict(
            eventually(lambda: next((m for m in self.mails() if subject in m["subject"]), None))
        )

    def ticket(self, place_id: str) -> dict[str, Any]:
        answer = self.service.client.get(
            f"/api/registrations/{place_id}/ticket", headers=self.headers
        )
        return dict(answer.json())


@pytest.fixture
def reader(service: Service) -> Reader:
    return Reader(service)


def paid_trade(service: Service, order: dict[str, Any]) -> None:
    params = {"order_no": order["orderNo"]}
    (trade,) = service.sandbox.get("/control/trades", params=params).json()["trades"]
    act(service, trade["out_trade_no"])


class TestABuyer:
    async def test_finds_ticket_and_gift_links_and_is_let_in_by_the_ticket(
        self, reader: Reader, service: Service, books: Database
    ) -> None:
        order = reader.order(EVENT, STANDARD, quantity=2).json()
        paid_trade(service, order)

        mail = await asyncio.to_thread(reader.wait_for, "Your tickets")

        found = re.search(rf"{service.url}/events/1/tickets/(\d+)", mail["text"])
        assert found is not None
        gifts = re.findall(rf"{service.url}/events/1/register\?gift=([\w-]+)", mail["text"])
        assert len(gifts) == 1
        code = reader.ticket(found.group(1))["ticketCode"]
        guard = Person(service, "organizer", "organizer")
        scan = service.client.post(
            "/api/events/1/check-in", json={"ticketCode": code}, headers=guard.headers
        )
        assert (scan.status_code, scan.json()["isFirst"]) == (200, True)
        assert await books.fetchval(
            "SELECT checked_in_by FROM registrations WHERE id = $1", int(found.group(1))
        )

    async def test_who_leaves_finds_a_farewell(
        self, reader: Reader, service: Service, books: Database
    ) -> None:
        order = reader.order(EVENT, STANDARD).json()
        reader.cancel(EVENT, order["orderId"])

        mail = await asyncio.to_thread(reader.wait_for, "cancelled")

        assert order["orderNo"] in mail["text"]
        assert f"/mailbox/{mail['id']}" in service.sandbox.get("/mailbox").text
        assert books
