"""Money back, as the payments document describes `POST /payments/refund` and its retry."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.api.service import HOT, ORDERS, Buyer, Service, running_service
from tests.api.test_confirm import confirm
from tests.api.test_doors import is_problem
from tests.api.test_intents import create
from tests.api.test_order_refunds import Organizer
from tests.sandbox.simulator import Simulator, wait_until

REFUND, RETRY = "/payments/refund", "/payments/refund/retry"
_NO_IDS: tuple[object, ...] = (0, -1, 1.0, "1", True, None, [], 2**53)
_NO_AMOUNTS: tuple[object, ...] = (0, -1, 1.0, "1", True, [], 2**53)
_NO_REASONS: tuple[object, ...] = ("", "x" * 201, "a\x00b", None, 1)
_NO_KEYS: tuple[object, ...] = ("", "x" * 256, "a\n", "a\x00b", "\u00e9", 1)


def refund(who: Buyer, order: dict[str, Any], **changes: object) -> httpx.Response:
    """Send money back."""
    said: dict[str, object] = {"orderId": order["orderId"], "idempotencyKey": "first"}
    return who.http.post(REFUND, json=said | changes)


def retry(who: Buyer, refund_id: object, **said: object) -> httpx.Response:
    """Go on with a refund."""
    return who.http.post(RETRY, json={"refundId": refund_id} | said)


def seen(buyer: Buyer, order: dict[str, Any]) -> dict[str, Any]:
    view: dict[str, Any] = buyer.http.get(f"{ORDERS}/{order['orderId']}").json()
    return view


@pytest.fixture
def organizer(service: Service) -> Iterator[Organizer]:
    organizer = Organizer(service)
    yield organizer
    organizer.http.close()


@pytest.fixture
def paid(buyer: Buyer, simulator: Simulator) -> dict[str, Any]:
    """Make an order and have it paid by an intent."""
    order: dict[str, Any] = buyer.order(HOT).json()
    assert confirm(buyer, create(buyer, order).json()).status_code == 201
    simulator.act(f"{order['orderNo']}01", "pay")
    wait_until(lambda: seen(buyer, order)["status"] == "PAID")
    return order


@pytest.fixture(scope="module")
def waiting(environ: dict[str, str], api_home: Path) -> Iterator[Service]:
    """Run a service whose answers wait for the provider."""
    folder = api_home / "waiting"
    with running_service(environ, folder, PAYMENTS_WEBHOOK_ONLY="0") as service:
        yield service


async def statuses(database: Database, order: dict[str, Any]) -> list[tuple[str, str, int]]:
    statement = "SELECT * FROM refunds WHERE order_id = $1 ORDER BY id"
    rows = await database.fetch(statement, order["orderId"])
    return [(row["refund_no"], row["status"], row["amount_minor"]) for row in rows]


async def fails(database: Database, refund_id: int, status: str = "failed") -> None:
    """Let a refund have failed, or come back, as the worker would find."""
    async with database.transaction() as tx:
        row = await tx.fetchrow(
            """UPDATE refunds SET status = $2, due_at = NULL WHERE id = $1
               RETURNING order_id, payment_id, amount_minor""",
            refund_id,
            status,
        )
        assert row is not None
        await tx.execute(
            "UPDATE payments SET refund_minor = refund_minor - $2 WHERE id = $1",
            row["payment_id"],
            row["amount_minor"],
        )
        for table in ("registrations", "order_invites"):
            await tx.execute(
                f"UPDATE {table} SET refund_no = NULL WHERE order_id = $1",  # noqa: S608  # ours
                row["order_id"],
            )
        await tx.execute(
            """UPDATE orders SET payment_status = 'PAID', refund_status = $2
               WHERE id = $1""",
            row["order_id"],
            status,
        )


class TestRefund:
    async def test_creates_a_refund_and_moves_the_order_to_refunding(
        self, buyer: Buyer, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        answer = refund(organizer, paid, amount=900, reason="rain")

        assert answer.status_code == 201
        assert answer.json().keys() == {"refundId", "status"}
        assert answer.json()["status"] in {"requested", "processing"}
        view = seen(buyer, paid)
        assert (view["paymentStatus"], view["refundStatus"]) == ("REFUNDING", "requested")
        assert [row[1:] for row in await statuses(database, paid)] == [("requested", 900)]

    async def test_without_an_amount_sends_all_that_is_left(
        self, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        refund(organizer, paid, amount=900)
        refund(organizer, paid, idempotencyKey="rest")

        assert [row[2] for row in await statuses(database, paid)] == [900, 4100]

    def test_of_more_than_is_left_is_refused(
        self, organizer: Organizer, paid: dict[str, Any]
    ) -> None:
        answer = refund(organizer, paid, amount=5001)

        assert is_problem(answer, 409, "REFUND_EXCEEDS_PAID")
        assert answer.json()["refundable"] == 5000
        assert refund(organizer, paid, amount=5000).status_code == 201

    def test_of_what_nobody_paid_is_refused(self, buyer: Buyer, organizer: Organizer) -> None:
        order = buyer.order(HOT).json()

        assert is_problem(refund(organizer, order), 409, "INVALID_STATE")

    def test_is_for_who_manages_the_event(
        self, buyer: Buyer, service: Service, paid: dict[str, Any]
    ) -> None:
        assert is_problem(refund(buyer, paid), 403, "FORBIDDEN")
        another, admin = Buyer(service, "organizer"), Buyer(service, "admin")
        assert is_problem(refund(another, paid), 404, "NOT_FOUND")
        assert is_problem(refund(admin, {"orderId": 2**53 - 1}), 404, "NOT_FOUND")
        assert refund(admin, paid).status_code == 201
        another.http.close()
        admin.http.close()


class TestAKeyOfARefund:
    def test_brings_the_first_answer_again(
        self, organizer: Organizer, paid: dict[str, Any]
    ) -> None:
        first, again = (refund(organizer, paid, amount=5) for _ in range(2))

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()

    @pytest.mark.parametrize("said", [{"amount": 6}, {"reason": "well"}, {}])
    def test_with_another_body_is_refused(
        self, organizer: Organizer, paid: dict[str, Any], said: dict[str, object]
    ) -> None:
        refund(organizer, paid, amount=5, reason="rain")

        answer = refund(organizer, paid, **({"amount": 5} | said if said else {}))

        assert is_problem(answer, 422, "IDEMPOTENCY_MISMATCH")

    def test_may_be_as_long_as_any(self, organizer: Organizer, paid: dict[str, Any]) -> None:
        first, again = (refund(organizer, paid, idempotencyKey="k" * 255) for _ in range(2))

        assert (first.status_code, again.json()) == (201, first.json())

    async def test_asked_a_hundred_times_at_once_makes_one_refund(
        self, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: refund(organizer, paid, amount=5), range(100)))

        assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
        assert len({answer.text for answer in answers}) == 1
        assert len(await statuses(database, paid)) == 1


class TestRefundRetry:
    async def test_of_one_that_failed_asks_again_under_the_next_number(
        self, buyer: Buyer, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        failed = refund(organizer, paid, amount=900).json()["refundId"]
        await fails(database, failed)

        first, again = (retry(organizer, failed) for _ in range(2))

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert first.json()["refundId"] != failed
        old, new = await statuses(database, paid)
        assert (old[1:], new[2]) == (("failed", 900), 900)
        assert (old[0][-2:], new[0][-2:]) == ("01", "02")
        assert seen(buyer, paid)["paymentStatus"] == "REFUNDING"

    async def test_of_one_that_came_back_asks_again_under_the_next_number(
        self, buyer: Buyer, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        returned = refund(organizer, paid, amount=900).json()["refundId"]
        await fails(database, returned, "returned")
        assert seen(buyer, paid)["refundStatus"] == "returned"

        answer = retry(organizer, returned)

        assert answer.status_code == 201
        assert [row[1:] for row in await statuses(database, paid)] == [
            ("returned", 900),
            ("requested", 900),
        ]

    async def test_of_one_whose_retry_failed_asks_for_that_again(
        self, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        failed = refund(organizer, paid, amount=900).json()["refundId"]
        await fails(database, failed)
        second = retry(organizer, failed, idempotencyKey="k").json()
        await fails(database, second["refundId"])

        third, again = (retry(organizer, failed) for _ in range(2))

        assert (third.status_code, again.status_code) == (201, 200)
        assert third.json() == again.json()
        assert [row[0][-2:] for row in await statuses(database, paid)] == ["01", "02", "03"]
        assert third.json()["refundId"] not in {failed, second["refundId"]}
        assert retry(organizer, failed, idempotencyKey="k").json() == second
        newest = retry(organizer, second["refundId"]).json()
        assert newest["refundId"] == third.json()["refundId"]

    async def test_of_one_that_failed_needs_the_money_to_be_there(
        self, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        failed = refund(organizer, paid).json()["refundId"]
        await fails(database, failed)
        refund(organizer, paid, idempotencyKey="otherwise", amount=4999)

        answer = retry(organizer, failed)

        assert is_problem(answer, 409, "REFUND_EXCEEDS_PAID")
        assert answer.json()["refundable"] == 1

    async def test_of_one_under_way_goes_on_under_the_same_number(
        self,
        organizer: Organizer,
        paid: dict[str, Any],
        database: Database,
        simulator: Simulator,
    ) -> None:
        made = refund(organizer, paid, amount=900).json()

        answer = retry(organizer, made["refundId"])

        assert (answer.status_code, answer.json()) == (200, made)
        wait_until(lambda: simulator.calls(f"{paid['orderNo']}01").get("refund", 0) == 1)
        assert len(await statuses(database, paid)) == 1

    def test_of_one_that_succeeded_tells_it_as_it_is(
        self, organizer: Organizer, buyer: Buyer
    ) -> None:
        order = buyer.order(HOT).json()
        organizer.mark_paid(order["orderId"])
        made = refund(organizer, order).json()

        answer = retry(organizer, made["refundId"], idempotencyKey="k")

        assert (answer.status_code, answer.json()) == (200, made)
        assert made["status"] == "succeeded"

    async def test_remembers_its_key(
        self, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        failed = refund(organizer, paid, amount=900).json()["refundId"]
        await fails(database, failed)

        first = retry(organizer, failed, idempotencyKey="k").json()
        await fails(database, first["refundId"])

        assert retry(organizer, failed, idempotencyKey="k").json() == first

    async def test_takes_its_key_from_the_header_where_the_body_names_none(
        self, organizer: Organizer, paid: dict[str, Any], database: Database
    ) -> None:
        one, other = (
            refund(organizer, paid, amount=900, idempotencyKey=key).json()["refundId"]
            for key in ("one", "other")
        )
        await fails(database, one)
        organizer.http.headers["Idempotency-Key"] = f"header-{one}"

        first = retry(organizer, one).json()
        await fails(database, first["refundId"])

        assert retry(organizer, one).json() == first
        assert is_problem(retry(organizer, other), 422, "IDEMPOTENCY_MISMATCH")
        assert retry(organizer, other, idempotencyKey="own").status_code == 200

    def test_is_for_who_manages_the_event(
        self, buyer: Buyer, organizer: Organizer, service: Service, paid: dict[str, Any]
    ) -> None:
        made = refund(organizer, paid, amount=900).json()["refundId"]
        another = Buyer(service, "organizer")

        assert is_problem(retry(buyer, made), 403, "FORBIDDEN")
        assert is_problem(retry(another, made), 404, "NOT_FOUND")
        assert is_problem(retry(organizer, 2**53 - 1), 404, "NOT_FOUND")
        another.http.close()


class TestWithoutWebhookOnly:
    def test_a_refund_is_asked_for_in_the_call(
        self, waiting: Service, paid: dict[str, Any], simulator: Simulator
    ) -> None:
        organizer = Organizer(waiting)

        answer = refund(organizer, paid, amount=900)
        organizer.http.close()

        assert answer.json()["status"] == "processing"
        assert simulator.calls(f"{paid['orderNo']}01")["refund"] == 1


class TestABodyThatSendsNothingBack:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("orderId", value) for value in _NO_IDS),
            *(("idempotencyKey", value) for value in (*_NO_KEYS, None)),
            *(("amount", value) for value in _NO_AMOUNTS),
            *(("reason", value) for value in _NO_REASONS),
            ("status", "succeeded"),
        ],
    )
    def test_is_refused(self, organizer: Organizer, name: str, value: object) -> None:
        answer = refund(organizer, {"orderId": 1}, **{name: value})

        assert is_problem(answer, 400, "INVALID_REQUEST")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("refundId", value) for value in _NO_IDS),
            *(("idempotencyKey", value) for value in _NO_KEYS),
            ("amount", 1),
        ],
    )
    def test_is_refused_at_the_retry(self, organizer: Organizer, name: str, value: object) -> None:
        answer = organizer.http.post(RETRY, json={"refundId": 1} | {name: value})

        assert is_problem(answer, 400, "INVALID_REQUEST")
