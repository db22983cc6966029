"""What a house in use has in its tables: orders that were paid, and orders that ended unpaid."""

from typing import Final

import httpx

from bench.bench import Bench
from bench.copies import copy_order
from bench.patience import until
from bench.settling import duties_done
from bench.stage import make_order, put_on_sale

_EVENTS = 3
_PAIRS_PER_EVENT = 10_000
# How many there are in all, so that the ruler's indexes can be as deep.
ORDERS: Final = 2 * _EVENTS * _PAIRS_PER_EVENT
_PATIENCE_SECONDS = 20


async def write_history(bench: Bench) -> None:
    """Copy one paid order and one cancelled one, each made for real."""
    paid, cancelled = await _paid(bench), await _cancelled(bench)
    user_ids = [buyer.user_id for buyer in bench.buyers[: bench.sized(_PAIRS_PER_EVENT)]]
    for _ in range(_EVENTS):
        sale = await put_on_sale(bench.database)
        await copy_order(bench.database, cancelled, sale, user_ids)
        await copy_order(bench.database, paid, sale, user_ids)


async def _paid(bench: Bench) -> int:
    sale = await put_on_sale(bench.database)
    order_id = await make_order(bench.house.client, sale, bench.buyers[0], prepare=True)
    attempt_no = await bench.database.fetchval(
        "SELECT attempt_no FROM payment_attempts WHERE order_id = $1", order_id
    )
    async with httpx.AsyncClient(base_url=bench.house.sandbox_url, trust_env=False) as sandbox:
        answer = await sandbox.post(f"/control/trades/{attempt_no}/pay", json={})
        assert answer.status_code == httpx.codes.OK, answer.text

    async def is_paid() -> bool:
        status: str = await bench.database.fetchval(
            "SELECT status FROM orders WHERE id = $1", order_id
        )
        return status == "PAID"

    await until(is_paid, within_seconds=_PATIENCE_SECONDS)
    await duties_done(bench)
    return order_id


async def _cancelled(bench: Bench) -> int:
    sale = await put_on_sale(bench.database)
    buyer = bench.buyers[0]
    order_id = await make_order(bench.house.client, sale, buyer, prepare=False)
    answer = await bench.house.client.post(
        f"{sale.path}/{order_id}/cancel", headers={"Authorization": buyer.authorization}
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    return order_id
