"""People and the clock at the same order at once, against real processes."""

import asyncio
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from models.engine import Database
from tests.journeys.service import Person, Service, eventually

pytestmark = pytest.mark.xdist_group("service")

EVENT, STANDARD, HOT = 1, 1, 3
RACES = 500
_AT_ONCE = 32
_SPREAD_SECONDS = 2.0

_UNSETTLED = """
SELECT count(*) FROM orders o WHERE o.id = ANY($1::bigint[]) AND (
  o.status IN ('PENDING', 'CLOSING')
  OR EXISTS (SELECT 1 FROM payment_attempts a WHERE a.order_id = o.id
             AND a.state IN ('OPENING', 'OPEN', 'UNKNOWN'))
  OR EXISTS (SELECT 1 FROM refunds f WHERE f.order_id = o.id
             AND f.status IN ('requested', 'processing')))
"""
_FATES = """
SELECT o.order_no, o.status, o.seats_held,
  (SELECT count(*) FROM payments p WHERE p.order_id = o.id AND p.honoured) AS kept,
  (SELECT count(*) FROM payments p WHERE p.order_id = o.id AND NOT p.honoured
     AND p.refund_minor = p.amount_minor) AS returned
FROM orders o WHERE o.id = ANY($1::bigint[])
"""


class TestTwoHundredCancels:
    async def test_return_the_seats_once(self, service: Service, books: Database) -> None:
        ann = Person(service, "two hundred")
        order = ann.order(EVENT, STANDARD, quantity=4).json()
        assert order["payPayload"], order

        async with _client(service) as client:
            answers = await asyncio.gather(
                *(
                    client.post(
                        f"/api/events/{EVENT}/orders/{order['orderId']}/cancel",
                        headers=ann.headers,
                    )
                    for _ in range(200)
                )
            )

        # 202 is for who could not wait for the provider's close.
        assert Counter(answer.status_code for answer in answers).keys() <= {200, 202}
        await asyncio.to_thread(
            eventually, lambda: ann.see(EVENT, order["orderId"])["status"] == "CANCELLED"
        )
        # Seats of others may come back meanwhile: only those of this order are looked at.
        moved = """SELECT seats FROM seat_ledger
                   WHERE holder_kind = 'order' AND holder_id = $1 ORDER BY id"""
        rows = await books.fetch(moved, order["orderId"])
        assert [row["seats"] for row in rows] == [4, -4]


class TestPayingAgainstTheClock:
    @pytest.mark.timeout(400)
    async def test_keeps_the_money_or_returns_it_and_never_both(
        self, service: Service, books: Database
    ) -> None:
        with ThreadPoolExecutor(16) as pool:
            buyers = list(pool.map(lambda n: Person(service, f"race {n}"), range(RACES)))
        gate = asyncio.Semaphore(_AT_ONCE)
        async with _client(service) as client:
            orders = await asyncio.gather(*(_buy(client, gate, buyer) for buyer in buyers))
        ids = [order["orderId"] for order in orders]
        await books.execute(
            """UPDATE orders SET expired_at = now() + random() * $2 * interval '1 s'
               WHERE id = ANY($1::bigint[])""",
            ids,
            _SPREAD_SECONDS,
        )

        sandbox = str(service.sandbox.base_url)
        async with httpx.AsyncClient(base_url=sandbox, timeout=60, trust_env=False) as payer:
            await asyncio.gather(*(_pay_sometime(payer, gate, order) for order in orders))
        async with asyncio.timeout(200):
            while await books.fetchval(_UNSETTLED, ids):  # noqa: ASYNC110 - others write it
                await asyncio.sleep(0.1)

        fates = await books.fetch(_FATES, ids)
        for fate in fates:
            is_paid = fate["status"] == "PAID"
            assert fate["status"] in ("PAID", "EXPIRED"), fate
            assert (fate["kept"], fate["seats_held"]) == (int(is_paid), int(is_paid)), fate
            status = _provider_status(service, fate["order_no"])
            wanted = "SUCCESS" if is_paid else "REFUND" if fate["returned"] else "CLOSED"
            assert status == wanted, (fate, status)
        # Both must have won some, or there was no race.
        assert {fate["status"] for fate in fates} == {"PAID", "EXPIRED"}


def _client(service: Service) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=service.url, timeout=60, trust_env=False)


async def _buy(
    client: httpx.AsyncClient, gate: asyncio.Semaphore, buyer: Person
) -> dict[str, int | str]:
    async with gate:
        answer = await client.post(
            f"/api/events/{EVENT}/orders", json={"ticketTypeId": HOT}, headers=buyer.headers
        )
    assert answer.status_code == 201, answer.text
    made: dict[str, int | str] = answer.json()
    assert made["payPayload"], made
    return made


async def _pay_sometime(
    payer: httpx.AsyncClient, gate: asyncio.Semaphore, order: dict[str, int | str]
) -> None:
    await asyncio.sleep(random.uniform(0, _SPREAD_SECONDS))  # noqa: S311 - spreads, guards nothing
    async with gate:
        # Who comes after the close is refused by the provider: that race is lost.
        await payer.post(f"/control/trades/{order['orderNo']}01/pay", json={})


def _provider_status(service: Service, order_no: str) -> str:
    told = service.sandbox.get("/control/trades", params={"order_no": order_no}).json()
    (trade,) = told["trades"]
    status: str = trade["status"]
    return status
