"""`crash_at_every_step`: run a flow once to see its steps, then again with a crash at each."""

from collections.abc import Awaitable, Callable, Collection
from itertools import count

import msgspec
from redis.asyncio import Redis

from actors.failpoints import Reach
from contracts.errors import Refusal
from contracts.order import Order
from contracts.states import OrderStatus
from models.engine import Database
from models.invariants import check_invariants
from runtime.failpoints import FailpointReached
from tests.faults.bank import Bank
from tests.faults.office import Office
from tests.storage.stage import OnSale


class Passage(msgspec.Struct, frozen=True):
    """One run of a flow: the steps it came by, and what was not true at its end."""

    steps: tuple[str, ...]
    violations: tuple[str, ...]


Run = Callable[[str | None], Awaitable[Passage]]


async def crash_at_every_step(run: Run, *, but_not: Collection[str] = ()) -> tuple[str, ...]:
    """Run a flow without a crash, then with one at each of its steps; return the steps.

    *run* takes the step to crash at, lets the flow recover, and tells what it found. Steps in
    *but_not* were crashed at in another flow.
    """
    calm = await run(None)
    assert calm.violations == (), calm.violations
    for step in calm.steps:
        if step not in but_not:
            passage = await run(step)
            assert step in passage.steps, f"a crash at {step} was not reached"
            assert passage.violations == (), f"after a crash at {step}: {passage.violations}"
    return calm.steps


class Story(msgspec.Struct):
    """A buyer's way through the house, and what it must end in."""

    office: Office
    user_id: int
    asks_a_person: bool = False
    promised: dict[int, Order] = {}
    ends: dict[int, OrderStatus] = {}

    async def order(self, quantity: int = 2) -> Order:
        """Buy, and remember that it was confirmed."""
        made = await self.office.order(self.user_id, quantity)
        self.promised[made.id] = made
        return made

    async def ended(self, order: Order, status: OrderStatus) -> None:
        """Wait for an end that must stay."""
        await self.office.wait_for(order, status)
        self.ends[order.id] = status


Flow = Callable[[Story], Awaitable[None]]
_users = count(1000)


class Stage:
    """Runs flows against the real database, with one crash each."""

    def __init__(self, database: Database, redis: Redis, sale: OnSale) -> None:
        self._database = database
        self._redis = redis
        self._sale = sale

    def of(self, flow: Flow) -> Run:
        """Return how *flow* is run."""

        async def run(step: str | None) -> Passage:
            passed: dict[str, None] = {}
            office = Office(
                database=self._database,
                redis=self._redis,
                bank=Bank(),
                sale=self._sale,
                reach=_raising_once(step, passed),
            )
            story = Story(office, next(_users))
            try:
                await flow(story)
                await self._let_settle(story)
            finally:
                await office.close()
            return Passage(tuple(passed), tuple(await self._violations(story)))

        return run

    async def _let_settle(self, story: Story) -> None:
        for order_id, order in story.promised.items():
            if (await story.office.actor.load(order_id)).status is OrderStatus.PENDING:
                await story.office.end_time(order)
        for _ in range(400):
            if not await self._is_anything_open():
                return
            await story.office.time_passes()
            await self._give_up_unknown(story)
        raise AssertionError("something never ended")

    async def _is_anything_open(self) -> bool:
        found: bool = await self._database.fetchval(
            """SELECT EXISTS (SELECT FROM orders WHERE status IN ('PENDING', 'CLOSING'))
                 OR EXISTS (SELECT FROM refunds WHERE status IN ('requested', 'processing'))
                 OR EXISTS (SELECT FROM webhook_events WHERE status IN ('RECEIVED', 'FAILED'))
                 OR EXISTS (SELECT FROM effects WHERE done_at IS NULL)
                 OR pg_sleep(0.03) IS NULL"""
        )
        return found

    async def _give_up_unknown(self, story: Story) -> None:
        # An attempt the provider never heard of can only be waited out.
        for row in await self._database.fetch(
            "SELECT attempt_no FROM payment_attempts WHERE close_owed AND state <> 'CLOSED'"
        ):
            if row["attempt_no"] not in story.office.bank.trades:
                await self._database.execute(
                    """UPDATE payment_attempts SET payable_until = now() - interval '5 min',
                         request = jsonb_set(request::jsonb, '{payable_until}',
                           to_jsonb(now() - interval '5 min'))
                       WHERE attempt_no = $1""",
                    row["attempt_no"],
                )

    async def _violations(self, story: Story) -> list[str]:
        found = [f.id for f in await check_invariants(self._database) if f.violations]
        for order_id, promised in story.promised.items():
            try:
                order = await story.office.actor.load(order_id)
            except Refusal:
                found.append(f"order {order_id} is gone")
                continue
            if (order.order_no, order.total) != (promised.order_no, promised.total):
                found.append(f"order {order_id} is another")
            if order.status is not story.ends.get(order_id, order.status):
                found.append(f"order {order_id} is {order.status}")
            if not story.asks_a_person:
                found += _books_disagree(order, story.office.bank)
        return found


def _books_disagree(order: Order, bank: Bank) -> list[str]:
    found = []
    for attempt in order.attempts:
        trade = bank.trades.get(attempt.attempt_no)
        if trade is None or trade.status == "CLOSED":
            continue
        kept = order.status is OrderStatus.PAID and not trade.returned_minor
        returned = trade.returned_minor == trade.request.amount.amount_minor
        if trade.status != "PAID" or not (kept or returned):
            found.append(f"{attempt.attempt_no} is {trade.status} there, {order.status} here")
    return found


def _raising_once(step: str | None, passed: dict[str, None]) -> Reach:
    async def reach(name: str) -> None:
        is_first = name not in passed
        passed[name] = None
        if name == step and is_first:
            raise FailpointReached(name)

    return reach
