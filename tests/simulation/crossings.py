"""Two sessions that meet at a row, a key or a lock, played to PostgreSQL and its stand-in."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import asyncpg
from msgspec.structs import replace

from actors.actor import Actor
from contracts.commands import CreateOrder, StartAttempt
from contracts.order import Order
from contracts.policy import Policy
from contracts.states import AttemptState, Channel
from models import inbox, orders, sales, seats, sweeps, turns
from models.attempts import may_ask
from models.encoding import rows
from models.engine import Tx
from models.locks import lock_orders
from models.turn_money import moved_attempts
from models.written import WrittenTurn
from tests.rules.builders import an_order
from tests.simulation.twins import Twin

Crossing: TypeAlias = Callable[[Twin], Awaitable[list[str]]]

# Long enough for a statement that need not wait, on a busy machine.
_WAITS_SECONDS = 0.5


async def _an_order(twin: Twin, user_id: int = 1) -> Order:
    """Make an order with one attempt."""
    actor = Actor(database=twin.database, redis=None, policy=Policy(gift_code_key=b"k" * 32))
    sale = await actor.create(_wish(user_id))
    assert sale.order is not None
    start = StartAttempt(
        order_id=sale.order.id,
        provider="wechat",
        channel=Channel.WECHAT_NATIVE,
        merchant_id="m",
        appid="a",
        notify_url="http://127.0.0.1/notify",
    )
    order = (await actor.take_turn(start)).order
    await actor.close()
    return order


def _wish(user_id: int, number: int = 1) -> CreateOrder:
    return CreateOrder(
        order_no=f"G{user_id:010}{number:05}",
        event_id=1,
        ticket_type_id=1,
        user_id=user_id,
        quantity=1,
        payment_channel="wechat",
    )


async def _begin(twin: Twin) -> Tx:
    """Begin a transaction beside others: of ours there is only ever one per task."""
    tx = twin.database.transaction()
    await tx.__aenter__()
    tx.engine.current_transaction.set(None)
    return tx


async def _end(tx: Tx, failure: Exception | None = None) -> None:
    await tx.__aexit__(type(failure) if failure else None, failure, None)


async def _meet(work: Awaitable[Any], then: Callable[[], Awaitable[Any]]) -> list[str]:
    """Say whether *work* waits, and what came of it after *then*."""
    task = asyncio.ensure_future(work)
    await asyncio.wait([task], timeout=_WAITS_SECONDS)
    waited = not task.done()
    await then()
    answer: Any
    try:
        answer = await task
    except asyncpg.PostgresError as failure:
        answer = type(failure).__name__
    return [f"waited: {waited}", str(answer)]


def _swap(
    tx: Tx, order: Order, channel: str, attempts: Sequence[dict[str, object]] = ()
) -> Awaitable[Any]:
    new = {
        "id": order.id,
        "version": order.version,
        "status": order.status,
        "payment_status": order.payment_status,
        "last_payment_attempt_status": None,
        "refund_status": None,
        "closing_for": None,
        "payment_channel": "wechat",
        "channel": channel,
        "seats_held": order.seats_held,
        "total_minor": order.total.amount_minor,
        "paid_at": None,
        "events": [],
        "attempts": attempts,
        "legacy": None,
    }
    return tx.fetch(turns._SWAP, rows([new]))  # noqa: SLF001 - what is compared


async def a_swap_of_a_version_that_is_gone(twin: Twin) -> list[str]:
    """See the second of two swaps wait for the first and then write nothing."""
    order = await _an_order(twin)
    second = await _begin(twin)
    first = await _begin(twin)
    said = [str(len(await _swap(first, order, "a")))]
    said += await _meet(_swap(second, order, "b"), lambda: _end(first))
    await _end(second)
    after, _ = await orders.load(twin.database, [order.id])
    return [*said, str(after[order.id].channel), str(after[order.id].version - order.version)]


async def a_swap_that_is_rolled_back(twin: Twin) -> list[str]:
    """See the second of two swaps wait, and write when the first is rolled back."""
    order = await _an_order(twin)
    second = await _begin(twin)
    first = await _begin(twin)
    await _swap(first, order, "a")
    stop = RuntimeError("rolled back")
    said = await _meet(_swap(second, order, "b"), lambda: _end(first, stop))
    await _end(second)
    after, _ = await orders.load(twin.database, [order.id])
    return [said[0], str(after[order.id].channel)]


async def a_locking_load_that_waits(twin: Twin) -> list[str]:
    """See an order and its parts as they are after the wait for its row."""
    order = await _an_order(twin)
    number = order.attempts[0].attempt_no
    second = await _begin(twin)
    first = await _begin(twin)
    await _swap(first, order, "new", _closed(order))
    await may_ask(first, number, 6.0)
    seen: dict[int, Order] = {}

    async def load() -> str:
        found, _ = await orders.load(second, [order.id], lock=True)
        seen.update(found)
        return "loaded"

    said = await _meet(load(), lambda: _end(first))
    await _end(second)
    late = seen[order.id]
    return [*said, str(late.channel), str(late.version - order.version), late.attempts[0].state]


def _closed(order: Order) -> list[dict[str, object]]:
    closed = replace(order, attempts=(replace(order.attempts[0], state=AttemptState.CLOSED),))
    return moved_attempts(WrittenTurn(before=order, after=closed, events=()), order.created_at)


async def a_claim_of_a_row_that_is_held(twin: Twin) -> list[str]:
    """See a claim skip what somebody writes, and find it afterwards."""
    order = await _an_order(twin)
    await twin.make_due()
    async with twin.database.transaction() as first:
        await may_ask(first, order.attempts[0].attempt_no, 6.0)
        held = len(await sweeps.claim_looks(twin.database, 10))
    return [str(held), str(len(await sweeps.claim_looks(twin.database, 10)))]


async def two_orders_of_one_buyer(twin: Twin) -> list[str]:
    """See a buyer's second open order wait for the first, and be refused."""
    return await _two_orders(twin, None)


