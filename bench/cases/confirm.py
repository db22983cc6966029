"""Payments by intent: asked for, confirmed, and paid when the mock's webhook comes."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from bench.bench import Bench, Spent, say
from bench.beside import nothing_request, server_beside
from bench.copies import copy_order
from bench.counting import StatementCount
from bench.load import fire
from bench.rows import Row
from bench.settling import Watcher, duties_done
from bench.shots import Shot, request, share_of
from bench.stage import Buyer, OnSale, make_order, put_on_sale, settle_down

_PAYMENTS = 1500
_ALONE = 50
_CLIENTS = 64
_STATEMENTS_MAX = 24


@dataclass(frozen=True, kw_only=True)
class _Order:
    """One order to be paid, and the buyer's word for it."""

    id: int
    amount_minor: int
    buyer: Buyer


@dataclass(frozen=True, kw_only=True)
class _Paid:
    """How long it took, from the first request until the last order was seen paid."""

    seconds: float
    delays_ms: list[float]


async def measure(bench: Bench) -> list[Row]:
    """Measure whole payments beside a request that does nothing."""
    count = bench.sized(_PAYMENTS)
    statements = await _statements(bench)
    paid: list[_Paid] = []
    cpu: list[Spent] = []
    for n in range(bench.rounds):
        orders = await _orders(bench, bench.buyers[:count])
        before = bench.spent()
        paid.append(await _pay(bench, orders, clients=_CLIENTS))
        await duties_done(bench)
        cpu.append(bench.spent() - before)
        say(f"confirm {n + 1}: {count / paid[-1].seconds:.0f}/s")
    empty = await _nothing(bench)
    delays = [one.delays_ms for one in paid]
    return [
        Row(
            what=f"payments by intent until PAID, {_CLIENTS} clients",
            unit="1/s",
            values=[count / one.seconds for one in paid],
        ),
        Row(what="empty authenticated POSTs beside them", unit="1/s", values=empty),
        Row(what="confirm to PAID p50", unit="ms", values=[share_of(d, 0.5) for d in delays]),
        Row(what="confirm to PAID p99", unit="ms", values=[share_of(d, 0.99) for d in delays]),
        Row(
            what="CPU per payment, api, worker and PostgreSQL",
            unit="ms",
            values=[1000 * used.total / count for used in cpu],
        ),
        Row(
            what="statements per payment, 1 client",
            unit="",
            values=[statements],
            at_most=_STATEMENTS_MAX,
        ),
    ]


async def _statements(bench: Bench) -> float:
    orders = await _orders(bench, bench.buyers[: bench.sized(_ALONE)])
    async with StatementCount(bench) as counted:
        for order in orders:
            await _pay(bench, [order], clients=1)
    say(f"confirm: {counted.statements / len(orders):.2f} statements")
    return counted.statements / len(orders)


async def _orders(bench: Bench, buyers: Sequence[Buyer]) -> list[_Order]:
    """Make orders that the mock is to be paid by: one for real, the others as its copies."""
    desk, sale = await put_on_sale(bench.database), await put_on_sale(bench.database)
    model_id = await make_order(bench.house.client, desk, bench.buyers[-1], prepare=False)
    await copy_order(bench.database, model_id, sale, [buyer.user_id for buyer in buyers])
    found = await bench.database.fetch(
        "UPDATE orders SET payment_channel = 'mock' WHERE event_id = $1"
        " RETURNING id, total_minor, user_id",
        sale.event_id,
    )
    await settle_down(bench.database)
    known = {buyer.user_id: buyer for buyer in buyers}
    return [_Order(id=row[0], amount_minor=row[1], buyer=known[row[2]]) for row in found]


async def _pay(bench: Bench, orders: Sequence[_Order], *, clients: int) -> _Paid:
    port, sent_at = bench.house.port, dict[int, float]()
    intent_ids = dict[bytes, int]()

    def keep(shot: Shot) -> None:
        intent_ids[shot.raw] = json.loads(shot.body)["intentId"]

    asked = [_ask(order) for order in orders]
    wanted = await fire(port, iter(asked), clients=clients, on_answer=keep)
    wanted.rate(201)
    confirmed = {
        _confirm(order, intent_ids[raw]): order.id for order, raw in zip(orders, asked, strict=True)
    }
    watcher = await Watcher.begin(bench, 0.01)
    watching = asyncio.create_task(watcher.see({order.id for order in orders}))

    def note(shot: Shot) -> None:
        sent_at[confirmed[shot.raw]] = shot.sent_at

    volley = await fire(port, iter(confirmed), clients=clients, on_answer=note)
    volley.rate(201)
    seen_at = await watching
    return _Paid(
        seconds=wanted.seconds + max(seen_at.values()) - volley.started_at,
        delays_ms=[1000 * (seen_at[order_id] - sent_at[order_id]) for order_id in seen_at],
    )


def _ask(order: _Order) -> bytes:
    body = {
        "orderId": order.id,
        "amount": order.amount_minor,
        "currency": "CNY",
        "idempotencyKey": f"intent-{order.id}",
    }
    return _post("/payments/create_intent", order, body)


def _confirm(order: _Order, intent_id: int) -> bytes:
    body = {"intentId": intent_id, "idempotencyKey": f"confirm-{order.id}"}
    return _post("/payments/confirm", order, body)


def _post(path: str, order: _Order, body: dict[str, object]) -> bytes:
    headers = {"Authorization": order.buyer.authorization}
    return request("POST", path, body=json.dumps(body).encode(), headers=headers)


async def _nothing(bench: Bench) -> list[float]:
    people = bench.buyers[:400]
    anywhere: OnSale = await put_on_sale(bench.database)
    rates = []
    async with server_beside(bench, anywhere, people) as port:
        for _ in range(bench.rounds):
            requests = [nothing_request(buyer) for buyer in people] * 100
            volley = await fire(port, iter(requests), clients=_CLIENTS, seconds=bench.seconds)
            rates.append(volley.rate(200))
    return rates
