"""Money goes back: in parts, in full, by hand, past us, and when the provider has a bad day."""

import asyncio
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from models.engine import Database
from tests.journeys.service import ROOT, Person, Service, act, eventually, trade_status
from tests.journeys.test_first_sale import (
    attempt_of,
    buy,
    taken,
    wait_for,
    wait_for_row,
)
from tests.sandbox.simulator import CHINA, clear_of_midnight

pytestmark = pytest.mark.xdist_group("service")

_names = count(1)
EVENT = 1
# Yesterday would have what other tests did before midnight.
DAYS_AGO = 3


@pytest.fixture
def ann(service: Service) -> Person:
    return Person(service, f"refunded-{next(_names)}")


@pytest.fixture
def organizer(service: Service) -> Person:
    return Person(service, "organizer", "organizer")


@pytest.fixture
async def order(ann: Person, service: Service) -> dict[str, Any]:
    """Sell four seats for 32000 and have them paid."""
    order = buy(ann, quantity=4)
    act(service, attempt_of(order))
    await asyncio.to_thread(wait_for, ann, order, "PAID")
    return order


def refund(organizer: Person, order: dict[str, Any], **said: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = organizer.service.client.post(
        f"/api/events/{EVENT}/orders/{order['orderNo']}/refund",
        json={"reason": "cannot come"} | said,
        headers=organizer.headers,
    )
    assert answer.status_code == 201, answer.text
    owed: dict[str, Any] = answer.json()
    return owed


def hold(service: Service, order: dict[str, Any], mode: str = "hold") -> None:
    subject = {"provider": "wechat", "out_trade_no": attempt_of(order)}
    fault = {"operation": "refund", "mode": mode} | subject
    assert service.sandbox.post("/control/faults", json=fault).is_success


async def a_minute_passes(books: Database, order: dict[str, Any]) -> None:
    """Let the pause between two parts of one payment be over."""
    await books.execute(
        "UPDATE refunds SET updated_at = now() - interval '2 minutes' WHERE order_id = $1",
        order["orderId"],
    )


async def ends(books: Database, owed: dict[str, Any], status: str) -> Any:  # noqa: ANN401
    return await wait_for_row(
        books, "SELECT * FROM refunds WHERE id = $1 AND status = $2", owed["refundId"], status
    )


def check_bill(environ: dict[str, str]) -> str:
    """Check a bill as an operator does, and return what was printed."""
    day = datetime.now(CHINA).date() - timedelta(days=DAYS_AGO)
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "guichet.py", "bill", day.isoformat()],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def statuses_of(service: Service, order: dict[str, Any]) -> list[int | None]:
    """List what we answered to each notice about an order."""
    told = service.sandbox.get("/control/notices", params={"out_trade_no": attempt_of(order)})
    return [notice["status"] for notice in told.json()["notices"]]


async def gifts(books: Database, order: dict[str, Any]) -> list[Any]:
    return await books.fetch(
        "SELECT id, status, refund_no FROM order_invites WHERE order_id = $1 ORDER BY position",
        order["orderId"],
    )


class TestAPaidOrder:
    async def test_goes_back_in_parts_with_the_seats_they_name(
        self,
        ann: Person,
        organizer: Person,
        order: dict[str, Any],
        service: Service,
        books: Database,
    ) -> None:
        assert await taken(books, order) == 4
        first = (await gifts(books, order))[0]["id"]

        part = refund(organizer, order, amount=8000, inviteIds=[first])
        await ends(books, part, "succeeded")

        assert [gift["status"] for gift in await gifts(books, order)] == [
            "INVALID",
            "PENDING",
            "PENDING",
        ]
        assert await taken(books, order) == 3
        seen = ann.see(EVENT, order["orderId"])
        assert (seen["status"], seen["paymentStatus"]) == ("PAID", "PAID")

        await a_minute_passes(books, order)
        rest = refund(organizer, order)
        await ends(books, rest, "succeeded")

        seen = await asyncio.to_thread(wait_for, ann, order, "REFUNDED")
        assert seen["registration"]["status"] == "CANCELLED"
        assert {gift["status"] for gift in await gifts(books, order)} == {"INVALID"}
        assert await taken(books, order) == 0
        assert trade_status(service, attempt_of(order)) == "REFUND"