async def two_orders_of_one_buyer_who_left(twin: Twin) -> list[str]:
    """See a buyer's second open order wait for the first, and be made when that is not."""
    return await _two_orders(twin, RuntimeError("rolled back"))


async def _two_orders(twin: Twin, stop: RuntimeError | None) -> list[str]:
    first, second = await _begin(twin), await _begin(twin)
    await sales.insert_orders(first, [_new_order(1)])
    said = await _meet(
        sales.insert_orders(second, [_new_order(2)]),
        lambda: _end(first, stop),
    )
    await _end(second, RuntimeError("done"))
    return [said[0], "refused" if said[1] == "UniqueViolationError" else "made"]


def _new_order(number: int) -> sales.NewOrder:
    order = an_order(id=0, order_no=_wish(1, number).order_no, event_id=1, user_id=1)
    return sales.NewOrder(
        order=order, events=(), idempotency_key=None, body_hash=None, invite_hashes=()
    )


async def a_notice_stored_twice_at_once(twin: Twin) -> list[str]:
    """See the second copy of a notice wait for the first, and not be new."""
    notice = inbox.NewNotice(provider="wechat", event_id="n", headers={}, body=b"", trace_ctx=None)
    first = await _begin(twin)
    told = await inbox.store(first, [notice])  # type: ignore[arg-type]  # a transaction will do
    said = await _meet(inbox.store(twin.database, [notice]), lambda: _end(first))
    return [str(told[0] is not None), *said]


async def locks_taken_crosswise(twin: Twin) -> list[str]:
    """See one of two who wait for each other be told so."""
    first, second = await _begin(twin), await _begin(twin)
    await lock_orders(first, [1])
    await lock_orders(second, [2])
    told = await asyncio.gather(
        lock_orders(first, [2]), lock_orders(second, [1]), return_exceptions=True
    )
    failures = [type(answer).__name__ for answer in told if answer is not None]
    stop = RuntimeError("done")
    await _end(first, stop)
    await _end(second, stop)
    return failures


async def a_statement_after_a_failure(twin: Twin) -> list[str]:
    """See a transaction that failed take nothing more, and keep nothing."""
    order = await _an_order(twin)
    said = []
    tx = await _begin(twin)
    await _swap(tx, order, "a")
    for _ in range(2):
        try:
            await tx.execute(seats._MOVE_TYPES, rows([{"ticket_type_id": 1, "seats": 99}]))  # noqa: SLF001 - what is compared
        except asyncpg.PostgresError as failure:
            said.append(type(failure).__name__)
    await _end(tx, RuntimeError("done"))
    after, _ = await orders.load(twin.database, [order.id])
    return [*said, str(after[order.id].channel), str(after[order.id].version - order.version)]


async def an_uncommitted_order(twin: Twin) -> list[str]:
    """See what is not committed within its own transaction alone."""
    async with twin.database.transaction() as tx:
        made = await sales.insert_orders(tx, [_new_order(1)])
        order_id = next(iter(made.values()))[0]
        own, _ = await orders.load(tx, [order_id])
        others, _ = await orders.load(twin.database, [order_id])
        standing = await sales.standing(twin.database, 1, [(1, None)])
    after, _ = await orders.load(twin.database, [order_id])
    return [str(len(own)), str(len(others)), str(standing[1].order_id), str(len(after))]


CROSSINGS: tuple[Crossing, ...] = (
    a_swap_of_a_version_that_is_gone,
    a_swap_that_is_rolled_back,
    a_locking_load_that_waits,
    a_claim_of_a_row_that_is_held,
    two_orders_of_one_buyer,
    two_orders_of_one_buyer_who_left,
    a_notice_stored_twice_at_once,
    locks_taken_crosswise,
    a_statement_after_a_failure,
    an_uncommitted_order,
)