class TestARefund:
    async def test_that_the_provider_closes_gives_the_seats_back_to_their_guests(
        self,
        ann: Person,
        organizer: Person,
        order: dict[str, Any],
        service: Service,
        books: Database,
    ) -> None:
        hold(service, order)
        owed = refund(organizer, order)
        row = await ends(books, owed, "processing")
        assert {g["refund_no"] for g in await gifts(books, order)} == {row["refund_no"]}

        service.sandbox.post(f"/control/refunds/{row['refund_no']}/close")
        await ends(books, owed, "failed")

        assert {g["refund_no"] for g in await gifts(books, order)} == {None}
        assert ann.see(EVENT, order["orderId"])["paymentStatus"] == "PAID"
        await a_minute_passes(books, order)
        again = await ends(books, refund(organizer, order), "succeeded")
        assert again["refund_no"] != row["refund_no"]
        await asyncio.to_thread(wait_for, ann, order, "REFUNDED")

    async def test_that_a_bank_refuses_stays_under_way_with_a_case(
        self,
        ann: Person,
        organizer: Person,
        order: dict[str, Any],
        service: Service,
        books: Database,
    ) -> None:
        hold(service, order)
        owed = refund(organizer, order, amount=100)
        row = await ends(books, owed, "processing")

        service.sandbox.post(f"/control/refunds/{row['refund_no']}/abnormal")
        subject = f"refund:{row['refund_no']}"
        case = await wait_for_row(books, "SELECT * FROM cases WHERE subject = $1", subject)

        assert case["reason"] == "abnormal"
        assert ann.see(EVENT, order["orderId"])["paymentStatus"] == "REFUNDING"

        service.sandbox.post(f"/control/refunds/{row['refund_no']}/success")
        await ends(books, owed, "succeeded")

    async def test_whose_answer_cannot_be_believed_is_made_once(
        self,
        organizer: Person,
        order: dict[str, Any],
        service: Service,
        books: Database,
    ) -> None:
        hold(service, order, "bad_signature")

        row = await ends(books, refund(organizer, order, amount=100), "succeeded")

        calls = service.sandbox.get(
            "/control/calls", params={"out_trade_no": attempt_of(order)}
        ).json()["calls"]
        assert calls["refund"] == 1
        assert row["refund_no"] == f"{attempt_of(order)}R01"


class TestARefundAtTheConsole:
    async def test_is_noticed_and_lowers_what_is_left(
        self,
        ann: Person,
        organizer: Person,
        order: dict[str, Any],
        service: Service,
        books: Database,
    ) -> None:
        path = f"/control/trades/{attempt_of(order)}/console-refund"
        told = service.sandbox.post(path, json={"amount": 2000, "signed": True}).json()

        row = await wait_for_row(
            books, "SELECT * FROM refunds WHERE refund_no = $1", told["out_refund_no"]
        )
        assert (row["kind"], row["status"], row["amount_minor"]) == ("external", "succeeded", 2000)
        case = await wait_for_row(
            books, "SELECT * FROM cases WHERE subject = $1", f"refund:{told['out_refund_no']}"
        )
        assert case["reason"] == "not_ours"
        assert ann.see(EVENT, order["orderId"])["status"] == "PAID"

        await ends(books, refund(organizer, order), "succeeded")
        await asyncio.to_thread(wait_for, ann, order, "REFUNDED")

    async def test_that_nobody_told_us_of_is_found_by_the_bill(
        self,
        *,
        ann: Person,
        organizer: Person,
        order: dict[str, Any],
        service: Service,
        books: Database,
        chore_environ: dict[str, str],
    ) -> None:
        clear_of_midnight()
        path = f"/control/trades/{attempt_of(order)}/console-refund"
        told = service.sandbox.post(path, json={"amount": 2000, "days_ago": DAYS_AGO}).json()
        number = told["out_refund_no"]
        await asyncio.to_thread(eventually, lambda: 401 in statuses_of(service, order))

        first = await asyncio.to_thread(check_bill, chore_environ)

        row = await books.fetchrow("SELECT * FROM refunds WHERE refund_no = $1", number)
        assert row is not None
        assert (row["kind"], row["status"], row["amount_minor"]) == ("external", "succeeded", 2000)
        case = await books.fetchrow("SELECT * FROM cases WHERE subject = $1", f"refund:{number}")
        assert case is not None
        assert case["reason"] == "not_ours"
        assert ann.see(EVENT, order["orderId"])["status"] == "PAID"
        assert f"refund {number} of {attempt_of(order)}: SUCCESS, 2000 CNY" in first
        assert "1 refunds past us, 0 of other services" in first

        rows = "SELECT refund_no, status, updated_at FROM refunds WHERE order_id = $1 ORDER BY id"
        before = await books.fetch(rows, order["orderId"])
        again = await asyncio.to_thread(check_bill, chore_environ)

        assert await books.fetch(rows, order["orderId"]) == before
        assert f"refund {number} of {attempt_of(order)}: known" in again
        owed = await ends(books, refund(organizer, order), "succeeded")
        assert owed["amount_minor"] == 30000
        await asyncio.to_thread(wait_for, ann, order, "REFUNDED")


class TestMoneyByHand:
    async def test_pays_the_order_and_closes_what_was_open(
        self, ann: Person, organizer: Person, service: Service
    ) -> None:
        order = buy(ann, quantity=2)

        answer = service.client.post(
            f"/api/events/{EVENT}/orders/{order['orderId']}/mark-paid",
            json={"reason": "cash at the door"},
            headers=organizer.headers,
        )

        assert answer.json() == {"status": "PAID"}
        eventually(lambda: trade_status(service, attempt_of(order)) == "CLOSED")
        assert ann.see(EVENT, order["orderId"])["registration"]["status"] == "APPROVED"
        refund(organizer, order)
        eventually(lambda: ann.see(EVENT, order["orderId"])["status"] == "REFUNDED")
